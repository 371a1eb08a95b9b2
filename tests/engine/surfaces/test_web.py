"""The web server as the engine keeps it: started again whatever ends it, and told to the performer."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from riffengine.clock import VirtualClock
from riffengine.engine.surfaces import web
from riffengine.engine.surfaces.web import MOST_BYTES, WebSurface
from riffengine.processes.backoff import RestartPolicy
from riffengine.processes.web_figures import WebFigures
from riffengine.session.session import Session
from riffengine.web.messages import Alive, FromWeb, Opened, Refused, Told, ToWeb
from riffengine.web.options import WebOptions
from riffengine.web.process import WebProcess, WebStart
from tests.control.engine_stub import EngineStub


class FakeServer(WebProcess):
    """A process that does what the test says, behind a real pipe."""

    def __init__(self, start: WebStart) -> None:
        super().__init__(start)
        self.failing, self.starts, self.lives = 0, 0, False
        self.sent: list[ToWeb] = []
        self._said: list[FromWeb] = []
        self._ends = (-1, -1)

    def start(self) -> None:
        self.starts += 1
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._ends, self.lives = os.pipe(), True

    @property
    def alive(self) -> bool:
        return self.lives

    @property
    def pid(self) -> int | None:
        return 77 if self.lives else None

    def fileno(self) -> int:
        return self._ends[0]

    def say(self, message: FromWeb) -> None:
        self._said.append(message)
        os.write(self._ends[1], b"x")

    def send(self, message: ToWeb) -> None:
        self.sent.append(message)

    def receive(self) -> tuple[list[FromWeb], bool]:
        connected = bool(os.read(self._ends[0], 4096))
        said, self._said = self._said, []
        return said, connected

    def kill(self) -> None:
        if self.lives:
            self.lives = False
            os.close(self._ends[1])

    def close(self) -> None:
        self.kill()
        if self._ends[0] >= 0:
            os.close(self._ends[0])
        self._ends = (-1, -1)


@dataclass
class Stage:
    surface: WebSurface
    server: FakeServer
    said: list[str] = field(default_factory=list)
    clock: VirtualClock = field(default_factory=VirtualClock)

    def wait(self, seconds: float) -> None:
        """Let time pass in which the surface looks at its server every second."""
        for _ in range(round(seconds)):
            self.clock.advance_to(self.clock.now_ns() + 1_000_000_000)
            self.surface._silence.seconds(self.clock.now_ns())


@asynccontextmanager
async def stage(failing: int = 0) -> AsyncIterator[Stage]:
    said: list[str] = []
    clock = VirtualClock()
    context = replace(EngineStub().context(clock, say=said.append), report=lambda path, text: said.append(text))
    made: list[FakeServer] = []

    def process(start: WebStart) -> WebProcess:
        made.append(FakeServer(start))
        made[0].failing = failing
        return made[0]

    surface = WebSurface(WebOptions(), Session(), context, process)
    surface.start()
    try:
        yield Stage(surface, made[0], said, clock)
    finally:
        surface.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.005)


def test_a_start_without_descriptors_is_told_and_tried_again() -> None:
    async def body() -> None:
        async with stage(failing=2) as on:
            assert "Too many open files; the music continues" in on.said[0]
            await until(lambda: on.server.lives)
            assert on.server.starts == 3
            assert on.surface.figures.deaths == 2

    asyncio.run(body())


def test_a_server_that_could_not_begin_is_tried_again_unless_that_is_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_POLICY", RestartPolicy(pauses_seconds=(0.0,)))  # a third start would follow at once

    async def body() -> None:
        async with stage() as on:
            on.server.say(Refused("Too many open files", for_good=False))
            on.server.kill()
            await until(lambda: on.server.starts == 2 and on.server.lives)
            assert any("could not start: Too many open files" in text for text in on.said)
            on.server.say(Refused("the port is taken", for_good=True))
            on.server.kill()
            await until(lambda: "no web page: the port is taken" in on.said)
            await asyncio.sleep(0.1)
            assert on.server.starts == 2

    asyncio.run(body())


def test_a_server_that_has_served_is_started_again_even_if_its_port_is_taken_for_a_moment() -> None:
    async def body() -> None:
        async with stage() as on:
            on.server.say(Opened("http://127.0.0.1:9480/", 9480))
            await until(lambda: "web: http://127.0.0.1:9480/" in on.said)
            on.server.say(Refused("the port is taken", for_good=True))
            on.server.kill()
            await until(lambda: on.server.starts == 2 and on.server.lives)
            assert not any("no web page" in text for text in on.said)

    asyncio.run(body())


def test_a_server_that_is_slow_to_begin_gets_twice_as_long_the_next_time() -> None:
    async def body() -> None:
        async with stage() as on:
            for seconds in (60, 120, 240):
                starts = on.server.starts
                on.wait(seconds - 1)
                await asyncio.sleep(0.1)  # it is looked at every 30 ms
                assert on.server.starts == starts
                on.wait(2)
                await until(lambda starts=starts: on.server.starts == starts + 1)  # type: ignore[misc]
            on.server.say(Opened("http://127.0.0.1:9480/", 9480))
            await until(lambda: "web: http://127.0.0.1:9480/" in on.said)
            on.server.kill()
            await until(lambda: on.server.starts == 5)
            on.wait(61)  # what has served once begins anew
            await until(lambda: on.server.starts == 6)

    asyncio.run(body())


def test_a_server_that_grows_without_end_is_replaced() -> None:
    async def body() -> None:
        async with stage() as on:
            on.server.say(Opened("http://127.0.0.1:9480/", 9480))
            on.server.say(Alive(WebFigures(listeners=3, private_bytes=MOST_BYTES // 2)))
            await until(lambda: on.surface.figures.listeners == 3)
            assert on.surface.figures.pid == 77
            on.server.say(Told("icecast: refused"))
            on.server.say(Alive(WebFigures(private_bytes=MOST_BYTES + 1)))
            await until(lambda: on.server.starts == 2)
            assert any("the web server takes 1073 MB of memory, more than 1073" in text for text in on.said)
            assert "icecast: refused" in on.said
            assert on.surface.figures.listeners == 0 and on.surface.figures.deaths == 1

    asyncio.run(body())


def test_a_turn_that_fails_leaves_the_server_watched() -> None:
    async def body() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        async with stage() as on:
            looks = 0

            def check() -> None:
                nonlocal looks
                looks += 1
                raise ValueError("broken")

            on.surface._supervisor.check = check  # type: ignore[method-assign]
            await until(lambda: looks >= 2)
            assert told[0] == "an error in the web page"

    asyncio.run(body())
