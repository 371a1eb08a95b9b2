"""OscQueryServer: OSCQuery over HTTP and WebSocket, on the port number of OSC.

Runs on the engine's event loop. It is read-only: nothing can be changed through it. Loopback by default; the bounds and
the rules against pages of other sites are those of all our servers (``http_server``).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from http import HTTPStatus

from aiohttp import WSMessage, WSMsgType, web

from riffengine.control.osc.address import ROOT
from riffengine.control.osc.options import AllowList, OscOptions
from riffengine.control.osc.query import AddressSpace, host_info
from riffengine.control.osc.wire import encode
from riffengine.control.surface import Surface, SurfaceContext
from riffengine.errors import ControlError
from riffengine.http_server.connections import ConnectionLimits
from riffengine.http_server.server import BoundedServer, own_address
from riffengine.performance.command import Value

NAME = "Riffengine"
MAX_LISTENERS = 16  # WebSockets
LIMITS = ConnectionLimits(lasting=MAX_LISTENERS)
MAX_COMMAND = 4096  # bytes of a LISTEN or IGNORE
BYTES_A_SECOND = 20_000_000
"""Of answers to all clients together. The loop needs about 25 ns a byte to make one, so half of its time at most."""
REST_SECONDS = (
    0.02  # between two portions of changes for the same listener: a fader's last value is the one that counts
)


class OscQueryServer(Surface):
    """Serves the address space on the host of ``options``; ``osc_port`` is the port of OSC.

    ``port`` 0 takes a free one. Belongs to the event loop's thread.
    """

    def __init__(
        self,
        context: SurfaceContext,
        options: OscOptions,
        osc_port: int,
        port: int,
        limits: ConnectionLimits = LIMITS,
    ) -> None:
        self.options = options
        self._osc_port = osc_port
        self._state = context.state
        self._space = AddressSpace(context.tree, lambda path: context.state()[path])
        self._tree = context.tree
        self._paths = {ROOT + p.path: p.path for p in context.tree.values}
        self._listeners: set[_Listener] = set()
        self._answering = asyncio.Lock()
        self.server = BoundedServer(
            self._serve, options.host, port, admits=AllowList(options.allow).admits, limits=limits
        )
        self._closing: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    async def start(self) -> None:
        """Listen. ``ControlError`` when the port cannot be bound."""
        try:
            await self.server.start()
        except OSError as error:
            raise ControlError(
                f"OSCQuery cannot listen on {self.options.host}:{self.port}: {error.strerror or error}; "
                "OSC itself works; to have OSCQuery too, choose another port under osc: port:"
            ) from None

    def parameters_changed(self) -> None:
        """Listeners may ask for other paths now."""
        self._paths = {ROOT + p.path: p.path for p in self._tree.values}

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``: notify every listener that asked for it."""
        for listener in self._listeners:
            listener.notify(ROOT + path, value)

    def close(self) -> None:
        """Disconnect all clients; the sockets are closed soon after."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self.stop())

    async def stop(self) -> None:
        """Disconnect all clients, and return when the sockets are closed."""
        for listener in list(self._listeners):
            await listener.disconnect()
        await self.server.stop()

    # --- HTTP ----------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._listen(request)
        if request.method not in ("GET", "HEAD"):
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, "OSCQuery is read-only; change values by OSC")
        attribute = request.query_string.partition("=")[0].partition("&")[0]
        if attribute == "HOST_INFO":
            return _json_text(json.dumps(host_info(NAME, own_address(request), self._osc_port, self.port)))
        async with self._answering:  # one after the other: what the engine has to do in time comes between them
            status, node = self._space.answer(request.path, attribute)
            if node is None:
                return _plain(status, "")
            text = json.dumps(node)
            await asyncio.sleep(len(text) / BYTES_A_SECOND)
        return _json_text(text)

    # --- WebSocket -----------------------------------------------------------------------------------------------

    async def _listen(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self.server.make_lasting(request):
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "there is no room for another listener; close one first")
        wire = web.WebSocketResponse(max_msg_size=MAX_COMMAND, heartbeat=20.0)
        await wire.prepare(request)
        listener = _Listener(wire)
        self._listeners.add(listener)
        try:
            async for message in wire:
                self._handle(listener, message)
        finally:
            self._listeners.discard(listener)
            await listener.disconnect()
        return wire

    def _handle(self, listener: _Listener, message: WSMessage) -> None:
        """Carry out a LISTEN or IGNORE; everything else is ignored, as the proposal asks."""
        if message.type is not WSMsgType.TEXT:
            return
        try:
            command = json.loads(message.data)
        except (ValueError, RecursionError):
            return
        if not isinstance(command, dict):
            return
        address = command.get("DATA")
        if not isinstance(address, str) or address not in self._paths:
            return
        if command.get("COMMAND") == "LISTEN":
            listener.addresses.add(address)
            listener.notify(address, self._state()[self._paths[address]])
        elif command.get("COMMAND") == "IGNORE":
            listener.addresses.discard(address)


class _Listener:
    """One WebSocket: the addresses it wants, and the newest value of each that it was not sent yet."""

    def __init__(self, wire: web.WebSocketResponse) -> None:
        self.addresses: set[str] = set()
        self._wire = wire
        self._unsent: dict[str, Value] = {}
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._send_values())

    def notify(self, address: str, value: Value) -> None:
        if address in self.addresses:
            self._unsent[address] = value
            self._wake.set()

    async def disconnect(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._wire.close()

    async def _send_values(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                unsent, self._unsent = self._unsent, {}
                for address, value in unsent.items():
                    await self._wire.send_bytes(encode(address, value))
                await asyncio.sleep(REST_SECONDS)
        except ConnectionError:  # the client has closed it; its reader ends by itself
            return


def _json_text(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/json", headers={"Cache-Control": "no-store"})


def _plain(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=text or None)
