"""LoopLag: how late the server's event loop is. A late loop means late packets, and too much work for one core."""

from __future__ import annotations

import asyncio

_STEP_SECONDS = 0.05


class LoopLag:
    """Measures how much later than asked a task of the loop wakes up. Belongs to the loop's thread."""

    def __init__(self) -> None:
        self._longest = 0.0

    def take(self) -> float:
        """The longest delay in seconds since the last call."""
        longest, self._longest = self._longest, 0.0
        return longest

    async def run(self) -> None:
        """Measure for ever."""
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time() + _STEP_SECONDS
            await asyncio.sleep(_STEP_SECONDS)
            self._longest = max(self._longest, loop.time() - asked)
