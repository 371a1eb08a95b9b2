"""LineFile: lines that a thread writes to a file, in order, so that a disk that does not answer holds nobody up."""

from __future__ import annotations

import threading
from collections import deque
from typing import TextIO

MOST_WAITING = 20_000  # lines, some 10 MB; a set writes a few in a second and a hundred under many hands


class LineFile:
    """Writes each line to ``stream`` at once and flushes it; ``write`` never waits. Any thread.

    The file is a whole beginning of what was given: a line that the disk refuses is left out and counted in ``lost``,
    and the lines around it stay intact; when ``most_waiting`` lines wait, it is ``full``, and nothing that follows is
    written.
    """

    def __init__(self, stream: TextIO, most_waiting: int = MOST_WAITING) -> None:
        self.lost, self.full = 0, False
        self._stream, self._most_waiting = stream, most_waiting
        self._changed = threading.Condition()
        self._waiting: deque[str] = deque()
        self._writing = self._ending = self._line_incomplete = False
        self._thread = threading.Thread(target=self._run, name="line-file", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Have ``line`` written, which has no line break."""
        with self._changed:
            self.full = self.full or len(self._waiting) >= self._most_waiting
            if self.full or self._ending:
                self.lost += 1
            else:
                self._waiting.append(line)
                self._changed.notify_all()

    def settle(self, most_seconds: float) -> bool:
        """Wait until everything is written, ``most_seconds`` at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, most_seconds)

    def end(self, most_seconds: float) -> bool:
        """Write what waits and end the thread, in ``most_seconds`` at most; whether that was enough.

        The stream is the caller's to close, if it was.
        """
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join(most_seconds)
        return not self._thread.is_alive()

    @property
    def unwritten(self) -> int:
        """How many lines are not in the file, or not yet."""
        with self._changed:
            return self.lost + len(self._waiting) + self._writing

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                line, self._writing = self._waiting.popleft(), True
            written = self._write(line)
            with self._changed:
                self.lost += not written
                self._writing = False
                self._changed.notify_all()

    def _write(self, line: str) -> bool:
        try:
            # After a failed write the file may end in half a line; a line break keeps the next line intact.
            self._stream.write(f"\n{line}\n" if self._line_incomplete else f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: it was closed meanwhile
            self._line_incomplete = True
            return False
        self._line_incomplete = False
        return True
