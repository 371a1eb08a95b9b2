"""The UDP socket of the OSC server: read in batches, with a socket of its own for each sender that must not be lost."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Container

from riffengine.control.osc.options import is_loopback
from riffengine.control.osc.subscribers import Sender

# Requested; Linux gives at most net.core.rmem_max. It holds 10,000 small messages, a third of a second of a flood of
# 30,000 a second; 1 MB held 2500, and a performer's messages were lost while the engine waited for a processor.
RECEIVE_BUFFER_BYTES = 4 << 20
MOST_HELD = 16384  # datagrams that a full buffer holds, of the smallest
BATCH = 256  # datagrams read from one socket in one turn of the event loop
_LONGEST = 65536
MAX_KNOWN_HOSTS = 256  # of which is remembered whether they are this machine

Receive = Callable[[bytes, Sender], None]


class OscSocket:
    """A UDP socket on an event loop. ``receive`` is called with each datagram and its sender; ``send`` never waits.

    It is read in batches: asyncio's own reads one datagram in each turn of the loop, into a small buffer. All senders
    share that buffer, and a flood fills it: ``set_apart`` gives a sender one that nobody else can fill.
    """

    def __init__(self, host: str, port: int, receive: Receive) -> None:
        """Bind; ``OSError`` when the address cannot be bound."""
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._socket = _new_socket(family)
        try:
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self._receive = receive
        self._own_hosts: dict[str, bool] = {}
        self._apart: dict[Sender, socket.socket | None] = {}  # None where the system does not allow it
        self._reads_before: dict[Sender, int] = {}  # of the common buffer, before a sender's own is read
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read_common)

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._socket.getsockname()[1])

    def is_self(self, address: Sender) -> bool:
        """Whether ``address`` is this very socket, so that what is sent there comes back."""
        return address[1] == self.port and self._is_this_machine(address[0])

    def _is_this_machine(self, host: str) -> bool:
        if host not in self._own_hosts:
            if len(self._own_hosts) >= MAX_KNOWN_HOSTS:
                self._own_hosts.clear()
            self._own_hosts[host] = is_loopback(host) or _can_bind(self._socket.family, host)
        return self._own_hosts[host]

    def send(self, datagram: bytes, to: Sender) -> bool:
        """Send ``datagram``; false when the buffer is full or ``to`` cannot be reached."""
        try:
            self._socket.sendto(datagram, to)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Stop receiving and close all sockets."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for sender in tuple(self._apart):
            self._rejoin(sender)

    # --- a buffer of one's own ---------------------------------------------------------------------------------------

    def set_apart(self, sender: Sender, lasting: Container[Sender]) -> None:
        """Let what ``sender`` sends come into a buffer of its own; those who are not in ``lasting`` lose theirs.

        A second socket is bound to the same port and connected to the sender: Linux gives a datagram to the socket
        that names its sender. Elsewhere, and where it fails, the sender keeps to the common buffer.
        """
        if sender in self._apart:
            return
        for other in [other for other in self._apart if other not in lasting]:
            self._rejoin(other)
        own = self._apart[sender] = self._connected(sender) if sys.platform == "linux" else None
        if own is not None:
            self._reads_before[sender] = MOST_HELD

    def _connected(self, sender: Sender) -> socket.socket | None:
        own = None
        # A port can be bound twice while both sockets allow it. Ours allows it for this moment only, so that another
        # program, or a second engine, is still refused.
        try:
            own = _new_socket(self._socket.family)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.bind(self._socket.getsockname())
            own.connect(sender)
        except OSError:
            if own is not None:
                own.close()
            return None
        finally:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        return own

    def _rejoin(self, sender: Sender) -> None:
        own = self._apart.pop(sender)
        self._reads_before.pop(sender, None)
        if own is not None:
            self._loop.remove_reader(own.fileno())
            own.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    def _read_common(self) -> None:
        if self._socket.fileno() < 0:
            return
        emptied = self._read(self._socket)
        # What a sender sent before it was set apart lies in the common buffer, and is read first.
        for sender in tuple(self._reads_before):
            self._reads_before[sender] -= BATCH
            own = self._apart[sender]
            if own is not None and (emptied or self._reads_before[sender] <= 0):
                del self._reads_before[sender]
                self._loop.add_reader(own.fileno(), self._read, own)
        if self._reads_before:  # the buffer may be empty by now, and nothing would tell
            self._loop.call_soon(self._read_common)

    def _read(self, source: socket.socket) -> bool:
        """Receive one batch; whether the buffer is empty then."""
        for _ in range(BATCH):
            try:
                datagram, address = source.recvfrom(_LONGEST)
            except BlockingIOError:
                return True
            except OSError:  # Windows and some BSDs report here that a reply reached no socket; ours still works
                continue
            self._receive(datagram, (str(address[0]), int(address[1])))
            if source.fileno() < 0:
                return False  # the receiver has closed the socket
        return False


def _new_socket(family: int) -> socket.socket:
    new = socket.socket(family, socket.SOCK_DGRAM)
    new.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    new.setblocking(False)
    return new


def _can_bind(family: int, host: str) -> bool:
    """Whether ``host`` is an address of this machine: only those can be bound."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
