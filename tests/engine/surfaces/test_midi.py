"""MidiSurface: the performer's map is read in a thread; the engine's loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from riffengine.control.midi.binding import Binding
from riffengine.engine.surfaces import midi
from riffengine.engine.surfaces.midi import MidiSurface
from riffengine.session.learned_map import Learned, keep_learned, read_learned
from riffengine.session.session import Session
from tests.control.engine_stub import EngineStub

PATIENCE_SECONDS = 60.0
KNOB = Binding("deck/a/alpha", "cc", 7, channel=1)
OTHER = Binding("crossfader", "cc", 8, channel=1)


class Disk:
    """A map on a disk that answers only after the loop has done something else."""

    def __init__(self, found: Learned) -> None:
        self.found, self.asked, self.answers = found, threading.Event(), threading.Event()

    def read(self, before: Learned | None = None) -> Learned:
        self.asked.set()
        assert self.answers.wait(PATIENCE_SECONDS)
        return self.found

    async def let_answer(self) -> None:
        """What the loop does while the disk is waited for."""
        while not self.asked.is_set():
            await asyncio.sleep(0.001)
        self.answers.set()


def played(script: Callable[[MidiSurface, list[str]], object], learned: Learned) -> list[str]:
    said: list[str] = []

    async def body() -> None:
        surface = MidiSurface(Session(), EngineStub().context(say=said.append), learned)
        await asyncio.wait_for(script(surface, said), PATIENCE_SECONDS)  # type: ignore[arg-type]  # a coroutine

    asyncio.run(body())
    return said


def test_the_loop_goes_on_while_the_map_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(Learned((KNOB,), ("line 3 is wrong",), (2, 2)))
    monkeypatch.setattr(midi, "read_learned", disk.read)

    async def script(surface: MidiSurface, said: list[str]) -> None:
        await asyncio.gather(surface._poll(), disk.let_answer())
        assert surface._server._setup.learned == () and surface._learned is disk.found
        assert surface._server._controllers._learned == (KNOB,)

    assert played(script, Learned(stamp=(1, 1))) == ["line 3 is wrong"]


def test_the_map_is_read_again_when_it_has_changed(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert read_learned() == Learned()
    keep_learned(KNOB)
    first = read_learned()
    assert first.bindings == (KNOB,) and read_learned(first) is first
    keep_learned(OTHER)
    assert read_learned(first).bindings == (KNOB, OTHER)
