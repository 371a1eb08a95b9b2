"""Discovery: tells programs on the network, or on this machine alone, that OSC and OSCQuery are here (zeroconf).

Runs on the engine's event loop, in the background: what cannot be announced is told once, and everything else works.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from ifaddr import get_adapters
from zeroconf import Error as ZeroconfError
from zeroconf import InterfaceChoice, IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from riffengine.control.osc.subscribers import OscOptions, is_loopback
from riffengine.control.surface import Surface

LOOPBACK = "127.0.0.1"


class Discovery(Surface):
    """Announces ``_oscjson._tcp`` on ``http_port`` and ``_osc._udp`` on ``osc_port`` while it is open.

    A host that is this machine alone is announced on loopback alone: nothing leaves the machine.
    """

    def __init__(self, options: OscOptions, osc_port: int, http_port: int, say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self._ports = {"_oscjson._tcp.local.": http_port, "_osc._udp.local.": osc_port}
        self._zeroconf: AsyncZeroconf | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to announce; takes about a second, in the background."""
        self._task = asyncio.get_running_loop().create_task(self._announce())

    def close(self) -> None:
        """Take the announcement back."""
        if self._task is not None:
            self._task = asyncio.get_running_loop().create_task(self._take_back(self._task))

    async def settled(self) -> None:
        """Return when what was begun is done."""
        if self._task is not None:
            await self._task

    def services(self) -> list[ServiceInfo]:
        """What is announced."""
        host = socket.gethostname().partition(".")[0]
        addresses = [self._options.host]
        if not is_loopback(self._options.host):
            addresses = _own_addresses() if self._options.host in ("0.0.0.0", "::", "") else addresses
        return [
            ServiceInfo(
                kind,
                f"Riffengine {self._ports['_osc._udp.local.']} on {host}.{kind}",
                port,
                parsed_addresses=[LOOPBACK if a == "localhost" else a for a in addresses],
                server=f"{host}.local.",
            )
            for kind, port in self._ports.items()
        ]

    async def _announce(self) -> None:
        loopback = is_loopback(self._options.host)
        try:
            self._zeroconf = AsyncZeroconf(
                interfaces=[LOOPBACK] if loopback else InterfaceChoice.All, ip_version=IPVersion.V4Only
            )
            for service in self.services():
                await self._zeroconf.async_register_service(service, allow_name_change=True)
        except (OSError, ZeroconfError) as error:
            self._say(f"OSCQuery is not announced: {error or type(error).__name__}; name host and port in your program")

    async def _take_back(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if self._zeroconf is not None:
            await self._zeroconf.async_close()
            self._zeroconf = None


def _own_addresses() -> list[str]:
    """The IPv4 addresses of this machine that others can reach."""
    found = [str(ip.ip) for adapter in get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return [address for address in found if not is_loopback(address)] or [LOOPBACK]
