"""How every WebSocket of the server begins: bounded messages, a heartbeat, a lasting connection, our headers."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from riffengine.http_server.server import BoundedServer
from riffengine.web.access import SECURITY_HEADERS
from riffengine.web.responses import plain

_HEARTBEAT_SECONDS = 20.0
_SILENT_BYTES = 256  # of a message from a client that only receives


async def open_socket(
    request: web.BaseRequest, http: BoundedServer, most_bytes: int = _SILENT_BYTES
) -> web.WebSocketResponse | web.Response:
    """The open socket of ``request``, or the answer that refuses it; a message to it has at most ``most_bytes``."""
    wire = web.WebSocketResponse(max_msg_size=most_bytes, heartbeat=_HEARTBEAT_SECONDS, compress=False, timeout=1.0)
    if not wire.can_prepare(request):
        return plain(HTTPStatus.UPGRADE_REQUIRED, "this path is a WebSocket")
    if not http.make_lasting(request):
        return plain(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; try again later")
    wire.headers.update(SECURITY_HEADERS)
    await wire.prepare(request)
    return wire
