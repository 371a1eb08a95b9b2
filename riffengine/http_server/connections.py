"""ConnectionTable: which connections a server has, and which goes when there is no room for another. Pure."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

DESCRIPTORS_SHARE = 8  # at most this part of the descriptors that the process may open


@dataclass(frozen=True)
class ConnectionLimits:
    """How many connections a server has, in all and from one address, and how long one may take for what.

    ``lasting`` is how many of them may be WebSockets, which stay open.
    """

    in_all: int = 64
    per_address: int = 32
    lasting: int = 16
    lasting_per_address: int = 16
    request_seconds: float = 10.0  # from the connection to the end of the request's head
    idle_seconds: float = 15.0  # between two requests
    answer_seconds: float = 20.0  # until the answer has been taken

    def within_descriptors(self) -> ConnectionLimits:
        """The same for a process that may open only few files, which needs them for sound and pipes."""
        allowed = _descriptor_limit() // DESCRIPTORS_SHARE
        if allowed >= self.in_all:
            return self
        fewer = max(4, allowed)
        half = max(2, fewer // 2)
        return replace(
            self,
            in_all=fewer,
            per_address=min(self.per_address, fewer),
            lasting=min(self.lasting, half),
            lasting_per_address=min(self.lasting_per_address, half),
        )


Connection = TypeVar("Connection")


@dataclass
class _Entry:
    address: str
    waits: bool = True  # for a request, or for the rest of one
    lasting: bool = False


class ConnectionTable(Generic[Connection]):
    """The open connections of a server. One that waits gives way to a new one, the one that waited longest first.

    So somebody who opens many connections and sends nothing keeps nobody out.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._entries: dict[Connection, _Entry] = {}  # those that wait in the order in which they began to

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._entries))

    def room_for(self, address: str) -> tuple[bool, Connection | None]:
        """Whether a connection from ``address`` is taken, and which must be closed for it, ``None``: none."""
        if self._count(address) >= self._limits.per_address:
            oldest = self.longest_waiting(address)
            return oldest is not None, oldest
        if len(self._entries) >= self._limits.in_all:
            oldest = self.longest_waiting()
            return oldest is not None, oldest
        return True, None

    def longest_waiting(self, address: str | None = None) -> Connection | None:
        """The connection that has waited longest for a request, of all or of those from ``address``."""
        household = None if address is None else _household(address)
        for connection, entry in self._entries.items():
            if entry.waits and household in (None, entry.address):
                return connection
        return None

    def add(self, connection: Connection, address: str) -> None:
        """``connection`` was made from ``address``, and waits for its first request."""
        self._entries[connection] = _Entry(_household(address))

    def answering(self, connection: Connection) -> None:
        """A request of ``connection`` is being answered: it is not closed for another."""
        if (entry := self._entries.get(connection)) is not None:
            entry.waits = False

    def waiting(self, connection: Connection) -> None:
        """``connection`` waits for its next request."""
        if (entry := self._entries.pop(connection, None)) is not None:
            self._entries[connection] = _Entry(entry.address)

    def make_lasting(self, connection: Connection) -> bool:
        """Let ``connection`` stay open, as a WebSocket; whether there is room for it among those."""
        entry = self._entries.get(connection)
        if entry is None:
            return False
        lasting = [other.address for other in self._entries.values() if other.lasting]
        limits = self._limits
        if len(lasting) >= limits.lasting or lasting.count(entry.address) >= limits.lasting_per_address:
            return False
        entry.lasting, entry.waits = True, False
        return True

    def remove(self, connection: Connection) -> None:
        """``connection`` has ended."""
        self._entries.pop(connection, None)

    def _count(self, address: str) -> int:
        household = _household(address)
        return sum(entry.address == household for entry in self._entries.values())


def _household(address: str) -> str:
    """``address`` as it counts: of an IPv6 address the network, of which a single host has 2^64 addresses."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address) or found.ipv4_mapped or found.is_loopback:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))


def _descriptor_limit() -> int:
    if sys.platform == "win32":
        return 8192  # sockets are no descriptors there
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
