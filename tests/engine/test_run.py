"""run_play: the end of a set has a deadline until its last thread has ended, and none any more after that."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import pytest

from riffengine.clock import VirtualClock
from riffengine.engine import run
from riffengine.engine.end_deadline import Deadline
from riffengine.engine.engine import Engine
from riffengine.engine.options import PlayOptions
from riffengine.session.audio import AudioSettings
from riffengine.session.session import Session
from riffengine.telemetry.observers import Observers


def terminate_late() -> None:
    """SIGTERM to this process, once the set has ended and a thread of its loop has not."""
    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        time.sleep(0.001)
    signal.raise_signal(signal.SIGTERM)


def test_the_deadline_of_the_end_holds_for_the_threads_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[object] = []

    class Ended:
        def __init__(self, *arguments: Any) -> None:
            self._deadline: Deadline = arguments[-1]

        async def run(self) -> int:
            self._deadline(6.0)
            asyncio.get_running_loop().run_in_executor(None, terminate_late)
            asyncio.get_running_loop().run_in_executor(None, happened.append, "a thread waits for a disk")
            return 0

    monkeypatch.setattr(run, "Engine", Ended)
    monkeypatch.setattr(run, "process_deadline", happened.append)
    monkeypatch.setattr(run, "sweep_stale_segments", tuple)
    session = Session(audio=AudioSettings(output="paced"))
    assert run.run_play(session, PlayOptions(), Observers(None)) == 0
    assert happened == [6.0, "a thread waits for a disk", 0.0]


def test_the_end_of_the_engine_leaves_its_last_deadline() -> None:
    deadlines: list[float] = []
    engine = Engine(Session(), PlayOptions(), VirtualClock(), Observers(None), deadlines.append)
    asyncio.run(engine._end())
    assert deadlines and all(seconds > 0.0 for seconds in deadlines)
    assert not engine._faults
