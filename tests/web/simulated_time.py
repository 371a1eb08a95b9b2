"""An event loop on simulated time: where nothing is left to do, the time of the next timer has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class SimulatedLoop(asyncio.SelectorEventLoop):
    """``time`` counts simulated seconds. What is given to threads is done at once; descriptors are real."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__()
        self._really_select = self._selector.select
        self._selector.select = self._select

    def time(self) -> float:
        return self._seconds

    def _select(self, timeout: float | None = None) -> Any:
        found = self._really_select(0)
        if found or timeout == 0:
            return found
        assert timeout is not None, "everything waits for something that never comes"
        self._seconds += timeout
        return found

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 (it is raised where it is awaited)
            future.set_exception(error)
        return future


def simulate(test: Callable[[SimulatedLoop], Coroutine[Any, Any, None]]) -> None:
    """Run ``test`` on simulated time."""
    loop = SimulatedLoop()
    try:
        loop.run_until_complete(test(loop))
    finally:
        loop.close()
