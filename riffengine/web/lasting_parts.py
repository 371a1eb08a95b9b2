"""LastingParts: what the web server runs all the time. A part that fails is told, and runs again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from riffengine.clock import Clock
from riffengine.processes.backoff import Backoff, RestartPolicy

Part = Callable[[], Awaitable[None]]


class LastingParts:
    """Runs each part in a task, again after ``policy``'s pauses where it fails; ``told`` gets a line for each new
    failure. An unexpected error of one part, such as no thread to be had, ends none of the others. Belongs to the
    event loop.
    """

    def __init__(self, told: Callable[[str], None], clock: Clock, policy: RestartPolicy | None = None) -> None:
        self._told, self._clock = told, clock
        self._policy = policy or RestartPolicy()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, part: Part) -> None:
        """Run ``part``, which ends by ``stop`` alone."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._keep(name, part)))

    def stop(self) -> None:
        """End all parts."""
        for task in self._tasks:
            task.cancel()

    async def _keep(self, name: str, part: Part) -> None:
        backoff, problem = Backoff(self._policy), ""
        while True:
            backoff.started(self._clock.now_ns())
            try:
                await part()
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the other parts and this one go on
                before, problem = problem, f"{type(error).__name__}: {error}"
                if problem != before:
                    self._told(f"web server: {name} failed and runs again ({problem})")
            await asyncio.sleep(backoff.pause(self._clock.now_ns()))
