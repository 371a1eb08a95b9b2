"""NodeMember: a render node on another machine as a member of a pool; connected again whenever the connection ends."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp

from riffengine.clock import Clock, SystemClock
from riffengine.errors import ControlError
from riffengine.pool.jobs import Begin
from riffengine.pool.member_link import MemberEvents
from riffengine.pool.node_access import check_url, trusting
from riffengine.pool.node_server import HEARTBEAT_SECONDS
from riffengine.pool.options import NodeAddress
from riffengine.pool.wire import MOST_ANSWER_BYTES, PATH, LoopHead, LoopParts, ToNode, order_text, parse_answer
from riffengine.processes.backoff import Backoff, RestartPolicy
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Failed,
    Ready,
    Render,
    SeatsChanged,
)

_RESTARTS = RestartPolicy(pauses_seconds=(0.2, 0.5, 1.0, 2.0, 5.0), healthy_seconds=5.0)  # after it was ready
_CONNECT_SECONDS = 5.0
_CLOSE_SECONDS = 1.0  # for a node that we leave to say goodbye; until then its jobs are not given to others


class NodeMember:
    """A node with as many seats as it says. ``ControlError`` for an address that cannot be used."""

    def __init__(self, address: NodeAddress, events: MemberEvents, clock: Clock | None = None) -> None:
        check_url(address.url, address.token)
        self.name = address.url.rstrip("/")
        self.local = address.files
        self._address, self._events = address, events
        self._backoff, self._clock = Backoff(_RESTARTS), clock or SystemClock()
        self._tls = trusting(address.certificate) if address.url.startswith("wss:") else None
        self._wire: aiohttp.ClientWebSocketResponse | None = None
        self._parts: LoopParts | None = None  # of the loop that is being received
        self._ready = False
        self._running: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Connect, and connect again."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    def begin(self, begin: Begin) -> None:
        """Send the job."""
        self._send(Render(begin.attempt, begin.request, 0, begin.seconds_left, begin.bank))

    def drop(self, attempt: int) -> None:
        """Ask the node to stop it."""
        self._send(Cancel(attempt))

    def end(self) -> None:
        """Hang up; the node drops what it rendered for us."""
        if self._wire is not None:
            self._later(self._wire.close())

    async def close(self) -> None:
        """Hang up for good."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    def _send(self, message: ToNode) -> None:
        if self._wire is not None:
            self._later(self._wire.send_str(order_text(message)))

    def _later(self, sending: object) -> None:
        async def send() -> None:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await sending  # type: ignore[misc]  # a coroutine of aiohttp; what it returns differs

        task = asyncio.get_running_loop().create_task(send())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _run(self) -> None:
        failures = 0
        while True:
            fault = False
            try:
                reason = await self._connected()
            except Exception as error:  # noqa: BLE001 (one message that trips us must not cost the node for good)
                fault, reason = True, f"is left after an unexpected {type(error).__name__}: {error}"
            was_ready, self._ready = self._ready, False
            failures = failures + 1 if fault or not was_ready else 0
            try:
                if was_ready or failures == 1:  # once for each row of failures
                    self._events.lost(self, reason)
            except Exception:  # noqa: BLE001 (its own fault was told above; this one must not end the loop either)
                failures += 1
            await asyncio.sleep(self._backoff.pause(self._clock.now_ns()))

    async def _connected(self) -> str:
        """Be connected once; returns why that ended."""
        headers = {"Authorization": f"Bearer {self._address.token}"} if self._address.token else {}
        url = self.name.replace("ws", "http", 1) + PATH
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.ws_connect(
                    url,
                    headers=headers,
                    ssl=self._tls or True,
                    heartbeat=HEARTBEAT_SECONDS,
                    max_msg_size=MOST_ANSWER_BYTES,
                ) as wire,
            ):
                self._wire, self._parts = wire, None
                beating = asyncio.get_running_loop().create_task(_beat(wire))
                try:
                    async for message in wire:
                        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                            return f"is left: {message.data or message.type.name}"  # no pong, or too large a message
                        self._hear(message)
                finally:
                    beating.cancel()
                    with contextlib.suppress(TimeoutError, ConnectionError, aiohttp.ClientError):
                        async with asyncio.timeout(_CLOSE_SECONDS):
                            await wire.close()
                return "has hung up"
        except aiohttp.WSServerHandshakeError as error:
            return "refuses our token" if error.status == 401 else f"refuses us with status {error.status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"cannot be reached: {error or type(error).__name__}"
        except ControlError as error:
            return f"is left: {error}"
        finally:
            self._wire = None

    def _hear(self, message: aiohttp.WSMessage) -> None:
        events = self._events
        events.heard(self)
        if message.type is aiohttp.WSMsgType.BINARY:
            if self._parts is None:
                raise ControlError("it sends samples that belong to no loop")
            loop = self._parts.add(message.data)
            if loop is not None:
                job, self._parts = self._parts.head.job, None
                events.finished(self, job, loop)
            return
        match parse_answer(message.data):
            case LoopHead() as head:
                if self._parts is not None:
                    raise ControlError("it begins a loop within another")
                self._parts = LoopParts(head)
            case Ready() as ready:
                self._ready = True
                self._backoff.started(self._clock.now_ns())
                events.ready(self, ready)
            case SeatsChanged(seats):
                events.seats(self, seats)
            case Failed(-1, reason):
                events.unusable(self, reason)
            case Failed(job, reason, hopeless):
                events.failed(self, job, reason, hopeless)
            case Cancelled(job):
                events.dropped(self, job)
            case Alive(job, worked_seconds, steps, queued):
                events.alive(self, job, worked_seconds, steps, queued)


async def _beat(wire: aiohttp.ClientWebSocketResponse) -> None:
    """Send a sign of life all the time. RFC 6455, 5.5.3: a pong without a ping is one, and is not answered.

    The node's pings wait behind the loops that it sends; on a slow link our answer to one would come too late.
    """
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        while not wire.closed:
            await wire.pong()
            await asyncio.sleep(HEARTBEAT_SECONDS / 3)
