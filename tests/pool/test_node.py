"""A render node on loopback: the same loops as at home, bounded, by token and TLS; and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from riffengine.clock import SystemClock
from riffengine.errors import ControlError
from riffengine.pool import node_member, node_server, wire
from riffengine.pool.caches import LoopCaches
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.local_member import LocalMember
from riffengine.pool.node_access import admits, check_url, node_tls, read_token
from riffengine.pool.node_member import NodeMember
from riffengine.pool.node_server import MOST_JOBS, NodeClient, NodeServer
from riffengine.pool.options import NodeAddress
from riffengine.pool.renderer_pool import RendererPool
from riffengine.pool.wire import (
    PATH,
    order_text,
    parse_answer,
)
from riffengine.processes.render_messages import (
    Alive,
    Cancelled,
    Delivery,
    Failed,
    PoolReport,
    Ready,
    Render,
    RenderCost,
    SeatsChanged,
)
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.process import RendererOptions
from tools.bench.scripted_member import scripted_main

TOKEN = "a token of a node".replace(" ", "-")
FLOATS = 16 * 48000
PATIENCE_SECONDS = 120.0


class Listener:
    """A client of a pool that keeps what it is told."""

    name = "engine"

    def __init__(self) -> None:
        self.told: list[object] = []
        self.news = asyncio.Event()

    def tell(self, what: object) -> None:
        self.told.append(what)
        self.news.set()

    async def until(self, met: Callable[[list[object]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not met(self.told):
                self.news.clear()
                await self.news.wait()

    def ready(self, ready: Ready) -> None:
        self.tell(ready)

    def seats(self, seats: int, reason: str) -> None:
        self.tell(SeatsChanged(seats, reason))

    def finished(self, render: Render, loop: FinishedLoop) -> None:
        self.tell((render.job, loop))

    def failed(self, job: int, reason: str, hopeless: bool) -> None:
        self.tell(Failed(job, reason, hopeless))

    def dropped(self, job: int) -> None:
        self.tell(Cancelled(job))

    def alive(self, job: int, worked_seconds: float, steps: int, queued: bool) -> None:
        self.tell(Alive(job, worked_seconds, steps, queued))

    def report(self, report: PoolReport) -> None:
        return

    def loops(self) -> dict[int, FinishedLoop]:
        return {told[0]: told[1] for told in self.told if isinstance(told, tuple)}


def request(seed: int, **more: object) -> RenderRequest:
    end = MorphEnd("techno", seed)
    return RenderRequest(end, end, bpm=180.0, **more)  # type: ignore[arg-type]  # of any field


def node_with(model: str, renderers: int, token: str = TOKEN) -> tuple[RendererPool, NodeServer]:
    pool = RendererPool(LoopCaches(10_000_000), SystemClock())
    for number in range(renderers):
        pool.add(LocalMember(f"renderer-{number}", RendererOptions("", 0, FLOATS, model), scripted_main, pool))
    return pool, NodeServer(pool, "127.0.0.1", 0, token, FLOATS)


def run(scenario: Callable[[RendererPool, NodeServer, Listener, RendererPool], Awaitable[None]], model: str) -> None:
    """A node with one renderer, and a pool that has it as its only member."""

    async def body() -> None:
        theirs, server = node_with(model, 1)
        await server.start()
        theirs.start()
        ours, listener = RendererPool(LoopCaches(0), SystemClock()), Listener()
        ours.add(NodeMember(NodeAddress(f"ws://127.0.0.1:{server.http.port}", TOKEN), ours))
        ours.join(listener)
        ours.start()
        try:
            await listener.until(lambda told: any(isinstance(message, Ready) for message in told))
            await scenario(theirs, server, listener, ours)
        finally:
            await ours.close()
            await server.stop()
            await theirs.close()

    asyncio.run(body())


def test_a_node_renders_what_a_member_here_renders_and_is_connected_again_when_it_has_gone() -> None:
    async def scenario(theirs: RendererPool, server: NodeServer, listener: Listener, ours: RendererPool) -> None:
        for job in (1, 2):
            ours.order("engine", Render(job, request(job), 0, 5.0))
        await listener.until(lambda told: len(listener.loops()) == 2)
        here = Listener()
        here.name = "here"
        theirs.join(here)
        for job in (1, 2):
            theirs.order("here", Render(job, request(job), 0))
        await here.until(lambda told: len(here.loops()) == 2)
        assert theirs.report().hits == 2
        for job in (1, 2):
            assert np.array_equal(here.loops()[job].samples, listener.loops()[job].samples)
        ours.order("engine", Render(3, request(3, init="/etc/hostname"), 0))
        await listener.until(lambda told: any(isinstance(m, Failed) and m.job == 3 and m.hopeless for m in told))
        port = server.http.port
        await server.stop()
        ours.order("engine", Render(4, request(4), 0))
        server.http.port = port
        await server.start()
        await listener.until(lambda told: 4 in listener.loops())

    run(scenario, "scripted?ms=50")


@contextlib.asynccontextmanager
async def slow_link(port: int, bytes_a_second: int) -> AsyncIterator[int]:
    """A port that leads to ``port`` and brings what comes from there slowly."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause_seconds: float) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(8192):
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(pause_seconds)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        ways = [
            asyncio.ensure_future(way)
            for way in (carry(reader, outer, 0.0), carry(inner, writer, 8192 / bytes_a_second))
        ]
        await asyncio.wait([*ways, ended], return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, outer):
            end.close()
            with contextlib.suppress(ConnectionError):
                await end.wait_closed()
        open_links.discard(asyncio.current_task())

    open_links: set[asyncio.Task[None] | None] = set()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_links.add(asyncio.get_running_loop().create_task(accept(reader, writer)))

    relay = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield relay.sockets[0].getsockname()[1]
    finally:
        relay.close()
        ended.set_result(None)
        while open_links:
            await asyncio.sleep(0.01)


