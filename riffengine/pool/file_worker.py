"""FileWorker: calls that use files, one after the other in a thread of their own; nobody waits long for a slow disk."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")


class FileWorker:
    """At most ``most_waiting`` calls wait; one more is refused. Used from an event loop's thread.

    The thread ends with the process, whatever it does: a disk that never answers does not hold the end up.
    """

    def __init__(self, name: str, most_waiting: int) -> None:
        self.refused = 0  # calls for which there was no room
        self.faults = 0  # posted calls that raised
        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue(most_waiting)
        self._name = name
        self._thread: threading.Thread | None = None
        self._late: Future[Any] | None = None  # the last call that was not waited for to its end

    async def ask(self, call: Callable[[], Result], seconds: float) -> Result:
        """What ``call`` returns or raises; ``TimeoutError`` after ``seconds``, at once behind a call that is late."""
        future: Future[Result] = Future()

        def answer() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001 (it is raised where it is awaited)
                    future.set_exception(error)

        if (self._late is not None and not self._late.done()) or not self.post(answer):
            raise TimeoutError("the disk is slow")
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError:
            self._late = future
            raise

    def post(self, call: Callable[[], None]) -> bool:
        """Have ``call`` made; whether there was room for it."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no room for a thread just now
                self.refused += 1
                return False
            self._thread = thread
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self.refused += 1
            return False
        return True

    def close(self, seconds: float) -> None:
        """Make no more calls; wait at most ``seconds`` for those that were posted."""
        if self._thread is not None:
            with contextlib.suppress(queue.Full):  # so many wait that not all would be made in time
                self._calls.put_nowait(None)
                self._thread.join(seconds)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:  # noqa: BLE001 (a loop that cannot be kept, for want of memory too, is one the less)
                self.faults += 1
