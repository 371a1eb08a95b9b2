"""``riffengine play``: a session, an event loop, and the engine on it."""

from __future__ import annotations

import asyncio
import sys

from riffengine.attendants import Company
from riffengine.clock import SystemClock
from riffengine.engine.engine import Engine
from riffengine.loopstore import sweep_stale_segments
from riffengine.options import PlayOptions, at_device_rate
from riffengine.session import Session
from riffengine.statusline import StatusLine


def run_play(session: Session, options: PlayOptions, company: Company | None = None) -> int:
    """Play ``session`` until the time is up or Ctrl-C; returns the exit status. Runs in the engine process.

    Whatever there is to say goes to ``company``, by default a status line on stdout.
    """
    told = company or Company(StatusLine(sys.stdout))
    for name in sweep_stale_segments():
        told.say(f"removed {name}, left behind by a session that was killed")

    session = at_device_rate(options.over(session), told.say)

    async def play() -> int:
        return await Engine(session, options, SystemClock(), told).run()

    status = 1
    try:
        status = asyncio.run(play())
    finally:
        told.closed(status)
    return status
