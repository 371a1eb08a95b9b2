"""Heartbeat: every second of a render job, reports the processor time it has used and the steps it has done.

On a busy machine a loop may take minutes, and the engine must be able to tell slow from hung. Processor time is the
evidence: a hung job uses none, or more than any loop needs without finishing a step.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from riffengine.processes.render_messages import Alive

INTERVAL_SECONDS = 1.0


class Heartbeat:
    """Sends an ``Alive`` through ``send`` every ``interval_seconds`` of a job, from its own thread.

    ``cpu_seconds`` returns the processor time of the process so far. Belongs to the renderer process; ``send`` is
    called from the thread and may raise ``OSError`` when the engine has ended.
    """

    def __init__(
        self,
        send: Callable[[Alive], None],
        cpu_seconds: Callable[[], float],
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._send, self._cpu_seconds, self._interval_seconds = send, cpu_seconds, interval_seconds
        self._condition = threading.Condition()
        self._job: int | None = None
        self._steps, self._cpu_at_start = 0, 0.0
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def during(self, job: int) -> Iterator[None]:
        """Report ``job`` as the current one while inside."""
        with self._condition:
            self._job, self._steps, self._cpu_at_start = job, 0, self._cpu_seconds()
            self._condition.notify()
        try:
            yield
        finally:
            with self._condition:
                self._job = None
                self._condition.notify()

    def count_step(self) -> None:
        """Count one more step of the current job."""
        self._steps += 1

    def join(self) -> None:
        """Wait for the thread, which ends when ``send`` fails."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                job = self._job
                # Without a job the thread waits for the next one. A notify means that a job has started or ended.
                job_changed = self._condition.wait(None if job is None else self._interval_seconds)
                if job_changed or job is None:
                    continue
                message = Alive(job, self._cpu_seconds() - self._cpu_at_start, self._steps)
            try:
                self._send(message)
            except OSError:  # the engine has ended
                return
