"""NodeServer: ``riffengine render-node``: a pool that serves the pools of other machines by WebSocket.

Bounded in connections, in the size of a message, in jobs of one client, and in loops that a client does not take. Each
connection is a client of its own to the dispatcher, so that all get their share.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from http import HTTPStatus

from aiohttp import WSMsgType, web

from riffengine.errors import ControlError
from riffengine.http_server.connections import ConnectionLimits
from riffengine.http_server.origin import OriginRules
from riffengine.http_server.server import BoundedServer
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.limits import MOST_CLIENTS
from riffengine.pool.node_access import admits
from riffengine.pool.renderer_pool import RendererPool
from riffengine.pool.wire import MOST_ORDER_BYTES, PATH, FromNode, answer_text, loop_head, loop_pieces, parse_order
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Failed,
    PoolReport,
    Ready,
    Render,
    SeatsChanged,
)

MOST_JOBS = 64
"""Of one client that are not answered yet."""
HEARTBEAT_SECONDS = 10.0
"""Without a byte from the other side, until it is asked for one; half of it later the connection ends."""

_MOST_UNSENT = 64  # answers, without signs of life and loops; a client that takes none of them is hung up
_PIECE_SECONDS = 30.0  # for 64 KiB, or 17 kbit/s: a client that takes less is hung up
_LIMITS = ConnectionLimits(in_all=64, per_address=48, lasting=MOST_CLIENTS, lasting_per_address=MOST_CLIENTS)


class NodeClient:
    """One connection as a client of the pool. ``most_floats`` is the largest loop that a member can hold."""

    def __init__(
        self, name: str, wire: web.WebSocketResponse, most_floats: int, files: bool, hang_up: Callable[[], None]
    ) -> None:
        self.name, self._hang_up = name, hang_up
        self._wire, self._most_floats, self._files = wire, most_floats, files
        self._floats_per_frame = 1
        self._texts: deque[str] = deque()
        self._signs: dict[int, str] = {}  # the last of each job: nobody needs those before it
        self._loops: deque[tuple[int, FinishedLoop]] = deque()
        self._more = asyncio.Event()
        self._jobs: set[int] = set()

    async def send_all(self) -> None:
        """Send what waits, until the connection ends."""
        try:
            while True:
                await self._send_texts()
                if self._loops:
                    await self._send_loop(*self._loops.popleft())
                elif not self._texts and not self._signs:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            self._hang_up()
        except ConnectionError:
            return

    async def _send_texts(self) -> None:
        while self._texts or self._signs:
            text = self._texts.popleft() if self._texts else self._signs.pop(next(iter(self._signs)))
            async with asyncio.timeout(_PIECE_SECONDS):
                await self._wire.send_str(text)

    async def _send_loop(self, job: int, loop: FinishedLoop) -> None:
        """Send it in pieces, and what else there is to say between them."""
        await self._wire.send_str(answer_text(loop_head(job, loop)))
        pieces = list(loop_pieces(loop))
        for number, piece in enumerate(pieces, 1):
            if number == len(pieces):  # who has it all may order the next at once
                self._jobs.discard(job)
            async with asyncio.timeout(_PIECE_SECONDS):
                await self._wire.send_bytes(piece)
            await self._send_texts()

    def refusal(self, render: Render) -> str:
        """Why ``render`` is not taken, "" when it is. ``ControlError`` for a job that is at work already."""
        request = render.request
        if render.job in self._jobs:  # a refusal would end the one at work
            raise ControlError(f"job {render.job} was ordered twice; give every job a number of its own")
        if len(self._jobs) >= MOST_JOBS:
            return f"the node has {len(self._jobs)} jobs of this client; at most {MOST_JOBS} are taken"
        if request.init and not self._files:
            return "a node does not read files; what starts from a sound is rendered where the sound is"
        if request.beats * 60.0 / request.bpm * request.sample_rate * self._floats_per_frame > self._most_floats:
            return "the loop is longer than this node renders: 16 beats at 60 bpm and 48000 Hz is the longest"
        return ""

    def took(self, job: int) -> None:
        """``job`` is being worked on."""
        self._jobs.add(job)

    def ready(self, ready: Ready) -> None:
        """The node takes jobs."""
        self._floats_per_frame = len(ready.stems) * ready.channels
        self._send(ready)

    def seats(self, seats: int, reason: str) -> None:
        """Members came or went."""
        self._send(SeatsChanged(seats, reason))

    def finished(self, render: Render, loop: FinishedLoop) -> None:
        """Send the loop; no more of them wait than ``MOST_JOBS``, since each counts as a job until it is sent."""
        self._signs.pop(render.job, None)
        self._loops.append((render.job, loop))
        self._more.set()

    def failed(self, job: int, reason: str, hopeless: bool) -> None:
        """No member could render it."""
        self._answered(job)
        self._send(Failed(job, reason, hopeless))

    def dropped(self, job: int) -> None:
        """It ended as asked."""
        self._answered(job)
        self._send(Cancelled(job))

    def alive(self, job: int, worked_seconds: float, steps: int, queued: bool) -> None:
        """A member works on it, or it waits for one."""
        self._signs[job] = answer_text(Alive(job, worked_seconds, steps, queued))
        self._more.set()

    def report(self, report: PoolReport) -> None:
        """Not sent: the figures of a node are its own."""

    def _answered(self, job: int) -> None:
        self._jobs.discard(job)
        self._signs.pop(job, None)

    def _send(self, message: FromNode) -> None:
        if self._has_room():
            self._texts.append(answer_text(message))
            self._more.set()

    def _has_room(self) -> bool:
        """Whether another text may wait; a client that takes none is hung up."""
        if len(self._texts) < _MOST_UNSENT:
            return True
        self._texts.clear()
        self._loops.clear()
        self._hang_up()
        return False


class NodeServer:
    """Serves ``pool`` on ``host:port``. ``files``: clients are on this machine, and jobs may name its files."""

    def __init__(
        self,
        pool: RendererPool,
        host: str,
        port: int,
        token: str,
        most_floats: int,
        tls: ssl.SSLContext | None = None,
        names: Iterable[str] = (),
        files: bool = False,
    ) -> None:
        self._pool, self._token, self._most_floats, self._files = pool, token, most_floats, files
        rules = OriginRules((host, *names), ())
        self.http = BoundedServer(self._answer, host, port, limits=_LIMITS, rules=rules, tls=tls)
        self.refused = 0  # connections with a wrong token or none
        self._connections = 0

    async def start(self) -> None:
        """Listen; ``OSError`` when the address cannot be bound."""
        await self.http.start()

    async def stop(self) -> None:
        """Hang up."""
        await self.http.stop()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not admits(self._token, request.headers.get("Authorization", "")):
            self.refused += 1
            return web.Response(status=HTTPStatus.UNAUTHORIZED, text="a token is needed\n")
        if request.path != PATH:
            return web.Response(status=HTTPStatus.NOT_FOUND, text=f"this is a render node; its path is {PATH}\n")
        wire = web.WebSocketResponse(
            max_msg_size=MOST_ORDER_BYTES, heartbeat=HEARTBEAT_SECONDS, compress=False, timeout=1.0
        )
        if not wire.can_prepare(request):
            return web.Response(status=HTTPStatus.UPGRADE_REQUIRED, text="this path is a WebSocket\n")
        if not self.http.make_lasting(request):
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text="there are too many clients\n")
        await wire.prepare(request)
        self._connections += 1
        client = NodeClient(
            f"client-{self._connections}", wire, self._most_floats, self._files, lambda: _abort(request)
        )
        sending = asyncio.get_running_loop().create_task(client.send_all())
        self._pool.join(client)
        try:
            async for message in wire:
                if message.type is not WSMsgType.TEXT:
                    break
                self._take(client, message.data)
        except ControlError as error:
            await wire.close(message=str(error).encode()[:120])
        finally:
            self._pool.leave(client.name)
            sending.cancel()
        return wire

    def _take(self, client: NodeClient, text: str) -> None:
        match parse_order(text):
            case Render() as render:
                refusal = client.refusal(render)
                if refusal:
                    client.failed(render.job, refusal, hopeless=bool(render.request.init))
                else:
                    client.took(render.job)
                    # Late already: its client knows, and wants it all the same.
                    self._pool.order(client.name, render, expires=bool(render.seconds_left))
            case Cancel(job):
                self._pool.cancel(client.name, job)


def _abort(request: web.BaseRequest) -> None:
    """Close the connection of ``request`` at once, whatever waits to be sent."""
    if request.transport is not None:
        request.transport.abort()
