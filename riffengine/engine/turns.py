"""Turns of a task that goes on, whatever one of them does. The event loop's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def turns(seconds: float, turn: Callable[[], Awaitable[None] | None], where: str) -> None:
    """Call ``turn`` every ``seconds`` and wait for what it returns, until cancelled.

    One that fails goes to the loop's exception handler, with ``where`` as the message: the engine counts it and tells
    the performer, and the next turn follows.
    """
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds)
        try:
            waiting = turn()
            if waiting is not None:
                await waiting
        except Exception as error:  # noqa: BLE001 (the handler counts and shows it)
            loop.call_exception_handler({"message": where, "exception": error})
