"""What fails once in a task of the engine, or fifty times a second in its loop, ends neither the task nor the set."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest

from riffengine.clock import VirtualClock
from riffengine.engine.engine import Engine
from riffengine.engine.options import PlayOptions
from riffengine.engine.turns import turns
from riffengine.session.session import Session
from riffengine.telemetry.observation import Observer
from riffengine.telemetry.observers import Observers
from riffengine.telemetry.status_line import StatusLine


class Broken(ValueError):
    pass


def broken() -> None:
    raise Broken("x" * 10_000)


@pytest.mark.parametrize("waits", [False, True])
def test_a_turn_that_fails_is_told_and_the_next_one_follows(waits: bool) -> None:
    told: list[dict[str, Any]] = []

    async def body() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        done = asyncio.Event()
        count = 0

        async def later() -> None:
            turn()

        def turn() -> None:
            nonlocal count
            count += 1
            if count == 3:
                done.set()
            broken()

        task = asyncio.ensure_future(turns(0.0, later if waits else turn, "in the test"))
        await asyncio.wait_for(done.wait(), 60.0)
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(body())
    assert len(told) >= 2
    assert {context["message"] for context in told} == {"in the test"}
    assert all(isinstance(context["exception"], Broken) for context in told)


class Watching(Observer):
    def __init__(self) -> None:
        self.said: list[str] = []

    def notified(self, text: str) -> None:
        self.said.append(text)


PARTS: dict[str, Callable[[Engine], tuple[object, str]]] = {
    "status line": lambda engine: (engine._status, "line"),
    "recovery": lambda engine: (engine._recovery, "save"),
    "observation": lambda engine: (engine._observation, "build"),
    "player": lambda engine: (engine._player, "check"),
    "renderer": lambda engine: (engine._renderer, "check"),
    "listener": lambda engine: (engine._listener, "check"),
    "scheduler": lambda engine: (engine, "_tick"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_engine_that_fails_at_every_turn_is_counted_and_the_set_goes_on(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Watching()
    observers = Observers(StatusLine(io.StringIO()), [watching])
    engine = Engine(Session(decks=("a",)), PlayOptions(), VirtualClock(), observers)
    checks = 0

    def last() -> None:  # what is done at the end of each turn
        nonlocal checks
        checks += 1
        if checks == 12:
            engine._stopping.set()

    for name in ("_player", "_renderer", "_listener", "_status", "_observation"):
        for method in ("check", "line", "build"):
            if hasattr(getattr(engine, name), method):
                monkeypatch.setattr(getattr(engine, name), method, lambda *_: {})
    monkeypatch.setattr(engine._garbage, "check", last)
    monkeypatch.setattr("riffengine.engine.engine.TICK_SECONDS", 0.0)
    monkeypatch.setattr(*PARTS[part](engine), lambda *_: broken())
    try:
        asyncio.run(engine._play())
    finally:
        engine._context.store.close()
    assert checks == 12 and not engine._failure
    assert engine._faults == {"status line": 2, "recovery": 2, "observation": 3}.get(part, 12)
    faults = [text for text in watching.said if "Broken" in text]
    assert len(faults) == min(engine._faults, 5)
    assert all("the music continues" in text and len(text) < 500 for text in faults)
