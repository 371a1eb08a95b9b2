"""Surfaces: what a surface and the journal are notified of, and what happens to a surface that cannot be opened."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest

from riffengine.control.surface import (
    CommandReplied,
    EngineEvent,
    LandingMoved,
    ParameterLanded,
    Surface,
    SurfaceContext,
)
from riffengine.engine.surfaces import registry
from riffengine.engine.surfaces.journal import JournalSurface
from riffengine.engine.surfaces.registry import Surfaces
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command, Landing, Value
from riffengine.performance.journal import Journal, JournalHeader
from riffengine.session.session import Session
from riffengine.transport.beat_grid import BeatGrid, Moment
from tests.control.engine_stub import EngineStub

NOW = Moment.on(BeatGrid(48000, 120.0), 24000)
ALPHA = Command("deck/a/alpha", 0.5, "test")


class Observer(Surface):
    """Keeps everything that it is notified of."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.closed = False

    @property
    def received(self) -> int | None:
        return 7

    def changed(self, path: str, value: Value) -> None:
        self.events.append((path, value))

    def replied(self, event: CommandReplied) -> None:
        self.events.append(event)

    def landing_moved(self, event: LandingMoved) -> None:
        self.events.append(event)

    def landed(self, event: ParameterLanded) -> None:
        self.events.append(event)

    def event(self, event: EngineEvent) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed = True


def opened(monkeypatch: pytest.MonkeyPatch, said: list[str], journal: JournalSurface | None = None) -> Any:
    """Surfaces with one observer that its opener has opened, and one that cannot be opened."""
    observer = Observer()

    async def open_observer(session: Session, context: SurfaceContext) -> Surface:
        context.submit(ALPHA)
        return observer

    async def fail(session: Session, context: SurfaceContext) -> Surface:
        raise ControlError("the port is in use")

    async def unwanted(session: Session, context: SurfaceContext) -> None:
        return None

    openers = {"A": fail, "B": open_observer, "C": unwanted}
    monkeypatch.setattr(registry, "OPENERS", openers)
    engine = EngineStub()
    surfaces = Surfaces(Session(), said.append, journal)
    asyncio.run(surfaces.open(engine.context()))
    assert engine.commands == [ALPHA]
    return surfaces, observer, engine


def test_a_surface_that_cannot_be_opened_is_reported_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    surfaces, observer, _ = opened(monkeypatch, said)
    assert said == ["no A: the port is in use"]
    assert surfaces.activity() == {"B": 7}
    surfaces.close()
    assert observer.closed


def test_a_surface_gets_typed_events_and_the_journal_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    journal = JournalSurface(Journal(file, JournalHeader("set", "bundled", "", 48000, 0)))
    surfaces, observer, engine = opened(monkeypatch, [], journal)
    reply, landing = Accepted(ALPHA, 0.5), Landing("deck/a/prompt", 8.0, 2.0, moved=True)
    surfaces.replied(NOW, reply, engine.state)
    surfaces.replied(NOW, reply, engine.state, routine=True)
    surfaces.landing_moved(NOW, landing, "osc:127.0.0.1:9001")
    surfaces.landed(NOW, "deck/a/prompt", "dub", "test")
    surfaces.close_inputs()
    surfaces.event(NOW, "", "the end")
    surfaces.close()
    revision = engine.state.revision
    assert observer.events == [
        ("deck/a/alpha", 0.5),
        CommandReplied(NOW, reply, revision),
        ("deck/a/alpha", 0.5),
        CommandReplied(NOW, reply, revision, routine=True),
        LandingMoved(NOW, landing, "osc:127.0.0.1:9001"),
        ParameterLanded(NOW, "deck/a/prompt", "dub", "test"),
    ]
    lines = [json.loads(line) for line in file.getvalue().splitlines()[1:]]
    assert [(line["kind"], line["path"], line.get("note")) for line in lines] == [
        ("command", "deck/a/alpha", None),
        ("reply", "deck/a/alpha", None),
        ("command", "deck/a/alpha", None),
        ("event", "deck/a/prompt", "landing moved to beat 8.000"),
        ("landing", "deck/a/prompt", "landed on beat 1.000"),
        ("event", "", "the end"),
    ]
