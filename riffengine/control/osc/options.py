"""OscOptions: where the OSC server listens and which hosts it accepts. Pure: no socket, no clock."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from riffengine.errors import ControlError

MAX_KNOWN_HOSTS = 256  # whose admission is remembered

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class OscOptions:
    """``allow`` holds addresses or networks (``192.168.1.0/24``) that may send; when it is empty, every host may.

    ``query``: OSCQuery over HTTP on the same host and port number, announced by zeroconf when ``announce``.
    """

    host: str = "127.0.0.1"
    port: int = 9000
    allow: tuple[str, ...] = ()
    query: bool = True
    announce: bool = True

    @property
    def note(self) -> str:
        """A warning for a person; empty when only this machine can reach the server."""
        if is_loopback(self.host):
            return ""
        if self.allow:
            return f"OSC listens on {self.host}:{self.port}: {', '.join(self.allow)} and this machine can play"
        return (
            f"OSC listens on {self.host}:{self.port}: everyone in this network can play. OSC has no password: "
            "name the allowed addresses with --osc-allow, or listen on 127.0.0.1 if you do not trust the network"
        )


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_network(text: str) -> Network:
    """The address or network that ``text`` names; ``ControlError`` says what is allowed."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ControlError(
            f"{text!r} is not an address; allowed are addresses and networks, such as 192.168.1.20 or 192.168.1.0/24"
        ) from None


class AllowList:
    """Admits this machine and the networks of ``allow``; every host when ``allow`` is empty."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._networks = tuple(map(parse_network, allow))
        self._known: dict[str, bool] = {}

    def admits(self, host: str) -> bool:
        """Whether a datagram or a connection from ``host`` is accepted."""
        if not self._networks:
            return True
        if host not in self._known:
            if len(self._known) >= MAX_KNOWN_HOSTS:
                self._known.clear()
            self._known[host] = self._is_listed(host)
        return self._known[host]

    def _is_listed(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address  # an IPv4 sender on an IPv6 socket
        return mapped.is_loopback or any(mapped in network for network in self._networks)
