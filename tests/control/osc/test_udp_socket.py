"""The socket of the OSC server over real UDP on loopback, read only when the test lets the event loop run."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from riffengine.control.osc.subscribers import Sender
from riffengine.control.osc.udp_socket import BATCH, OscSocket

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="a datagram goes to the socket that names its sender on Linux"
)


@contextmanager
def sender(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.connect(("127.0.0.1", port))
        yield wire


class Received:
    """What came in, in order; ``lasting`` senders are set apart at their first datagram."""

    def __init__(self) -> None:
        self.all: list[tuple[bytes, Sender]] = []
        self.lasting: set[Sender] = set()
        self.socket = OscSocket("127.0.0.1", 0, self._receive)

    def _receive(self, datagram: bytes, sender: Sender) -> None:
        self.all.append((datagram, sender))
        if sender in self.lasting:
            self.socket.set_apart(sender, self.lasting)

    def of(self, wire: socket.socket) -> list[bytes]:
        return [datagram for datagram, sender in self.all if sender == wire.getsockname()]


async def turns(count: int = 200) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def fill(wire: socket.socket) -> None:
    """More than the common buffer holds, whatever the system's limit is."""
    for _ in range(30_000):
        wire.send(b"x")


def test_a_flood_loses_nothing_of_a_sender_that_is_set_apart() -> None:
    async def run() -> None:
        received = Received()
        with sender(received.socket.port) as performer, sender(received.socket.port) as stranger:
            received.lasting.add(performer.getsockname())
            performer.send(b"first")
            await turns()
            fill(stranger)
            for number in range(50):
                performer.send(b"%d" % number)
            await turns()
            received.socket.close()
            assert received.of(performer) == [b"first", *(b"%d" % number for number in range(50))]
            assert len(received.of(stranger)) < 30_000

    asyncio.run(run())


def test_without_a_buffer_of_its_own_a_sender_is_lost_in_a_flood() -> None:
    async def run() -> None:
        received = Received()
        with sender(received.socket.port) as performer, sender(received.socket.port) as stranger:
            fill(stranger)
            performer.send(b"late")
            await turns()
            received.socket.close()
            assert received.of(performer) == []

    asyncio.run(run())


@pytest.mark.parametrize("before", [1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_a_sender_keeps_its_order_while_it_is_set_apart(before: int) -> None:
    async def run() -> None:
        received = Received()
        with sender(received.socket.port) as performer:
            received.lasting.add(performer.getsockname())
            numbers = iter(range(10_000))
            for _ in range(before):  # all in the common buffer when the first is read
                performer.send(b"%d" % next(numbers))
            sent = before
            while sent < before + 20:
                await turns(1)
                performer.send(b"%d" % next(numbers))
                sent += 1
            await turns()
            received.socket.close()
            assert received.of(performer) == [b"%d" % number for number in range(sent)]

    asyncio.run(run())


def test_a_port_stays_ours_alone_while_senders_are_set_apart() -> None:
    async def run() -> None:
        received = Received()
        with sender(received.socket.port) as performer:
            received.lasting.add(performer.getsockname())
            performer.send(b"first")
            await turns()
            with pytest.raises(OSError, match="in use"):
                OscSocket("127.0.0.1", received.socket.port, lambda *_: None)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with pytest.raises(OSError, match="in use"):
                    other.bind(("127.0.0.1", received.socket.port))
        received.socket.close()

    asyncio.run(run())


def test_who_no_longer_lasts_gives_the_buffer_back_and_is_heard_in_the_common_one() -> None:
    async def run() -> None:
        received = Received()
        with sender(received.socket.port) as first, sender(received.socket.port) as second:
            received.lasting.add(first.getsockname())
            first.send(b"1")
            await turns()
            received.lasting = {second.getsockname()}
            second.send(b"2")
            await turns()
            first.send(b"3")
            second.send(b"4")
            await turns()
            received.socket.close()
            assert received.of(first) == [b"1", b"3"] and received.of(second) == [b"2", b"4"]

    asyncio.run(run())


def test_a_sender_that_is_gone_disturbs_nobody() -> None:
    """The answer to a closed port is told to the socket that names it, as an error of its next read."""

    async def run() -> None:
        received = Received()
        with sender(received.socket.port) as performer:
            address = performer.getsockname()
            received.lasting.add(address)
            performer.send(b"1")
            await turns()
        received.socket.send(b"anybody?", address)
        with sender(received.socket.port) as other:
            other.send(b"2")
            await turns()
            received.socket.close()
            assert received.of(other) == [b"2"]

    asyncio.run(run())


def test_all_sockets_are_closed() -> None:
    async def run() -> None:
        received = Received()
        port = received.socket.port
        with sender(port) as performer:
            received.lasting.add(performer.getsockname())
            performer.send(b"1")
            await turns()
            received.socket.close()
        OscSocket("127.0.0.1", port, lambda *_: None).close()

    asyncio.run(run())
