"""A web server in this process, on a free port, with an engine that is played by the test."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from riffengine.performance.parameters import standard_tree
from riffengine.processes.audio_tap import AudioTap
from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.messages import Answered, Figures, Opened, Submit, WholeState
from riffengine.web.options import WebLimits, WebOptions
from riffengine.web.process import WebStart
from riffengine.web.server import WebServer
from tests.control.engine_stub import EngineStub

RATE = 44100


@dataclass
class Site:
    """``engine`` holds the state; ``answer`` passes on what pages have sent."""

    url: str
    client: ClientSession
    tap: AudioTap
    pipe: Connection
    server: WebServer
    engine: EngineStub = field(default_factory=lambda: EngineStub(standard_tree(("a", "b"))))
    seen: list[Any] = field(default_factory=list)
    frame: int = 0

    async def control(self, **options: Any) -> ClientWebSocketResponse:
        """A control socket, after its first two messages."""
        wire = await self.client.ws_connect(f"{self.url}/ws/control", **options)
        assert (await wire.receive_json())["type"] == "welcome"
        assert (await wire.receive_json())["type"] == "votes"
        return wire

    async def answer(self) -> None:
        """Let the engine answer what pages have sent so far."""
        for _ in range(50):
            while self.pipe.poll():
                message = self.pipe.recv()
                self.seen.append(message)
                if isinstance(message, Submit):
                    self.pipe.send(Answered(message.number, self.engine.submit(message.command)))
                    return
            await asyncio.sleep(0.01)
        raise AssertionError("no page has sent a command")

    def play(self, samples: np.ndarray[Any, Any]) -> None:
        """Play ``samples`` ``(frames, 2)`` in blocks."""
        for at in range(0, len(samples), 512):
            block = samples[at : at + 512].astype(np.float32)
            self.tap.write(self.frame, block, 0)
            self.frame += len(block)

    def show(self, grid: BeatGrid, files: frozenset[str] = frozenset()) -> None:
        """Send the figures of an engine that plays on ``grid``, and has ``files`` in use."""
        self.pipe.send(Figures(self.frame, grid, {}, (), "", False, {"load": float("inf")}, files))


@contextlib.asynccontextmanager
async def site(options: WebOptions | None = None, limits: WebLimits | None = None) -> AsyncIterator[Site]:
    """A running server."""
    ours, theirs = Pipe()
    tap = AudioTap.create(RATE, 2)
    engine = EngineStub(standard_tree(("a", "b")))
    start = WebStart(
        options or WebOptions(port=0), tap.name, "test", "bundled", 8,
        tuple(engine.tree.parameters.values()), limits or WebLimits(),
    )  # fmt: skip
    reader = AudioTap.attach(tap.name)
    server = WebServer(start, reader, theirs)
    running = asyncio.get_running_loop().create_task(server.run())
    while not ours.poll():
        await asyncio.sleep(0.005)
        if running.done():
            running.result()
    opened = ours.recv()
    assert isinstance(opened, Opened)
    ours.send(WholeState(dict(engine.state.values)))
    async with ClientSession() as client:
        try:
            yield Site(opened.url.rstrip("/"), client, tap, ours, server, engine)
        finally:
            ours.close()
            await running
            theirs.close()
            reader.close()
            tap.close()


async def until(wire: ClientWebSocketResponse, type_: str) -> dict[str, Any]:
    """The next message of ``type_``; others are left out."""
    async with asyncio.timeout(10):
        while True:
            message = await wire.receive()
            assert message.type is WSMsgType.TEXT, message
            found: dict[str, Any] = json.loads(message.data)
            if found["type"] == type_:
                return found


def run(test: Callable[[], Any]) -> None:
    """Run an asynchronous test."""
    asyncio.run(test())
