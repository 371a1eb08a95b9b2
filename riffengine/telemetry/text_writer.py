"""TextWriter: writes text in a thread of its own, so that a terminal or reader that takes nothing holds nobody up.

Ctrl-S, a stalled connection and a pipe that nobody reads all make a write wait for as long as they like.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import threading
from collections import deque
from typing import TextIO

MOST_WAITING = 1000  # texts that wait to be written; what comes later is left out and counted


class TextWriter:
    """Writes to ``stream``, in order. ``write`` and ``show`` never wait; any thread may call them.

    When the terminal is closed or nobody reads any more, all that follows goes to nowhere.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._target = stream, DirectText(stream)
        self._changed = threading.Condition()
        self._texts: deque[str] = deque()
        self._last = ""
        self._left_out = 0
        self._ending = False
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        """Write ``text``; where a thousand texts wait already, it is left out, and their number is written later."""
        with self._changed:
            if len(self._texts) >= MOST_WAITING:
                self._left_out += 1
            else:
                self._texts.append(text)
            self._wake()

    def show(self, text: str) -> None:
        """Write ``text`` after everything else, in place of such a text that is not written yet."""
        with self._changed:
            self._last = text
            self._wake()

    def close(self, most_seconds: float) -> bool:
        """Wait until everything is written, ``most_seconds`` at most, and end the thread; whether all was written.

        What is given later starts another.
        """
        with self._changed:
            thread, self._ending = self._thread, True
            self._changed.notify_all()
        if thread is None:
            return True
        thread.join(most_seconds)
        return not thread.is_alive()

    def _wake(self) -> None:
        """Have the thread look at what there is. The condition is held."""
        self._ending = False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="text-writer", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._texts or self._last or self._ending)
                text = "".join(self._texts)
                if self._left_out:
                    text += f"({self._left_out} messages were left out: nothing took what was written)\n"
                text += self._last
                self._texts.clear()
                self._last, self._left_out = "", 0
                if not text:
                    self._thread = None
                    return
            try:
                self._target.write(text)
            except (OSError, ValueError):
                leave_out_the_rest(self._stream)


class DirectText:
    """``stream`` without Python's buffer, whose lock a write that waits would hold until the process ends.

    What is buffered already is written first, by the constructor. What others print to the stream is written with every
    line from then on, so that it stays in order with this.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._descriptor: int | None = None
        if os.name == "posix" and isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError, ValueError):  # ValueError: it is no file of the system, or closed
                self._descriptor = stream.fileno()
                stream.reconfigure(line_buffering=True)
        try:
            stream.flush()
        except (OSError, ValueError):
            leave_out_the_rest(stream)

    def write(self, text: str) -> None:
        """Write ``text`` and wait for as long as that takes; ``OSError`` or ``ValueError`` when it is closed."""
        if self._descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            return
        errors = "replace" if self._stream.errors in (None, "strict") else self._stream.errors
        left = text.encode(self._stream.encoding, errors)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # another program has set this terminal not to wait
                select.select([], [self._descriptor], [])


def leave_out_the_rest(stream: TextIO) -> None:
    """Have nowhere take all that follows on ``stream``, what is still buffered too: Python writes it when it ends."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, descriptor)
        finally:
            os.close(nowhere)