def test_a_link_that_moves_bytes_is_alive_however_slow_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop takes three seconds, in which the node's pings and signs of life wait behind it."""
    for module in (node_member, node_server):
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 1.6)

    async def body() -> None:
        theirs, server = node_with("scripted", 1)
        await server.start()
        theirs.start()
        ours, listener = RendererPool(LoopCaches(0), SystemClock()), Listener()
        async with slow_link(server.http.port, 150_000) as port:
            ours.add(NodeMember(NodeAddress(f"ws://127.0.0.1:{port}", TOKEN), ours))
            ours.join(listener)
            ours.start()
            try:
                await listener.until(lambda told: any(isinstance(message, Ready) for message in told))

                async def is_left_over(job: int) -> bool:
                    """Whether the node is left because it sends a loop; that is noticed by the next one."""
                    told = len(listener.told)
                    for number in (job, job + 100):
                        ours.order("engine", Render(number, request(number), 0))
                        await listener.until(lambda told, number=number: number in listener.loops())
                    return any(
                        isinstance(m, SeatsChanged) and "until a renderer" in m.reason for m in listener.told[told:]
                    )

                job = 1
                while await is_left_over(job):  # a time or two for want of processor
                    job += 1
                    assert job < 8
            finally:
                await ours.close()
                await server.stop()
                await theirs.close()

    asyncio.run(body())


def test_a_node_comes_back_after_a_message_that_trips_its_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    tripped: list[str] = []
    parse = node_member.parse_answer

    def parse_but(text: str) -> object:
        if '"Alive"' in text and not tripped:
            tripped.append(text)
            raise RuntimeError("scripted fault")
        return parse(text)

    async def scenario(theirs: RendererPool, server: NodeServer, listener: Listener, ours: RendererPool) -> None:
        monkeypatch.setattr(node_member, "parse_answer", parse_but)
        ours.order("engine", Render(1, request(1), 0))
        await listener.until(lambda told: 1 in listener.loops())
        said = [message.reason for message in listener.told if isinstance(message, SeatsChanged)]
        assert sum("unexpected RuntimeError: scripted fault" in reason for reason in said) == 1

    run(scenario, "scripted?ms=1500")


