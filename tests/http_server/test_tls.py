"""HTTPS: the same bounds as without, from the first byte of the handshake on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from riffengine.errors import ControlError
from riffengine.http_server.connections import ConnectionLimits
from riffengine.http_server.origin import OriginRules
from riffengine.http_server.server import BoundedServer
from riffengine.web.access import tls_of

FILES = Path(__file__).parent / "tls"
CERTIFICATE, KEY = str(FILES / "certificate.pem"), str(FILES / "key.pem")


@asynccontextmanager
async def server(limits: ConnectionLimits | None = None) -> AsyncIterator[BoundedServer]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=request.url.scheme)

    running = BoundedServer(
        answer, "127.0.0.1", 0, limits=limits, rules=OriginRules((), ()), tls=tls_of(CERTIFICATE, KEY)
    )
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=CERTIFICATE)
    context.check_hostname = True
    return context


def test_it_answers_https_and_no_http() -> None:
    async def body() -> None:
        async with server() as running, ClientSession() as client:
            async with client.get(f"https://localhost:{running.port}/", ssl=trusting()) as answer:
                assert await answer.text() == "https"
            evil = {"Origin": f"https://evil.test:{running.port}"}
            async with client.get(f"https://localhost:{running.port}/", ssl=trusting(), headers=evil) as answer:
                assert answer.status == 403
            own = {"Origin": f"https://localhost:{running.port}"}
            async with client.get(f"https://localhost:{running.port}/", ssl=trusting(), headers=own) as answer:
                assert answer.status == 200
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP" not in await reader.read()
            writer.close()

    asyncio.run(body())


def test_connections_that_begin_no_handshake_are_bounded_and_hung_up() -> None:
    async def body() -> None:
        limits = ConnectionLimits(in_all=4, per_address=4, request_seconds=1.0)
        async with server(limits) as running, ClientSession() as client:
            silent = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(12)]
            async with client.get(f"https://localhost:{running.port}/", ssl=trusting()) as answer:
                assert answer.status == 200  # the one that waited longest has given way
            assert running.connections <= 4
            for reader, writer in silent:
                async with asyncio.timeout(30):
                    await reader.read()
                writer.close()

    asyncio.run(body())


def test_what_is_no_certificate_is_refused_with_a_reason(tmp_path: Path) -> None:
    assert tls_of("", "") is None
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    for certificate, key in (
        (str(garbage), ""),
        (str(tmp_path / "none.pem"), ""),
        (CERTIFICATE, str(garbage)),
        (KEY, KEY),
    ):
        with pytest.raises(ControlError, match=r"HTTPS with .* is not possible"):
            tls_of(certificate, key)
    with pytest.raises(ControlError, match="has no certificate"):
        tls_of("", KEY)
