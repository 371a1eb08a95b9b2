"""A node by TLS: whose certificate is not the one that is trusted, or not its own, is not shown the token."""

from __future__ import annotations

import asyncio

import pytest

from riffengine.clock import SystemClock
from riffengine.pool.caches import LoopCaches
from riffengine.pool.node_access import node_tls
from riffengine.pool.node_member import NodeMember
from riffengine.pool.options import NodeAddress
from riffengine.pool.renderer_pool import RendererPool
from tests.http_server.test_tls import CERTIFICATE, KEY
from tests.pool.test_node import TOKEN, Listener


def received(host: str, certificate: str) -> bytes:
    """What a node with the certificate of localhost gets from a pool that knows it as ``host``."""

    async def body() -> bytes:
        got = asyncio.get_running_loop().create_future()

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.set_result(await reader.read(65536))
            writer.close()

        tls = node_tls("127.0.0.1", TOKEN, CERTIFICATE, KEY)
        server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=tls)
        pool, listener = RendererPool(LoopCaches(0), SystemClock()), Listener()
        port = server.sockets[0].getsockname()[1]
        pool.add(NodeMember(NodeAddress(f"wss://{host}:{port}", TOKEN, certificate), pool))
        pool.join(listener)
        pool.start()
        try:
            await listener.until(lambda told: "it is tried again" in str(told))
            return got.result() if got.done() else b""
        finally:
            await pool.close()
            server.close()

    return asyncio.run(body())


@pytest.mark.parametrize(
    ("host", "certificate"), [("127.0.0.1", ""), ("gpu.example", CERTIFICATE)], ids=["untrusted", "of another"]
)
def test_a_node_that_is_not_known_by_its_certificate_is_not_shown_the_token(
    host: str, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = asyncio.BaseEventLoop.getaddrinfo

    async def here(self: asyncio.BaseEventLoop, name: str, port: int, **more: int) -> object:
        return await resolve(self, "127.0.0.1", port, **more)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", here)
    assert received(host, certificate) == b""


def test_a_node_that_is_known_is() -> None:
    assert f"Authorization: Bearer {TOKEN}".encode() in received("127.0.0.1", CERTIFICATE)
