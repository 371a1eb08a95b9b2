"""Long connections: how a WebSocket begins, how one that only receives is fed, and how one is hung up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from riffengine.http_server.server import BoundedServer
from riffengine.web.access import SECURITY_HEADERS
from riffengine.web.feeds import Send
from riffengine.web.responses import plain

_HEARTBEAT_SECONDS = 20.0
_LOOK_SECONDS = 0.02  # at a client that reads slowly
_SHORT, _LONG, _LONGEST = struct.Struct("!BB"), struct.Struct("!BBH"), struct.Struct("!BBQ")  # heads of a frame
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


async def feed_socket(
    request: web.BaseRequest,
    wire: web.WebSocketResponse,
    run: Callable[[Send], Awaitable[None]],
    most_waiting: int,
) -> None:
    """Let ``run(send)`` feed a client that says nothing, until the client goes or ``run`` ends: then it is hung up."""

    async def send(data: bytes | str) -> None:
        await send_frame(request, data, most_waiting)

    sending = asyncio.ensure_future(run(send))
    sending.add_done_callback(lambda done: hang_up(request))
    try:
        async for _ in wire:
            pass
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError, TimeoutError):
            await sending


def bound_buffers(request: web.BaseRequest, most_bytes: int) -> None:
    """Let program and system keep ``most_bytes`` each for one client.

    Else they take megabytes before anybody notices that none is read.
    """
    transport = request.transport
    if transport is None:
        return
    transport.set_write_buffer_limits(high=most_bytes)
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, most_bytes)


async def send_frame(request: web.BaseRequest, data: bytes | str, most_waiting: int) -> None:
    """Send one message on the open socket of ``request``, and wait while more than ``most_waiting`` bytes are untaken.

    The frame (RFC 6455, unmasked and whole) goes straight to the transport: with a hundred listeners, the general
    path of the library took most of the server's time. ``ConnectionError`` when the client has gone.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has gone")
    payload = data.encode() if isinstance(data, str) else data
    kind, length = 0x81 if isinstance(data, str) else 0x82, len(payload)
    if length < 126:
        head = _SHORT.pack(kind, length)
    else:
        head = _LONG.pack(kind, 126, length) if length < 1 << 16 else _LONGEST.pack(kind, 127, length)
    transport.write(head + payload)
    while transport.get_write_buffer_size() > most_waiting and not transport.is_closing():
        await asyncio.sleep(_LOOK_SECONDS)


def hang_up(request: web.BaseRequest) -> None:
    """End the connection at once: to one who does not read nothing can be said, not even that it ends."""
    if request.transport is not None:
        request.transport.abort()
