"""``riffengine play``: a session, an event loop, and the engine on it."""

from __future__ import annotations

import asyncio
import sys

from riffengine.clock import SystemClock
from riffengine.engine.engine import Engine
from riffengine.loopstore import sweep_stale_segments
from riffengine.options import PlayOptions, at_device_rate
from riffengine.session import Session
from riffengine.statusline import StatusLine


def run_play(session: Session, options: PlayOptions) -> int:
    """Play ``session`` until the time is up or Ctrl-C; returns the exit status. Runs in the engine process."""
    line = StatusLine(sys.stdout)
    for name in sweep_stale_segments():
        line.say(f"removed {name}, left behind by a session that was killed")

    session = at_device_rate(options.over(session), line.say)

    async def play() -> int:
        return await Engine(session, options, SystemClock(), line).run()

    return asyncio.run(play())
