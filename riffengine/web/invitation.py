"""Invitation: where others open the page, and as what; a performer shows it as a QR code."""

from __future__ import annotations

import socket
from typing import Any

from riffengine.control.osc.options import is_loopback
from riffengine.web.options import WebOptions

_ANYWHERE = "192.0.2.1"  # of RFC 5737: no packet is sent to it, but the system says from which address it would be


def invitation(options: WebOptions) -> dict[str, Any]:
    """The token of each role, and the ``address`` of this machine for others; "" where it serves itself alone."""
    return {"tokens": dict(options.tokens), "address": _address_of(options)}


def _address_of(options: WebOptions) -> str:
    host = options.host
    if is_loopback(host):
        return ""
    if options.names:
        return options.names[0]
    if host not in ("0.0.0.0", "::"):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        try:
            wire.connect((_ANYWHERE, 9))
        except OSError:  # no network
            return ""
        return str(wire.getsockname()[0])
