"""The signals that end a set: Ctrl-C, the system's request to end, and the loss of the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping

from riffengine.clock import SystemClock
from riffengine.telemetry.text_writer import TextWriter

FIRST_SECONDS = 15.0
"""So long the event loop may take to hear of a signal: while a set starts on a busy machine, one turn takes seconds."""

AGAIN_SECONDS = 3.0
"""So long after another signal, while the first has not been heard yet."""

_SAID_SECONDS = 0.5


def end_process() -> None:
    """End this process at once; the player fades out and finishes the recording, as after every death of the engine."""
    said = TextWriter(sys.stderr)
    said.write("riffengine: the engine did not answer and was ended; recordings are finished\n")
    said.close(_SAID_SECONDS)
    os._exit(1)


@contextlib.contextmanager
def stop_signals(
    ask_to_stop: Callable[[], None],
    hung_up: Callable[[], None],
    unanswered: Callable[[], None] = end_process,
    first_seconds: float = FIRST_SECONDS,
    again_seconds: float = AGAIN_SECONDS,
) -> Iterator[None]:
    """Have the running loop call ``ask_to_stop`` for SIGINT and SIGTERM, and ``hung_up`` for SIGHUP.

    A thread hears the signals, whatever the loop does, and calls ``unanswered`` when the loop has not called within
    ``first_seconds``, or within ``again_seconds`` of another signal. A call that holds the interpreter's lock holds up
    this thread, too. Nothing is done in another thread than the main one, which all signals belong to.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    answers = {int(signal.SIGINT): ask_to_stop, int(signal.SIGTERM): ask_to_stop}
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:  # nohup: the set outlives it
        answers[int(hang_up)] = hung_up
    hears, rings = socket.socketpair()
    rings.setblocking(False)
    watch = _Watch(hears, answers, asyncio.get_running_loop(), unanswered, (first_seconds, again_seconds))
    thread = threading.Thread(target=watch.run, name="stop signals", daemon=True)
    thread.start()
    # The system's handler writes the number of the signal to the socket; Python's has nothing left to do, unless
    # another handler of the loop has had the numbers written to itself.
    ringing = signal.set_wakeup_fd(rings.fileno(), warn_on_full_buffer=False)

    def handle(number: int, _: object) -> None:
        written_to = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(written_to, warn_on_full_buffer=False)
        if written_to != rings.fileno():
            with contextlib.suppress(BlockingIOError):
                rings.send(bytes([number]))

    before = {number: signal.signal(number, handle) for number in answers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(ringing)
        rings.close()
        thread.join()
        hears.close()


@contextlib.contextmanager
def handlers_kept() -> Iterator[Callable[[], None]]:
    """Have the handlers of these signals be at the end what they are now.

    What it gives has signals do nothing until then: a process that ends anyway, by a deadline of its own, would lose
    its last words. In another thread than the main one nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}

    def ignore() -> None:
        for number in numbers:
            signal.signal(number, lambda *_: None)

    try:
        yield ignore
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that was not set by Python
                signal.signal(number, handler)


class _Watch:
    """What the thread does: it reads the numbers of signals from ``hears`` until the other end is closed."""

    def __init__(
        self,
        hears: socket.socket,
        answers: Mapping[int, Callable[[], None]],
        loop: asyncio.AbstractEventLoop,
        unanswered: Callable[[], None],
        seconds: tuple[float, float],
    ) -> None:
        self._hears, self._answers, self._loop = hears, answers, loop
        self._unanswered, (self._first, self._again) = unanswered, seconds
        self._clock = SystemClock()
        self._asked = self._answered = 0  # by the thread, and by the loop

    def run(self) -> None:
        """Until the end of the set, or until the process is to be ended."""
        due_ns = 0
        while True:
            waits = self._answered < self._asked
            left_seconds = max(0.0, (due_ns - self._clock.now_ns()) / 1e9)
            if waits and not left_seconds:
                self._unanswered()
                return
            self._hears.settimeout(left_seconds if waits else None)
            try:
                numbers = self._hears.recv(64)
            except TimeoutError:
                continue
            if not numbers:
                return
            for number in numbers:
                if number not in self._answers:
                    continue
                seconds = self._again if self._answered < self._asked else self._first
                now_ns = self._clock.now_ns()
                again_ns = now_ns + round(seconds * 1e9)
                due_ns = min(due_ns, again_ns) if self._answered < self._asked else again_ns
                self._asked += 1
                with contextlib.suppress(RuntimeError):  # the loop has been closed
                    self._loop.call_soon_threadsafe(self._answer, number)

    def _answer(self, number: int) -> None:
        """On the loop."""
        self._answered += 1
        self._answers[number]()
