"""A thousand connections, and listeners who never read: bounded, told in figures, and in nobody's way."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Iterator

import aiohttp
import pytest

from riffengine.web.options import WebLimits, WebOptions
from tests.wire.web_site import WebSite, web_site

pytestmark = pytest.mark.wire
CONNECTIONS, DEAD = 1000, 20


@pytest.fixture
def descriptors() -> Iterator[None]:
    """This process may open some thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.fail(f"this machine allows {hard} descriptors, {wanted} are needed; raise the limit (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def until(what: Callable[[], bool], seconds: float = 90.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.05)


async def welcome(site: WebSite) -> int:
    """The status of a request as a page makes it."""
    timeout = aiohttp.ClientTimeout(60)
    async with aiohttp.ClientSession() as client, client.get(f"{site.url}api/welcome", timeout=timeout) as answer:
        return answer.status


def test_a_thousand_connections_keep_nobody_out(descriptors: None) -> None:
    async def body(site: WebSite) -> None:
        port = int(site.url.rstrip("/").rsplit(":", 1)[1])
        idle = []
        try:
            for number in range(CONNECTIONS):
                one = socket.create_connection(("127.0.0.1", port), 30)
                idle.append(one)
                if number % 2:
                    one.sendall(b"GET / HTTP/1.1\r\nHost: ")  # half of a request
            assert await welcome(site) == 200
            async with aiohttp.ClientSession() as client, client.ws_connect(f"{site.url}ws/audio?codec=pcm") as wire:
                received = [(await wire.receive(timeout=60)).type for _ in range(20)]
            assert received.count(aiohttp.WSMsgType.BINARY) >= 15  # a socket that was closed says so again and again
            await until(lambda: site.figures.private_bytes > 0)
            assert site.figures.private_bytes < 400_000_000
        finally:
            for one in idle:
                one.close()

    with web_site() as site:
        asyncio.run(body(site))


def test_listeners_who_never_read_are_bounded_and_disconnected() -> None:
    async def body(site: WebSite) -> None:
        most = 0
        async with aiohttp.ClientSession() as client:
            for _ in range(DEAD):
                wire = await client.ws_connect(f"{site.url}ws/audio?codec=pcm", max_msg_size=0)
                wire._response.connection.transport.pause_reading()  # type: ignore[union-attr]
            async with client.ws_connect(f"{site.url}ws/audio?codec=pcm", max_msg_size=0) as alive:
                received = 0

                async def read() -> None:
                    nonlocal received
                    async for message in alive:
                        received += message.type is aiohttp.WSMsgType.BINARY

                def only_one_listens() -> bool:
                    nonlocal most
                    most = max(most, site.figures.waiting_packets)
                    return site.figures.dropped_packets > 0 and site.figures.listeners == 1

                reading = asyncio.create_task(read())
                await until(only_one_listens, 240)
                before = received
                await until(lambda: received > before + 100)
                reading.cancel()
        assert 0 < most <= 200  # two seconds of packets of 10 ms

    limits = WebLimits(stalled_seconds=4.0)
    with web_site(WebOptions(port=0), limits) as site:
        asyncio.run(body(site))
