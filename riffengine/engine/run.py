"""``riffengine play``: a session, an event loop, and the engine on it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable

from riffengine.clock import SystemClock
from riffengine.engine.end_deadline import no_deadline, process_deadline
from riffengine.engine.engine import Engine
from riffengine.engine.options import PlayOptions
from riffengine.engine.stop_signals import handlers_kept
from riffengine.output.device import playable_rate
from riffengine.output.registry import on_sound_device
from riffengine.processes.audio import CHANNELS
from riffengine.processes.heap import keep_heap_small
from riffengine.processes.loop_store import sweep_stale_segments
from riffengine.session.session import Session
from riffengine.telemetry.library_logs import library_logs
from riffengine.telemetry.observers import Observers
from riffengine.telemetry.status_line import StatusLine


def run_play(session: Session, options: PlayOptions, observers: Observers | None = None) -> int:
    """Play ``session`` until the time is up or Ctrl-C; returns the exit status. Runs in the engine process.

    Messages for the performer go to ``observers``, by default a status line on stdout.
    """
    observers = observers or Observers(StatusLine(sys.stdout))
    keep_heap_small()
    for name in sweep_stale_segments():
        observers.say(f"removed {name}, left behind by a session that was killed")

    session = at_device_rate(session, observers.say)

    in_main_thread = threading.current_thread() is threading.main_thread()
    deadline = process_deadline if in_main_thread else no_deadline  # another program's process is not ours to end

    with handlers_kept() as ignore_signals:

        async def play() -> int:
            status = await Engine(session, options, SystemClock(), observers, deadline).run()
            ignore_signals()  # the deadline rules now
            return status

        status = 1
        try:
            with library_logs(sys.stderr):
                status = asyncio.run(play())
        finally:
            deadline(0.0)
            observers.closed(status)
    return status


def at_device_rate(session: Session, say: Callable[[str], None]) -> Session:
    """``session`` at a sample rate that its device takes: a sound server has one and refuses every other."""
    audio = session.audio
    if not on_sound_device(audio.output):
        return session
    rate = playable_rate(audio.portaudio_device, audio.sample_rate, CHANNELS)
    if rate != audio.sample_rate:
        say(f"the device does not support {audio.sample_rate} Hz; playing at {rate} Hz")
    return session.with_given(audio=audio.with_given(sample_rate=rate))
