"""The web server beside the engine: it may hang or die, and the engine neither waits nor keeps messages for it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientSession

from riffengine.clock import SystemClock
from riffengine.control.surface import EngineEvent, SurfaceContext
from riffengine.engine.surfaces.web import WebSurface, open_web
from riffengine.errors import ControlError
from riffengine.performance.command import Command
from riffengine.processes.audio_tap import AudioTap
from riffengine.session.session import Session
from riffengine.session.web import WebSettings
from riffengine.transport.beat_grid import BeatGrid, Moment
from tests.control.engine_stub import EngineStub

pytestmark = pytest.mark.wire
MOMENT = Moment(0, 0.0, 0.0, 120.0)


@dataclass
class Stage:
    surface: WebSurface
    engine: EngineStub
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return next((text.removeprefix("web: ").rstrip("/") for text in self.said if text.startswith("web: ")), "")

    @property
    def pid(self) -> int:
        return self.surface._process.pid or 0

    def set(self, path: str, value: Any) -> None:
        self.engine.submit(Command(path, value))
        self.surface.changed(path, self.engine.state[path])

    async def value(self, path: str) -> Any:
        """What a page is told of ``path``."""
        async with ClientSession() as client, client.get(f"{self.url}/api/welcome") as answer:
            return (await answer.json())["values"].get(path)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    tap = AudioTap.create(44100, 2)
    engine, said = EngineStub(), []
    context = SurfaceContext(
        engine.tree, SystemClock(), engine.submit, lambda: engine.state, tap=tap.name, say=said.append,
        now=lambda: (0, BeatGrid(44100, 120.0)), report=lambda path, text: said.append(text),
    )  # fmt: skip
    surface = await open_web(Session(web=WebSettings(enabled=True, port=0)), context)
    assert isinstance(surface, WebSurface)
    found = Stage(surface, engine, said)
    try:
        await until(lambda: bool(found.url))
        yield found
    finally:
        surface.close()
        tap.close()


async def until(condition: Any, seconds: float = 180.0) -> None:
    async with asyncio.timeout(seconds):
        while not (await condition() if asyncio.iscoroutinefunction(condition) else condition()):
            await asyncio.sleep(0.05)


def test_a_server_that_hangs_is_not_waited_for_and_gets_the_whole_state_when_it_reads_again() -> None:
    async def body() -> None:
        async with stage() as on:

            async def told() -> bool:
                return bool(await on.value("deck/a/prompt") == "dub techno")

            await until(lambda: on.surface._reads)
            os.kill(on.pid, signal.SIGSTOP)
            for number in range(20_000):
                on.surface.event(EngineEvent(MOMENT, "test", f"event {number} " + "x" * 200))
            assert on.surface._process.unsent <= 64
            on.set("deck/a/prompt", "dub techno")
            await asyncio.sleep(0.2)
            os.kill(on.pid, signal.SIGCONT)
            await until(told)

    asyncio.run(body())


def test_a_server_that_is_killed_is_started_again_on_its_port() -> None:
    async def body() -> None:
        async with stage() as on:
            before = on.pid
            on.set("deck/a/seed", 77)
            os.kill(before, signal.SIGKILL)
            await until(lambda: on.pid not in (0, before) and on.surface._reads)
            assert await on.value("deck/a/seed") == 77  # by the address that was told first
            assert any("the web server ended; the music continues" in text for text in on.said)

    asyncio.run(body())


def test_what_cannot_be_served_is_said_and_the_set_goes_on() -> None:
    async def body() -> None:
        async with stage() as on:
            port = int(on.url.rsplit(":", 1)[1])
            async with stage_on(port) as said:
                await until(lambda: any("choose one with --web PORT" in text for text in said))
        with pytest.raises(ControlError, match="open to everyone"):
            await open_web(Session(web=WebSettings(enabled=True, host="0.0.0.0")), replace(context(), tap="x"))
        with pytest.raises(ControlError, match="no parameter deck/z/alpha"):
            await open_web(Session(web=WebSettings(enabled=True, guest=("deck/z/alpha",))), replace(context(), tap="x"))
        assert await open_web(Session(), context()) is None

    asyncio.run(body())


def context() -> SurfaceContext:
    engine = EngineStub()
    return engine.context()


@asynccontextmanager
async def stage_on(port: int) -> AsyncIterator[list[str]]:
    tap, engine = AudioTap.create(44100, 2), EngineStub()
    said: list[str] = []
    made = SurfaceContext(
        engine.tree, SystemClock(), engine.submit, lambda: engine.state, tap=tap.name, say=said.append
    )
    surface = await open_web(Session(web=WebSettings(enabled=True, port=port)), made)
    assert surface is not None
    try:
        yield said
    finally:
        surface.close()
        tap.close()
