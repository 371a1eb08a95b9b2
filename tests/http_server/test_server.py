"""The bounded server over real sockets: nobody fills it, holds it up or makes it noisy."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from riffengine.http_server.connections import ConnectionLimits
from riffengine.http_server.server import BoundedServer

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
PATIENCE = 20.0  # seconds until a test gives up


async def good(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="good")


def with_server(
    visit: Callable[[BoundedServer], Awaitable[None]],
    limits: ConnectionLimits | None = None,
    serve: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] = good,
    admits: Callable[[str], bool] = lambda address: True,
) -> None:
    async def play() -> None:
        server = BoundedServer(serve, "127.0.0.1", 0, limits=limits, admits=admits)
        await server.start()
        try:
            await asyncio.wait_for(visit(server), PATIENCE)
        finally:
            await server.stop()

    asyncio.run(play())


async def connect(server: BoundedServer, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    return reader, writer


async def status(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, whose body is left; 0 when the connection ended without one."""
    with contextlib.suppress(ConnectionError):
        line = await reader.readline()
        return int(line.split()[1]) if line else 0
    return 0


async def is_closed(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    return True


@pytest.mark.parametrize("sent", [b"", b"GET /health HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", GET])
def test_idle_and_slow_connections_are_hung_up(sent: bytes) -> None:
    async def visit(server: BoundedServer) -> None:
        reader, writer = await connect(server, sent)
        assert await is_closed(reader)
        writer.close()
        while server.connections:
            await asyncio.sleep(0.01)

    with_server(visit, ConnectionLimits(request_seconds=0.2, idle_seconds=0.2))


def test_a_packed_body_is_not_unpacked() -> None:
    packed = gzip.compress(bytes(50_000_000))
    lengths = []

    async def measured(request: web.BaseRequest) -> web.StreamResponse:
        lengths.append(len(await request.content.read(-1)))
        return web.Response(text="good")

    async def visit(server: BoundedServer) -> None:
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        reader, writer = await connect(server, head.encode() + packed)
        assert await status(reader) == 200
        assert lengths == [len(packed)]
        writer.close()

    with_server(visit, serve=measured)


def test_a_trickle_of_bytes_does_not_keep_a_connection_open() -> None:
    async def visit(server: BoundedServer) -> None:
        reader, writer = await connect(server, b"GET /health HTTP/1.1\r\n")
        closed = asyncio.ensure_future(is_closed(reader))
        while not closed.done():
            with contextlib.suppress(ConnectionError):
                writer.write(b"X-a: b\r\n")
                await writer.drain()
            await asyncio.sleep(0.02)
        writer.close()

    with_server(visit, ConnectionLimits(request_seconds=0.3))


def test_an_answer_that_nobody_takes_ends() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=bytes(64 << 20))

    async def visit(server: BoundedServer) -> None:
        _, writer = await connect(server, GET)
        while not server.connections:
            await asyncio.sleep(0.01)
        while server.connections:
            await asyncio.sleep(0.01)
        writer.close()

    with_server(visit, ConnectionLimits(answer_seconds=0.3), endless)


def test_hundreds_of_idle_connections_keep_nobody_out() -> None:
    async def visit(server: BoundedServer) -> None:
        crowd = [await connect(server, b"GET /hea" if n % 2 else b"") for n in range(300)]
        assert server.connections <= 32
        reader, writer = await connect(server, GET)
        assert await status(reader) == 200
        assert server.connections <= 32
        for _, other in [*crowd, (reader, writer)]:
            other.close()

    with_server(visit)


def test_an_address_that_may_not_connect_is_hung_up_before_it_sends_anything() -> None:
    async def visit(server: BoundedServer) -> None:
        reader, writer = await connect(server)
        assert await status(reader) == 503 and await is_closed(reader)
        assert (server.refused, server.connections) == (1, 0)
        writer.close()

    with_server(visit, admits=lambda address: address != "127.0.0.1")


def test_several_requests_use_one_connection() -> None:
    async def visit(server: BoundedServer) -> None:
        def ask() -> list[bytes]:
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            bodies = []
            for _ in range(3):
                client.request("GET", "/")
                bodies.append(client.getresponse().read())
            client.close()
            return bodies

        assert await asyncio.get_running_loop().run_in_executor(None, ask) == [b"good"] * 3

    with_server(visit)


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET  /\r\n\r\n",
    b"\r\n" * 100 + b"\x1b]0;owned\x07\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
]


def test_garbage_writes_nothing_to_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    async def visit(server: BoundedServer) -> None:
        for garbage in GARBAGE:
            reader, writer = await connect(server, garbage)
            assert await status(reader) < 500
            writer.close()
        reader, writer = await connect(server, GET)
        assert await status(reader) == 200
        writer.close()

    with_server(visit)
    assert capfd.readouterr() == ("", "")


_WITHOUT_DESCRIPTORS = """
import os, resource, sys, time
from riffengine.service.http import MonitorServer, Response
monitor = MonitorServer({"/health": lambda: Response(b"well")}, port=0)
assert monitor.start(60.0) and monitor.is_listening()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
print(monitor.port, flush=True)
sys.stdin.readline()
for descriptor in held:
    os.close(descriptor)
print("again", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of descriptors")
def test_health_is_answered_by_a_process_that_has_no_descriptor_left() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _WITHOUT_DESCRIPTORS],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    try:
        port = int(child.stdout.readline())
        idle = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(50)]
        for _ in range(3):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            client.request("GET", "/health")
            assert client.getresponse().read() == b"well"
            client.close()
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "again\n", "nothing else on stdout"
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        client.request("GET", "/health")
        assert client.getresponse().read() == b"well"
        client.close()
        for connection in idle:
            connection.close()
        child.stdin.write("\n")
        assert child.communicate(timeout=PATIENCE) == ("", "")
        assert child.returncode == 0
    finally:
        child.kill()
        child.wait()


def test_a_port_is_closed_after_the_end_and_one_in_use_is_an_error() -> None:
    async def visit(server: BoundedServer) -> None:
        with pytest.raises(OSError, match="in use"):
            await BoundedServer(good, "127.0.0.1", server.port).start()

    with_server(visit)


def test_websockets_are_bounded_and_other_requests_are_answered_beside_them() -> None:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/listen":
            return web.Response(text=json.dumps({"open": server_of[0].connections}))
        if not server_of[0].make_lasting(request):
            return web.Response(status=503)
        wire = web.WebSocketResponse()
        await wire.prepare(request)
        async for _ in wire:
            pass
        return wire

    server_of: list[BoundedServer] = []
    upgrade = (
        b"GET /listen HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )

    async def visit(server: BoundedServer) -> None:
        server_of.append(server)
        opened = [await connect(server, upgrade) for _ in range(3)]
        assert [await status(reader) for reader, _ in opened] == [101, 101, 503]
        await asyncio.sleep(0.5)  # longer than any other connection may take
        reader, writer = await connect(server, GET)
        assert await status(reader) == 200
        opened[0][1].close()
        again = 503
        while again == 503:
            opened.append(await connect(server, upgrade))
            again = await status(opened[-1][0])
        assert again == 101
        for _, other in [*opened, (reader, writer)]:
            other.close()

    with_server(visit, ConnectionLimits(lasting=2, request_seconds=0.2, idle_seconds=0.2, answer_seconds=0.2), serve)