class Lost:
    """Events of a member of which only the loss is kept."""

    def __init__(self) -> None:
        self.reasons: asyncio.Queue[str] = asyncio.Queue()

    def lost(self, link: object, reason: str) -> None:
        self.reasons.put_nowait(reason)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *told: None


def test_a_node_that_sends_nonsense_and_hangs_is_told_lost_before_it_says_goodbye(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By default ten seconds are waited for the goodbye."""
    monkeypatch.setattr(node_member, "_CLOSE_SECONDS", 0.01, raising=False)

    async def body() -> None:
        ended = asyncio.Event()

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_bytes(b"samples of no loop")
            await ended.wait()  # nothing is read, so the goodbye is not answered
            return socket

        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        events: Any = Lost()
        member = NodeMember(NodeAddress(f"ws://127.0.0.1:{runner.addresses[0][1]}"), events)
        member.start()
        try:
            assert "samples that belong to no loop" in await asyncio.wait_for(events.reasons.get(), 8.0)
        finally:
            ended.set()
            await member.close()
            await runner.cleanup()

    asyncio.run(body())


class Wire:
    """In place of a WebSocket: keeps what is sent, and calls ``sent`` first."""

    def __init__(self, sent: Callable[[], None]) -> None:
        self.sent, self.pieces = sent, 0

    async def send_str(self, text: str) -> None:
        return

    async def send_bytes(self, piece: bytes) -> None:
        self.sent()
        self.pieces += 1


def test_a_client_that_has_all_of_a_loop_may_order_the_next_and_all_its_loops_may_wait() -> None:
    """With as many jobs as it may have, since the node has as many renderers."""
    refusals: list[str] = []
    hung_up: list[bool] = []
    wire: Any = Wire(lambda: refusals.append(client.refusal(Render(MOST_JOBS, request(MOST_JOBS), 0))))
    client = NodeClient("c", wire, FLOATS, False, lambda: hung_up.append(True))
    samples = np.zeros((1, 100, 1), np.float32)

    async def body() -> None:
        for job in range(MOST_JOBS):
            client.took(job)
            delivery = Delivery(job, 0, request(job), 100, 1, ("mix",), -14.0, 0.5, RenderCost())
            client.finished(Render(job, request(job), 0), FinishedLoop(delivery, samples))
        client.seats(3, "a renderer ends")
        sending = asyncio.get_running_loop().create_task(client.send_all())
        for _ in range(10 * MOST_JOBS):
            await asyncio.sleep(0)
        sending.cancel()

    asyncio.run(body())
    assert not hung_up
    assert wire.pieces == MOST_JOBS
    assert refusals == [""] * MOST_JOBS


async def keep_busy(theirs: RendererPool) -> None:
    """Somebody at the node has its only seat."""
    here = Listener()
    here.name = "here"
    theirs.join(here)
    theirs.order("here", Render(1, request(1), 0))
    await here.until(lambda told: theirs.report().busy == 1)


def test_a_loop_that_waits_at_a_node_is_told_as_waiting_not_as_lost() -> None:
    async def scenario(theirs: RendererPool, server: NodeServer, listener: Listener, ours: RendererPool) -> None:
        await keep_busy(theirs)
        ours.order("engine", Render(2, request(2), 0))
        await listener.until(lambda told: any(isinstance(m, Alive) and m.job == 2 and m.queued for m in told))
        await listener.until(lambda told: 2 in listener.loops())

    run(scenario, "scripted?ms=1000")


def test_a_node_gives_a_job_back_that_it_could_not_begin_in_time_and_renders_it_late_once_that_is_known() -> None:
    async def scenario(theirs: RendererPool, server: NodeServer, listener: Listener, ours: RendererPool) -> None:
        await keep_busy(theirs)
        ours.order("engine", Render(2, request(2), 0, 0.2))
        await listener.until(lambda told: 2 in listener.loops())
        assert ours.dispatcher.counts.begun == 2  # given back, and sent again without any time left
        assert theirs.dispatcher.counts.begun == 2

    run(scenario, "scripted?ms=2000")


def test_a_node_that_sends_too_much_is_left_and_what_it_had_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_LOOP_BYTES", 2000)

    async def scenario(theirs: RendererPool, server: NodeServer, listener: Listener, ours: RendererPool) -> None:
        ours.order("engine", Render(1, request(1), 0))
        await listener.until(lambda told: any(isinstance(message, Failed) and message.job == 1 for message in told))
        assert ours.report().lost == 3

    run(scenario, "scripted")


def test_a_client_that_sends_nonsense_too_much_or_no_token_is_refused() -> None:
    async def scenario(theirs: RendererPool, server: NodeServer, listener: Listener, ours: RendererPool) -> None:
        url = f"http://127.0.0.1:{server.http.port}{PATH}"
        right = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession() as session:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
                async with session.get(url, headers=headers) as answer:
                    assert answer.status == 401
            async with session.get(url, headers={**right, "Origin": "http://evil.test"}) as answer:
                assert answer.status == 403
            async with session.get(url, headers=right) as answer:
                assert answer.status == 426
            for nonsense in ("", "[]", "{}", '{"type": "shutdown", "job": 1}', "[" * 50_000, "x" * 70_000):
                async with session.ws_connect(url, headers=right) as wire:
                    await wire.send_str(nonsense)
                    while (message := await wire.receive(PATIENCE_SECONDS)).type is aiohttp.WSMsgType.TEXT:
                        assert json.loads(message.data)["type"] == "Ready"
            async with session.ws_connect(url, headers=right) as wire:
                wanted = {1: request(1, init="/etc/passwd"), 2: request(2, beats=64)}
                for job in range(3, MOST_JOBS + 5):
                    wanted[job] = request(job)
                for job, each in wanted.items():
                    await wire.send_str(order_text(Render(job, each, 0)))
                refused: dict[int, str] = {}
                while len(refused) < 4:
                    message = await wire.receive(PATIENCE_SECONDS)
                    told = parse_answer(message.data) if message.type is aiohttp.WSMsgType.TEXT else None
                    if isinstance(told, Failed):
                        refused[told.job] = told.reason
                assert set(refused) == {1, 2, MOST_JOBS + 3, MOST_JOBS + 4}
                assert "does not read files" in refused[1] and "longer" in refused[2]
        ours.order("engine", Render(1, request(1), 0))
        await listener.until(lambda told: 1 in listener.loops())

    run(scenario, "scripted?ms=300")


def test_a_node_that_others_reach_needs_a_token_and_tls() -> None:
    assert node_tls("127.0.0.1", "", "", "") is None
    for host, token, certificate, key, problem in (
        ("0.0.0.0", "", "", "", "--token-file"),
        ("0.0.0.0", TOKEN, "", "", "in the clear"),
        ("127.0.0.1", TOKEN, "", "k.pem", "--cert"),
        ("127.0.0.1", TOKEN, "none.pem", "", "not possible"),
    ):
        with pytest.raises(ControlError, match=problem):
            node_tls(host, token, certificate, key)
    check_url("ws://127.0.0.1:1", "")
    check_url("wss://gpu.example:9470", TOKEN)
    for url, token in (
        ("http://127.0.0.1:1", ""), ("ws://gpu.example:1", TOKEN), ("wss://gpu.example:1", ""),
        ("wss://gpu.example", TOKEN), ("wss://gpu.example:99999", TOKEN), ("wss://gpu.example:1/else", TOKEN),
    ):  # fmt: skip
        with pytest.raises(ControlError):
            check_url(url, token)


def test_a_token_file_is_made_kept_private_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = read_token(path, make=True)
    assert read_token(path) == token and admits(token, f"Bearer {token}")
    assert not admits(token, f"Bearer {token}x") and not admits(token, "") and not admits(token, f"Basic {token}")
    path.chmod(0o644)
    if os.name == "posix":
        with pytest.raises(ControlError, match="chmod 600"):
            read_token(path)
    path.chmod(0o600)
    for short in ("", "short", "two words of enough length"):
        path.write_text(short)
        with pytest.raises(ControlError):
            read_token(path)
