"""Subscribers: who may speak, where each sender is answered, and who hears every change. Pure: no socket, no clock."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from riffengine.control.osc.inbox import Sender
from riffengine.errors import ControlError

MAX_SUBSCRIBERS = 32
MAX_REMEMBERED = 256  # senders that are answered at another port, and hosts whose admission is known

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class OscOptions:
    """Where OSC is heard and from whom: ``allow`` holds addresses or networks (``192.168.1.0/24``); empty is anybody.

    ``query``: OSCQuery over HTTP on the same host and port number, announced by zeroconf when ``announce``.
    """

    host: str = "127.0.0.1"
    port: int = 9000
    allow: tuple[str, ...] = ()
    query: bool = True
    announce: bool = True

    @property
    def note(self) -> str:
        """A warning for a person; empty when only this machine can reach us."""
        if is_loopback(self.host):
            return ""
        if self.allow:
            return f"OSC listens on {self.host}:{self.port}: {', '.join(self.allow)} and this machine can play"
        return (
            f"OSC listens on {self.host}:{self.port}: anybody in this network can play. OSC knows no password; "
            "name who may with --osc-allow, or use 127.0.0.1 unless the network is yours alone"
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
            f"{text!r} is no address; allowed are addresses and networks, such as 192.168.1.20 or 192.168.1.0/24"
        ) from None


class AllowList:
    """Lets in this machine and the networks of ``allow``; everybody when it is empty."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._networks = tuple(map(parse_network, allow))
        self._known: dict[str, bool] = {}

    def admits(self, host: str) -> bool:
        """Whether a datagram or a connection from ``host`` is heard."""
        if not self._networks:
            return True
        if host not in self._known:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[host] = self._judge(host)
        return self._known[host]

    def _judge(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address  # an IPv4 sender on an IPv6 socket
        return mapped.is_loopback or any(mapped in network for network in self._networks)


class Subscribers:
    """Return addresses and subscriptions, both bounded; the one that has been silent longest makes room."""

    def __init__(self) -> None:
        self._returns: dict[Sender, Sender] = {}
        self._subscribers: dict[Sender, None] = {}  # return addresses, the longest silent first

    @property
    def subscribers(self) -> tuple[Sender, ...]:
        """The return addresses that hear every change."""
        return tuple(self._subscribers)

    def answer_to(self, sender: Sender) -> Sender:
        """Where ``sender`` wants its answers: where it sends from, or the port that it named."""
        return self._returns.get(sender, sender)

    def direct(self, sender: Sender, port: int) -> None:
        """From now on ``sender`` is answered at ``port`` of its own host; at no other host, so nobody is flooded."""
        self._returns.pop(sender, None)
        if port == sender[1]:
            return
        if len(self._returns) >= MAX_REMEMBERED:
            self._returns.pop(next(iter(self._returns)))
        self._returns[sender] = (sender[0], port)

    def spoke(self, sender: Sender) -> None:
        """``sender`` is alive."""
        at = self._returns.get(sender, sender)
        if at in self._subscribers:
            self._subscribers[at] = self._subscribers.pop(at)

    def subscribe(self, sender: Sender) -> Sender | None:
        """``sender`` hears every change; the return address of the one who had to go for it, if any."""
        at, gone = self.answer_to(sender), None
        if at not in self._subscribers and len(self._subscribers) >= MAX_SUBSCRIBERS:
            gone = next(iter(self._subscribers))
            del self._subscribers[gone]
        self._subscribers.pop(at, None)
        self._subscribers[at] = None
        return gone

    def unsubscribe(self, sender: Sender) -> None:
        """``sender`` hears no more changes."""
        self._subscribers.pop(self.answer_to(sender), None)
