"""Heartbeat: while a job is in hand the renderer says every second what it has cost so far and how far it is.

On a machine that does much else a loop may take minutes; whoever waits must be able to tell slow from stuck. Processor
time is the evidence for the first: what hangs takes none, or more than any loop without a step done.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from riffengine.processes.render_messages import Alive

EVERY_SECONDS = 1.0


class Heartbeat:
    """Sends an ``Alive`` through ``send`` every ``every_seconds`` of a job, from a thread of its own.

    ``worked_seconds`` is the processor time of the process so far. Belongs to the renderer process; ``send`` is called
    from the thread and may raise ``OSError`` when nobody listens any more.
    """

    def __init__(
        self,
        send: Callable[[Alive], None],
        worked_seconds: Callable[[], float],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._send, self._worked_seconds, self._every_seconds = send, worked_seconds, every_seconds
        self._condition = threading.Condition()
        self._job: int | None = None
        self._steps, self._began = 0, 0.0
        self._thread = threading.Thread(target=self._run, name="life signs", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def of(self, job: int) -> Iterator[None]:
        """``job`` is in hand."""
        with self._condition:
            self._job, self._steps, self._began = job, 0, self._worked_seconds()
            self._condition.notify()
        try:
            yield
        finally:
            with self._condition:
                self._job = None
                self._condition.notify()

    def stepped(self) -> None:
        """The job has come one step further."""
        self._steps += 1

    def join(self) -> None:
        """Wait for the thread, which ends when ``send`` fails."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                job = self._job
                # Between two jobs it waits for the next one; what wakes it early is a job that is done or begun.
                told = self._condition.wait(None if job is None else self._every_seconds)
                if told or job is None:
                    continue
                sign = Alive(job, self._worked_seconds() - self._began, self._steps)
            try:
                self._send(sign)
            except OSError:  # the engine has ended
                return
