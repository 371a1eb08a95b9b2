"""BoundedServer: an HTTP server on the running event loop that nobody can fill, hold up or make noisy.

- The number of connections is bounded, in all and from one address; those that only wait give way to new ones.
- A connection that sends no request, or half of one, is closed; so is one that does not take its answer.
- Connections are accepted in small portions. When the process has no descriptor left, one that was put aside serves
  the next connection, so that a health check is answered even then.
- Nothing that a client sends is logged; ``malformed`` counts what was no HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from aiohttp import web

from riffengine.http_server.connections import ConnectionLimits, ConnectionTable
from riffengine.http_server.origin import OriginRules

ACCEPT_BATCH = 4  # connections taken before the event loop does something else
ACCEPT_REST_SECONDS = 0.005  # after a batch: 800 connections a second at most, whatever a flood asks for
EXHAUSTED_REST_SECONDS = 0.1  # before the next attempt of a process without descriptors
RESERVED = 2  # descriptors put aside
BACKLOG = 128  # connections that wait in the kernel

_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class BoundedServer:
    """Serves requests by ``serve`` on ``host:port``; port 0 takes a free one. Belongs to its event loop's thread.

    ``admits`` says whether an address may connect at all; others are hung up before they have sent anything.
    ``rules`` say which names it may be asked by and which pages may ask; without any, this machine's.
    ``headers`` are those of a refusal, too. With ``tls`` it speaks HTTPS alone.
    """

    def __init__(
        self,
        serve: Serve,
        host: str,
        port: int,
        *,
        admits: Callable[[str], bool] = lambda address: True,
        limits: ConnectionLimits | None = None,
        rules: OriginRules | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.host, self.port = host, port
        self.limits = (limits or ConnectionLimits()).within_descriptors()
        self.refused = 0  # connections for which there was no room, or from an address that may not connect
        self.exhausted = 0  # attempts to accept a connection without a free descriptor
        self._serve_request, self.admits = serve, admits
        self._rules, self._headers, self._tls = rules or OriginRules((host,)), headers, tls
        self._table: ConnectionTable[_Connection] = ConnectionTable(self.limits)
        self._by_transport: dict[asyncio.BaseTransport, _Connection] = {}
        self._quiet = _CountingLogger()
        self._protocols: web.Server | None = None
        self._listening: list[socket.socket] = []
        self._reserve: list[int] = []
        self._beginning: set[asyncio.Task[None]] = set()
        self._rests: dict[socket.socket, asyncio.TimerHandle] = {}

    @property
    def malformed(self) -> int:
        """Requests that were no HTTP, or whose answer failed."""
        return self._quiet.count

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._table)

    async def start(self) -> None:
        """Listen; ``OSError`` when the address cannot be bound."""
        loop = asyncio.get_running_loop()
        self._protocols = web.Server(
            self._answer, access_log=None, logger=self._quiet, keepalive_timeout=3600.0, lingering_time=1.0,
            auto_decompress=False,  # a packed body may be a thousand times as large, whatever is allowed
        )  # fmt: skip
        try:
            found = await loop.getaddrinfo(
                self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            self._listening = self._bind_all(found)
        except OSError:
            self._close_sockets()
            raise
        self._refill_reserve()
        for listening in self._listening:
            loop.add_reader(listening.fileno(), self._accept, listening)

    async def stop(self) -> None:
        """Close the port and all connections."""
        self._close_sockets()
        for connection in self._table:
            connection.hang_up()
        if self._protocols is not None:
            await self._protocols.shutdown(0.2)
        while self._reserve:
            os.close(self._reserve.pop())

    def make_lasting(self, request: web.BaseRequest) -> bool:
        """Let the connection of ``request`` stay open, before it becomes a WebSocket; whether there is room for it."""
        connection = self._connection_of(request)
        if connection is None or not self._table.make_lasting(connection):
            return False
        connection.no_deadline()
        return True

    # --- connections -------------------------------------------------------------------------------------------------

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_DESCRIPTOR:
                    continue  # of that one connection: it ended before it was accepted
                self.exhausted += 1
                if self._reserve:
                    os.close(self._reserve.pop())
                    continue
                self._hang_up_one()
                self._rest(listening, EXHAUSTED_REST_SECONDS)
                return
            self._begin(accepted, str(peer[0]))
        self._rest(listening, ACCEPT_REST_SECONDS)

    def _begin(self, accepted: socket.socket, address: str) -> None:
        taken, gives_way = self._table.room_for(address) if self.admits(address) else (False, None)
        if not taken or self._protocols is None:
            self.refused += 1
            accepted.setblocking(False)
            with accepted, contextlib.suppress(OSError):
                accepted.send(_BUSY)
            self._refill_reserve()
            return
        if gives_way is not None:
            gives_way.hang_up()
            self._table.remove(gives_way)
        accepted.setblocking(False)
        connection = _Connection(self._protocols(), self._made, self._ended, self.limits)
        self._table.add(connection, address)
        beginning = asyncio.get_running_loop().create_task(self._connect(connection, accepted))
        connection.beginning = beginning
        self._beginning.add(beginning)
        beginning.add_done_callback(functools.partial(self._began, connection, accepted))

    async def _connect(self, connection: _Connection, accepted: socket.socket) -> None:
        """Make the transport of ``accepted``: with TLS that takes a handshake, which is hung up like anything else."""
        seconds = None if self._tls is None else self.limits.request_seconds
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        except OSError:  # also a handshake that is late, or none of TLS
            return

    def _began(self, connection: _Connection, accepted: socket.socket, beginning: asyncio.Task[None]) -> None:
        self._beginning.discard(beginning)
        if connection.transport is None:
            self._table.remove(connection)
            accepted.close()
            self._refill_reserve()

    def _made(self, connection: _Connection) -> None:
        if connection.transport is not None:
            self._by_transport[connection.transport] = connection

    def _ended(self, connection: _Connection) -> None:
        self._table.remove(connection)
        if connection.transport is not None:
            self._by_transport.pop(connection.transport, None)
        # The socket itself is closed after this call.
        asyncio.get_running_loop().call_soon(self._refill_reserve)

    def _hang_up_one(self) -> None:
        oldest = self._table.longest_waiting()
        if oldest is not None:
            oldest.hang_up()

    def _rest(self, listening: socket.socket, seconds: float) -> None:
        """Accept nothing from ``listening`` for ``seconds``."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening.fileno())

        def go_on() -> None:
            self._rests.pop(listening, None)
            self._refill_reserve()
            loop.add_reader(listening.fileno(), self._accept, listening)

        self._rests[listening] = loop.call_later(seconds, go_on)

    def _refill_reserve(self) -> None:
        if not self._listening:
            return
        with contextlib.suppress(OSError):
            while len(self._reserve) < RESERVED:
                self._reserve.append(os.open(os.devnull, os.O_RDONLY))

    def _bind_all(self, found: Iterable[tuple[int, int, int, str, tuple[object, ...]]]) -> list[socket.socket]:
        """A listening socket for each address of ``found`` that this machine has; all on one port."""
        bound: list[socket.socket] = []
        failure = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        for family, _, _, _, address in found:
            try:
                bound.append(_listening_socket(family, (address[0], self.port, *address[2:])))
            except OSError as error:
                failure = error
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # those: a machine without IPv6
                    for listening in bound:
                        listening.close()
                    raise
            else:
                self.port = int(bound[0].getsockname()[1])
        if not bound:
            raise failure
        return bound

    def _close_sockets(self) -> None:
        for rest in self._rests.values():
            rest.cancel()
        self._rests.clear()
        for listening in self._listening:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing watches it any more
                asyncio.get_running_loop().remove_reader(listening.fileno())
            listening.close()
        self._listening.clear()

    # --- requests ----------------------------------------------------------------------------------------------------

    def _connection_of(self, request: web.BaseRequest) -> _Connection | None:
        return None if request.transport is None else self._by_transport.get(request.transport)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = self._connection_of(request)
        if connection is not None:
            self._table.answering(connection)
            connection.deadline(self.limits.answer_seconds)
        reason = self._rules.refusal(
            request.raw_path, request.headers.get("Host"), request.headers.get("Origin"), own_address(request)
        )
        try:
            if reason:
                refusal = web.Response(status=HTTPStatus.FORBIDDEN, text=f"{reason}\n", headers=self._headers)
                return await _sent(refusal, request)
            return await _sent(await self._serve_request(request), request)
        finally:
            if connection is not None and not connection.lasting:
                self._table.waiting(connection)
                connection.deadline(self.limits.idle_seconds)


