"""Discovery: announces OSC and OSCQuery to programs on the network, or on this machine alone, by zeroconf.

Runs in the background of the engine's event loop. A failure is reported once; everything else works without it.
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

from riffengine.control.osc.options import OscOptions, is_loopback
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
        """Begin to announce; it takes about a second, in the background."""
        self._task = asyncio.get_running_loop().create_task(self._announce())

    def close(self) -> None:
        """Withdraw the announcement."""
        if self._task is not None:
            self._task = asyncio.get_running_loop().create_task(self._withdraw(self._task))

    async def settled(self) -> None:
        """Return when what ``start`` or ``close`` began is done."""
        if self._task is not None:
            await self._task

    def services(self) -> list[ServiceInfo]:
        """The services that are announced."""
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

    async def _withdraw(self, task: asyncio.Task[None]) -> None:
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
