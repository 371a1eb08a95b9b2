"""OriginRules: whether a request is meant for us, or a page of another site in a browser sent it. Pure.

A browser sends with each request the host that its address names (Host), and with WebSockets and everything that
changes something the site of the page that sent it (Origin). It does not keep a page of another site from opening a
WebSocket to this machine, and a host name that was made to point here (DNS rebinding) makes another site's page look
like ours. So both headers are checked, by every server of ours alike.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OriginRules:
    """The rules for a server that is known by ``names``, beside this machine's own name and ``localhost``.

    Pages of this machine are answered, whatever their port; with ``origins`` (which may be empty) none but the server's
    own pages and those of ``origins`` (``https://example.org``).
    """

    def __init__(self, names: Iterable[str] = (), origins: Iterable[str] | None = None) -> None:
        self._origins = None if origins is None else {origin.lower().rstrip("/") for origin in origins}
        own = socket.gethostname().lower()
        self._names = {own, f"{own}.local", "localhost", *(name.lower() for name in names if name)}

    def refusal(self, target: str, host: str | None, origin: str | None, own_address: str) -> str:
        """Why a request is refused, "" when it is not.

        ``target`` is the second word of the request line, ``host`` and ``origin`` are its headers (``None``: there is
        none), ``own_address`` is the address at which the connection reached this machine.
        """
        if not target.startswith("/"):
            return "this is no proxy: a request names a path, such as /health"
        if host is not None and not self._is_own_host(host):
            return "unknown host name; use an IP address or localhost"
        if origin is not None and not self._is_own_origin(origin, host, own_address):
            return "pages of other sites are not answered"
        return ""

    def _is_own_host(self, host: str) -> bool:
        """Whether the Host header names us. An address does, whichever: DNS rebinding needs a name.

        A container or a router may show this machine under an address that it does not know itself.
        """
        name = _host_of(f"//{host}")
        return name is not None and (name in self._names or address_of(name) is not None)

    def _is_own_origin(self, origin: str, host: str | None, own_address: str) -> bool:
        """Whether the page that sent a request is ours: from this machine, or from the very host that it asks.

        Any other address is somebody else's page, for a page may be served from a bare address.
        """
        name = _host_of(origin)
        if name is None:
            return False
        if self._origins is not None:
            return origin.lower() in self._origins or _is_same_site(origin, host)
        if name in self._names:
            return True
        address = address_of(name)
        if address is None:
            return False
        return address.is_loopback or address == address_of(own_address) or _is_same_site(origin, host)


def address_of(text: str) -> Address | None:
    """The IP address that ``text`` is, an IPv4 address in IPv6 dress as IPv4; ``None`` when it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _host_of(url: str) -> str | None:
    """The host that ``url`` names, in lower case; ``None`` when it names none that a browser could have sent."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # ``ValueError`` when it is none
        return None if "@" in parts.netloc else parts.hostname
    except ValueError:
        return None


def _is_same_site(origin: str, host: str | None) -> bool:
    """Whether ``origin`` is the site that the request itself went to: the same host and port."""
    if host is None:
        return False
    page, asked = urlsplit(origin), urlsplit(f"//{host}")
    default = _DEFAULT_PORTS.get(page.scheme)
    return page.hostname == asked.hostname and (page.port or default) == (asked.port or default)
