"""OscServer: the performer's OSC surface over UDP; every parameter of the tree is the address /riff/<path>.

Runs on the engine's event loop and never waits: datagrams are queued as they come and worked off in bounded portions,
so that a flood from one sender delays neither the engine nor the answers to the others. Future time tags act at once.

    /riff/<path> value     set it: /riff/ok path value, then /riff/landing path beat seconds if it lands later
                           and /riff/note path text where there is something to know about it
    /riff/<path>           ask for it: /riff/<path> value (a trigger fires)
    /riff/notify 1|0       every value now and each change from now on, to the sender's address, or no longer
    /riff/status           /riff/status.reply name value …
    /riff/sync n           /riff/synced n, when everything sent before has been worked off
    /riff/help [path]      /riff/help.reply path kind allowed help, for one parameter or for all
    refused                /riff/error address reason, to the sender only; nothing changed
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from riffengine.clock import Clock
from riffengine.control.osc_wire import OscRequest, decode, encode
from riffengine.control.surface import Surface
from riffengine.errors import ControlError, ParameterError, WrongType
from riffengine.performance.command import Accepted, Command, Landing, Value
from riffengine.performance.command import Reply as CommandReply
from riffengine.performance.parameters import ParameterTree, unknown
from riffengine.performance.state import PerformanceState

__all__ = ["OscCounters", "OscServer", "decode", "encode"]

Sender = tuple[str, int]

ROOT = "/riff/"
REPLIES = frozenset(
    ROOT + name for name in ("error", "ok", "note", "landing", "synced", "notified", "status.reply", "help.reply")
)
MAX_SENDERS = 64  # whose datagrams wait at the same time
MAX_WAITING = 512  # datagrams of one sender; beyond, the oldest is dropped: the newest move is the one that counts
MAX_SUBSCRIBERS = 32
DRAIN_DATAGRAMS = 128  # in one turn of the event loop
DRAIN_NS = 4_000_000  # and no longer than this, less than one 256-frame block at 48 kHz
REST_SECONDS = 0.002  # between two drains: moves that come faster than 500 a second are one move
MAX_REASON = 300  # characters of an error message on the wire

_log = logging.getLogger(__name__)


@dataclass
class OscCounters:
    """What came in: messages unless said otherwise."""

    received: int = 0  # datagrams
    accepted: int = 0
    rejected: int = 0
    superseded: int = 0  # a newer value for the same address came in the same drain
    ignored: int = 0  # answers that were sent back to us
    garbage: int = 0  # datagrams that are not OSC
    dropped: int = 0  # datagrams beyond what may wait
    unsent: int = 0  # answers that could not be sent


class OscServer(asyncio.DatagramProtocol, Surface):
    """Hears OSC on ``host:port`` and answers each sender at the address it sent from.

    ``submit`` applies a command and must not block; ``current`` is the state; ``status`` may add lines to /riff/status.
    Belongs to the event loop's thread. ``note`` is for a person: it warns when the host is not this machine alone.
    """

    def __init__(
        self,
        tree: ParameterTree,
        submit: Callable[[Command], CommandReply],
        current: Callable[[], PerformanceState],
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 9000,
        status: Callable[[], Mapping[str, Value]] = dict,
    ) -> None:
        self.counters = OscCounters()
        self.host = host
        self.port = port
        self.note = "" if _is_loopback(host) else _OPEN_TO_THE_NETWORK.format(host=host, port=port)
        self._tree = tree
        self._submit = submit
        self._current = current
        self._clock = clock
        self._status = status
        self._transport: asyncio.DatagramTransport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: dict[Sender, deque[tuple[bytes, int]]] = {}
        self._subscribers: set[Sender] = set()
        self._drain_at: asyncio.Handle | None = None
        self._rested_until_ns = 0
        self._full = False  # the socket takes no more; answers are dropped rather than heaped up
        self._meta: Mapping[str, Callable[[OscRequest, Sender], None]] = {
            ROOT + "notify": self._notify,
            ROOT + "status": self._report,
            ROOT + "sync": self._sync,
            ROOT + "help": self._help,
        }

    async def start(self) -> None:
        """Bind the socket; port 0 takes a free one. ``ControlError`` when the address cannot be had."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, self.port))
        except OSError as error:
            raise ControlError(
                f"OSC cannot listen on {self.host}:{self.port}: {error.strerror or error}; "
                f"another program may have the port: name another under osc: port: in the preset"
            ) from None
        if self.note:
            _log.warning("%s", self.note)

    def close(self) -> None:
        """Stop hearing; what waits is dropped."""
        if self._drain_at is not None:
            self._drain_at.cancel()
            self._drain_at = None
        self._inbox.clear()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    # --- what the engine tells -----------------------------------------------------------------------------------

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``, whoever asked: every subscriber hears it."""
        for subscriber in self._subscribers:
            self._send(subscriber, ROOT + path, value)

    def announce(self, landing: Landing, source: str) -> None:
        """``landing`` moved: the sender named by ``source`` and every subscriber hear where to."""
        kind, _, address = source.partition(":")
        host, _, port = address.rpartition(":")
        sender = {(host, int(port))} if kind == "osc" and host and port.isdecimal() else set()
        for listener in sender | self._subscribers:
            self._send_landing(listener, landing)

    # --- datagrams in --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is bound (called by asyncio)."""
        # A cast, not a test: until Python 3.12 asyncio's own UDP transport is no subclass of DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Queue ``data`` with the time of its arrival (called by asyncio)."""
        sender = (str(addr[0]), int(addr[1]))
        self.counters.received += 1
        waiting = self._inbox.get(sender)
        if waiting is None:
            if len(self._inbox) >= MAX_SENDERS:
                self.counters.dropped += 1
                return
            waiting = self._inbox[sender] = deque(maxlen=MAX_WAITING)
        if len(waiting) == MAX_WAITING:
            self.counters.dropped += 1
        now_ns = self._clock.now_ns()
        waiting.append((data, now_ns))
        if self._drain_at is None and self._loop is not None:
            rest_seconds = max(0, self._rested_until_ns - now_ns) / 1e9
            self._drain_at = self._loop.call_later(min(rest_seconds, REST_SECONDS), self._drain)

    def error_received(self, exc: Exception) -> None:
        """An answer could not be sent; its sender is gone (called by asyncio)."""
        self.counters.unsent += 1

    def pause_writing(self) -> None:
        """64 KiB of answers wait to be sent (called by asyncio)."""
        self._full = True

    def resume_writing(self) -> None:
        """The answers are out (called by asyncio)."""
        self._full = False

    def _drain(self) -> None:
        self._drain_at = None
        self.work_off(self._clock.now_ns())
        self._rested_until_ns = self._clock.now_ns() + round(REST_SECONDS * 1e9)
        if self._inbox and self._loop is not None:
            self._drain_at = self._loop.call_soon(self._drain)

    def work_off(self, now_ns: int) -> None:
        """Work off one bounded portion of what waits, one datagram of each sender in turn."""
        moves: dict[tuple[Sender, str], tuple[Command, OscRequest]] = {}
        for _ in range(DRAIN_DATAGRAMS):
            if not self._inbox or self._clock.now_ns() - now_ns > DRAIN_NS:
                break
            sender = next(iter(self._inbox))
            waiting = self._inbox.pop(sender)
            datagram, stamp_ns = waiting.popleft()
            if waiting:
                self._inbox[sender] = waiting  # to the back of the line
            try:
                requests = decode(datagram)
            except ControlError as error:
                self.counters.garbage += 1
                self._refuse(sender, "", str(error))
                continue
            for request in requests:
                self._take(request, sender, stamp_ns, moves)
        self._make(moves)

    def _take(
        self,
        request: OscRequest,
        sender: Sender,
        stamp_ns: int,
        moves: dict[tuple[Sender, str], tuple[Command, OscRequest]],
    ) -> None:
        if request.address in REPLIES:
            self.counters.ignored += 1  # answering an answer would never end
            return
        try:
            if request.address in self._meta:
                self._make(moves)  # what was sent before is worked off before
                self._meta[request.address](request, sender)
                return
            path = self._path(request)
            trigger = self._tree[path].kind == "trigger"
            if not request.arguments and not trigger:
                self._make(moves)
                self._send(sender, request.address, self._current()[path])
                return
            value, _ = self._tree.check(path, _only(request, True if trigger else None))
        except (ControlError, ParameterError) as error:
            self.counters.rejected += 1
            self._refuse(sender, request.address, str(error))
            return
        command = Command(path, value, f"osc:{sender[0]}:{sender[1]}", stamp_ns)
        if trigger:
            self._make(moves)
            self._apply(sender, command, request)
        else:
            if moves.pop((sender, path), None) is not None:
                self.counters.superseded += 1
            moves[sender, path] = command, request

    def _path(self, request: OscRequest) -> str:
        if not request.address.startswith(ROOT):
            raise ControlError(unknown("address", request.address, self._addresses()))
        path = request.address.removeprefix(ROOT)
        if path not in self._tree:
            raise ControlError(unknown("address", request.address, self._addresses()))
        return path

    def _addresses(self) -> list[str]:
        return [*(ROOT + path for path in self._tree.parameters), *self._meta]

    def _make(self, moves: dict[tuple[Sender, str], tuple[Command, OscRequest]]) -> None:
        for (sender, _), (command, request) in moves.items():
            self._apply(sender, command, request)
        moves.clear()

    def _apply(self, sender: Sender, command: Command, request: OscRequest) -> None:
        reply = self._submit(command)
        if isinstance(reply, Accepted):
            self.counters.accepted += 1
            self._send(sender, ROOT + "ok", command.path, reply.value)
            if reply.note:
                self._send(sender, ROOT + "note", command.path, reply.note[:MAX_REASON])
            if reply.landing is not None:
                self._send_landing(sender, reply.landing)
        else:
            self.counters.rejected += 1
            self._refuse(sender, request.address, reply.reason)

    # --- addresses that are no parameter -------------------------------------------------------------------------

    def _notify(self, request: OscRequest, sender: Sender) -> None:
        wanted = _only(request)
        if not isinstance(wanted, bool | int | float) or wanted not in (0, 1):
            raise WrongType(f"{request.address} takes 1 to subscribe or 0 to end it")
        if not wanted:
            self._subscribers.discard(sender)
        elif sender not in self._subscribers and len(self._subscribers) >= MAX_SUBSCRIBERS:
            raise ControlError(f"{MAX_SUBSCRIBERS} subscribers are here already; end one with {request.address} 0")
        else:
            self._subscribers.add(sender)
        self._send(sender, ROOT + "notified", int(wanted))
        if wanted:
            state = self._current()
            for parameter in self._tree.values:
                self._send(sender, ROOT + parameter.path, state[parameter.path])

    def _report(self, request: OscRequest, sender: Sender) -> None:
        facts: dict[str, Value] = {"revision": self._current().revision, **asdict(self.counters), **self._status()}
        self._send(sender, ROOT + "status.reply", *(part for fact in facts.items() for part in fact))

    def _sync(self, request: OscRequest, sender: Sender) -> None:
        number = _only(request)
        if isinstance(number, bool) or not isinstance(number, int):
            raise WrongType(f"{request.address} takes one whole number, which comes back")
        self._send(sender, ROOT + "synced", number)

    def _help(self, request: OscRequest, sender: Sender) -> None:
        path = _only(request, "")
        if not isinstance(path, str):
            raise WrongType(f"{request.address} takes the path of a parameter, or nothing for all")
        chosen = [self._tree[path.removeprefix(ROOT)]] if path else self._tree.parameters.values()
        for parameter in chosen:
            self._send(sender, ROOT + "help.reply", parameter.path, parameter.kind, parameter.allowed, parameter.help)

    # --- datagrams out -------------------------------------------------------------------------------------------

    def _refuse(self, sender: Sender, address: str, reason: str) -> None:
        self._send(sender, ROOT + "error", address[:MAX_REASON], reason[:MAX_REASON])

    def _send_landing(self, sender: Sender, landing: Landing) -> None:
        self._send(sender, ROOT + "landing", landing.path, float(landing.beat), float(landing.seconds))

    def _send(self, to: Sender, address: str, *values: Value) -> None:
        if self._transport is None or self._full:
            self.counters.unsent += 1
            return
        self._transport.sendto(encode(address, *values), to)


_OPEN_TO_THE_NETWORK = (
    "OSC listens on {host}:{port}: anybody in this network can play. OSC knows no password; "
    "use 127.0.0.1 unless the network is yours alone"
)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _only(request: OscRequest, default: object = None) -> object:
    """The single argument of ``request``, or ``default`` when there is none; ``WrongType`` when there are more."""
    if len(request.arguments) > 1:
        raise WrongType(f"{request.address} takes one value, {len(request.arguments)} were sent; put text in quotes")
    return request.arguments[0] if request.arguments else default