class _Connection(asyncio.Protocol):
    """One connection: aiohttp's protocol, and the time by which something must have happened."""

    def __init__(
        self,
        inner: web.RequestHandler,
        on_start: Callable[[_Connection], None],
        on_end: Callable[[_Connection], None],
        limits: ConnectionLimits,
    ) -> None:
        self.transport: asyncio.Transport | None = None
        self.beginning: asyncio.Task[None] | None = None  # until the transport is there
        self.ended = self.lasting = False
        self._inner, self._on_start, self._on_end, self._limits = inner, on_start, on_end, limits
        self._timer: asyncio.TimerHandle | None = None

    def deadline(self, seconds: float) -> None:
        """Hang up in ``seconds`` from now, unless another deadline is set."""
        self._cancel()
        if not self.ended:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.hang_up)

    def no_deadline(self) -> None:
        """Stay open until either side ends it."""
        self._cancel()
        self.lasting = True

    def hang_up(self) -> None:
        """Close the connection at once, whatever waits to be sent."""
        if self.transport is not None:
            self.transport.abort()
        else:
            self.ended = True
            if self.beginning is not None:
                self.beginning.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._on_start(self)
        self._inner.connection_made(transport)
        if self.ended:
            transport.abort()
        else:
            self.deadline(self._limits.request_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        self.ended = True
        self._inner.connection_lost(exc)
        self._on_end(self)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> None:
        self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _CountingLogger(logging.Logger):
    """Counts what aiohttp would log, and writes none of it: garbage from the network is no news."""

    def __init__(self) -> None:
        super().__init__("riffengine.http_server")
        self.count = 0

    def handle(self, record: logging.LogRecord) -> None:
        self.count += record.levelno >= logging.ERROR


async def _sent(answer: web.StreamResponse, request: web.BaseRequest) -> web.StreamResponse:
    """``answer``, when the client has taken it; aiohttp would send it later, out of sight."""
    with contextlib.suppress(ConnectionError):  # the client has gone, which the protocol sees too
        await answer.prepare(request)
        await answer.write_eof()
    return answer


def own_address(request: web.BaseRequest) -> str:
    """The address at which ``request`` reached this machine; "" when its connection has ended."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return str(name[0]) if name else ""


def _listening_socket(family: int, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
