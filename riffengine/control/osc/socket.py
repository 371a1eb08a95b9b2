"""OscSocket: a UDP socket on an event loop, read in batches.

asyncio's own reads one datagram in each turn of the loop, into a small buffer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from riffengine.control.osc.inbox import Sender

RECEIVE_BUFFER_BYTES = 1 << 20  # requested; a flood of 10,000 a second needs 8 MB/s of it while the engine is busy
BATCH = 256  # datagrams read in one turn of the event loop
_LONGEST = 65536

Receive = Callable[[bytes, Sender], None]


class OscSocket:
    """A bound UDP socket. ``receive`` is called with each datagram and its sender; ``send`` never waits."""

    def __init__(self, host: str, port: int, receive: Receive) -> None:
        """Bind; ``OSError`` when the address cannot be bound."""
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            self._socket.setblocking(False)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read)

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._socket.getsockname()[1])

    def send(self, datagram: bytes, to: Sender) -> bool:
        """Send ``datagram``; false when the buffer is full or ``to`` cannot be reached."""
        try:
            self._socket.sendto(datagram, to)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Stop receiving and close the socket."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                datagram, address = self._socket.recvfrom(_LONGEST)
            except BlockingIOError:
                return
            except OSError:  # Windows and some BSDs report here that a reply reached no socket; ours still works
                continue
            self._receive(datagram, (str(address[0]), int(address[1])))
            if self._socket.fileno() < 0:
                return  # the receiver has closed the socket
