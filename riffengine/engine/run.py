"""``riffengine play``: a session, an event loop, and the engine on it."""

from __future__ import annotations

import asyncio
import sys

from riffengine.clock import SystemClock
from riffengine.engine.engine import Engine
from riffengine.engine.options import PlayOptions, at_device_rate
from riffengine.processes.loop_store import sweep_stale_segments
from riffengine.session.session import Session
from riffengine.telemetry.observers import Observers
from riffengine.telemetry.status_line import StatusLine


def run_play(session: Session, options: PlayOptions, observers: Observers | None = None) -> int:
    """Play ``session`` until the time is up or Ctrl-C; returns the exit status. Runs in the engine process.

    Whatever there is to say goes to ``observers``, by default a status line on stdout.
    """
    told = observers or Observers(StatusLine(sys.stdout))
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
