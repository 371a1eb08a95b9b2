"""OscServer: the performer's OSC surface over UDP; every parameter of the tree is the address /riff/<path>.

Runs on the engine's event loop and never waits: datagrams are queued as they come and worked off in bounded portions,
a step of each sender in turn, so that a flood from one delays neither the engine nor the answers to the others.

    /riff/<path> value     set it: /riff/ok path value, then /riff/landing path beat seconds if it lands later
                           and /riff/note path text where there is something to know about it (it was clipped, say)
    /riff/<path>           ask for it: /riff/<path> value, truth as 1 and 0 (a trigger fires)
    /riff/notify 1 [port]  every value now and each change from now on, to the sender's address, or to that port of
                           its host, where all its answers go then; 0 ends it
    /riff/status           /riff/status.reply name value …
    /riff/sync n           /riff/synced n, when everything sent before has been worked off
    /riff/help [path]      /riff/help.reply path kind allowed help, for one parameter or for all
    in a bundle that has a time tag: /riff/scheduled path beat seconds, and the rest when its time has come
    refused                /riff/error address reason, to the sender only; nothing changed
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from riffengine.clock import Clock
from riffengine.control.osc.address import ROOT, paths
from riffengine.control.osc.inbox import MAX_UNMADE, Inbox, Line, Sender
from riffengine.control.osc.socket import OscSocket
from riffengine.control.osc.subscribers import AllowList, OscOptions, Subscribers
from riffengine.control.osc.wire import OscRequest, decode, encode, unix_seconds
from riffengine.control.surface import Surface
from riffengine.errors import ControlError, ParameterError, WrongType
from riffengine.performance.command import Accepted, Command, Landing, Value
from riffengine.performance.command import Reply as CommandReply
from riffengine.performance.parameters import Parameter, ParameterTree
from riffengine.performance.state import PerformanceState

__all__ = ["OscCounters", "OscOptions", "OscServer", "Schedule", "decode", "encode"]

REPLIES = frozenset(
    ROOT + name
    for name in ("error", "ok", "note", "landing", "scheduled", "synced", "notified", "status.reply", "help.reply")
)
DRAIN_STEPS = 256  # in one turn of the event loop
DRAIN_NS = 4_000_000  # and no longer than this, less than one 256-frame block at 48 kHz
REST_SECONDS = 0.002  # between two drains: moves that come faster than 500 a second are one move
MAX_REASON = 300  # characters of an error message on the wire
_LONG = 2**63 - 1  # the largest number that OSC sends back

_log = logging.getLogger(__name__)


class Schedule(Protocol):
    """Keeps a command until its time has come."""

    def __call__(self, command: Command, unix_seconds: float, tell: Callable[[CommandReply], None]) -> Landing | None:
        """When ``command`` will act, and later its reply to ``tell``; ``None`` when its time has passed already.

        ``ControlError`` when it cannot be kept.
        """


@dataclass
class OscCounters:
    """What came in: messages unless said otherwise."""

    received: int = 0  # datagrams
    accepted: int = 0
    rejected: int = 0
    clipped: int = 0  # of the accepted
    superseded: int = 0  # a newer value for the same address came before this one was made
    scheduled: int = 0
    late: int = 0  # their time tag had passed
    ignored: int = 0  # answers that were sent back to us
    garbage: int = 0  # datagrams that are not OSC
    forbidden: int = 0  # datagrams from hosts that are not allowed
    dropped: int = 0  # datagrams beyond what may wait
    unsent: int = 0  # answers that could not be sent


class OscServer(Surface):
    """Hears OSC where ``options`` says and answers each sender at the address it sent from, or at the port it named.

    ``submit`` applies a command and must not block; ``current`` is the state; ``status`` may add lines to /riff/status;
    ``schedule`` keeps what has a time tag, and without it everything acts at once. Belongs to the event loop's thread.
    """

    def __init__(
        self,
        tree: ParameterTree,
        submit: Callable[[Command], CommandReply],
        current: Callable[[], PerformanceState],
        clock: Clock,
        options: OscOptions | None = None,
        status: Callable[[], Mapping[str, Value]] = dict,
        schedule: Schedule | None = None,
    ) -> None:
        self.counters = OscCounters()
        self.options = options or OscOptions()
        self.port = self.options.port
        self.send: Callable[[bytes, Sender], bool] | None = None  # the wire; start() binds a socket to it
        self._tree = tree
        self._submit = submit
        self._current = current
        self._clock = clock
        self._status = status
        self._schedule = schedule
        self._socket: OscSocket | None = None
        self._doorkeeper = AllowList(self.options.allow)
        self._inbox = Inbox()
        self._listeners = Subscribers()
        self._drain_at: asyncio.Handle | None = None
        self._rested_until_ns = 0
        self._meta: Mapping[str, Callable[[OscRequest, Sender], None]] = {
            ROOT + "notify": self._notify,
            ROOT + "status": self._report,
            ROOT + "sync": self._sync,
            ROOT + "help": self._help,
        }

    @property
    def waiting(self) -> bool:
        """Whether anything is left to be worked off."""
        return bool(self._inbox)

    async def start(self) -> None:
        """Bind the socket; port 0 takes a free one. ``ControlError`` when the address cannot be had."""
        host, port = self.options.host, self.options.port
        try:
            self._socket = OscSocket(host, port, self.hear)
        except OSError as error:
            raise ControlError(
                f"OSC cannot listen on {host}:{port}: {error.strerror or error}; "
                f"another program may have the port: name another under osc: port: in the preset"
            ) from None
        self.port = self._socket.port
        self.send = self._socket.send
        if self.options.note:
            _log.warning("%s", self.options.note)

    def close(self) -> None:
        """Stop hearing; what waits is dropped."""
        if self._drain_at is not None:
            self._drain_at.cancel()
            self._drain_at = None
        self._inbox.clear()
        self.send = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # --- what the engine tells -----------------------------------------------------------------------------------

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``, whoever asked: every subscriber hears it."""
        if subscribers := self._listeners.subscribers:
            datagram = encode(ROOT + path, _plain(value))
            for subscriber in subscribers:
                self._dispatch(datagram, subscriber)

    def announce(self, landing: Landing, source: str) -> None:
        """``landing`` moved: the sender named by ``source`` and every subscriber hear where to."""
        kind, _, address = source.partition(":")
        host, _, port = address.rpartition(":")
        known = kind == "osc" and host and port.isdecimal()
        asked = {self._listeners.answer_to((host, int(port)))} if known else set()
        datagram = _landing(landing)
        for listener in asked | set(self._listeners.subscribers):
            self._dispatch(datagram, listener)

    # --- datagrams in --------------------------------------------------------------------------------------------

    def hear(self, datagram: bytes, sender: Sender) -> None:
        """Queue ``datagram`` with the time of its arrival; a host that is not allowed is not even answered."""
        self.counters.received += 1
        if not self._doorkeeper.admits(sender[0]):
            self.counters.forbidden += 1
            return
        now_ns = self._clock.now_ns()
        self._inbox.put(sender, datagram, now_ns)
        self.counters.dropped = self._inbox.dropped
        if self._drain_at is None and self._socket is not None:
            rest_seconds = max(0, self._rested_until_ns - now_ns) / 1e9
            self._drain_at = asyncio.get_running_loop().call_later(min(rest_seconds, REST_SECONDS), self._drain)

    def _drain(self) -> None:
        self._drain_at = None
        self.work_off(self._clock.now_ns())
        self._rested_until_ns = self._clock.now_ns() + round(REST_SECONDS * 1e9)
        if self._inbox and self._socket is not None:
            self._drain_at = asyncio.get_running_loop().call_soon(self._drain)

    def work_off(self, now_ns: int) -> None:
        """Work off one bounded portion of what waits, one step of each sender in turn."""
        for steps, (sender, line) in enumerate(self._inbox.turns(), 1):
            self._step(sender, line)
            if steps >= DRAIN_STEPS or self._clock.now_ns() - now_ns > DRAIN_NS:
                break

    def _step(self, sender: Sender, line: Line) -> None:
        """Read a datagram, or take one message, or make one move."""
        if line.requests:
            self._take(sender, line)
        elif line.waiting and not (line.moves and line.unmade >= MAX_UNMADE):
            datagram, line.stamp_ns = line.waiting.popleft()
            line.unmade += 1
            self._listeners.spoke(sender)
            try:
                line.requests.extend(decode(datagram))
            except ControlError as error:
                self.counters.garbage += 1
                self._refuse(sender, "", str(error))
        else:
            self._make(sender, line)

    def _make(self, sender: Sender, line: Line) -> None:
        path = next(iter(line.moves), None)
        if path is None:
            line.unmade = 0
            return
        command, request, note = line.moves.pop(path)
        if not line.moves:
            line.unmade = 0
        self._apply(sender, command, request, note)

    def _take(self, sender: Sender, line: Line) -> None:
        """Take the next message of ``line``, or make a move that must be made before it."""
        request = line.requests[0]
        try:
            done = self._heed(request, sender, line)
        except (ControlError, ParameterError) as error:
            self.counters.rejected += 1
            self._refuse(sender, request.address, str(error))
            done = True
        if done:
            line.requests.popleft()

    def _heed(self, request: OscRequest, sender: Sender, line: Line) -> bool:
        """Whether ``request`` is done with. What is no plain move waits until the moves before it are made."""
        if request.address in REPLIES:
            self.counters.ignored += 1  # answering an answer would never end
            return True
        meta = self._meta.get(request.address)
        if meta is not None:
            return self._after_moves(sender, line, lambda: meta(request, sender))
        named = paths(request.address, self._tree, self._meta)
        if request.address != ROOT + named[0]:
            single = [OscRequest(ROOT + path, request.arguments, request.time_tag) for path in named]
            line.requests.extend(single)
            line.requests.rotate(len(single))
            line.requests.remove(request)
            return False
        parameter = self._tree[named[0]]
        if not request.arguments and parameter.kind != "trigger":
            value = self._current
            return self._after_moves(
                sender, line, lambda: self._answer(sender, request.address, value()[parameter.path])
            )
        sent, note = _value(request, parameter)
        command = Command(parameter.path, sent, f"osc:{sender[0]}:{sender[1]}", line.stamp_ns)
        if request.time_tag and self._schedule is not None and self._keep(sender, command, request, note):
            return True
        if parameter.kind == "trigger":
            return self._after_moves(sender, line, lambda: self._apply(sender, command, request, note))
        self.counters.superseded += line.moves.pop(parameter.path, None) is not None
        line.moves[parameter.path] = command, request, note
        return True

    def _after_moves(self, sender: Sender, line: Line, act: Callable[[], None]) -> bool:
        """Act if all moves are made, and say so; otherwise make one."""
        if line.moves:
            self._make(sender, line)
            return False
        act()
        return True

    def _keep(self, sender: Sender, command: Command, request: OscRequest, note: str) -> bool:
        """Whether the schedule took it; false when its time has passed, so that it acts now."""
        assert self._schedule is not None
        seconds = unix_seconds(request.time_tag)
        landing = self._schedule(command, seconds, lambda reply: self._reply(sender, reply, request.address, note))
        if landing is None:
            self.counters.late += 1
            return False
        self.counters.scheduled += 1
        self._answer(sender, ROOT + "scheduled", landing.path, float(landing.beat), float(landing.seconds))
        return True

    def _apply(self, sender: Sender, command: Command, request: OscRequest, note: str = "") -> None:
        self._reply(sender, self._submit(command), request.address, note)

    def _reply(self, sender: Sender, reply: CommandReply, address: str, note: str) -> None:
        if not isinstance(reply, Accepted):
            self.counters.rejected += 1
            self._refuse(sender, address, reply.reason)
            return
        path = reply.command.path
        self.counters.accepted += 1
        self.counters.clipped += bool(note)
        self._answer(sender, ROOT + "ok", path, reply.value)
        for remark in (note, reply.note):
            if remark:
                self._answer(sender, ROOT + "note", path, remark[:MAX_REASON])
        if reply.landing is not None:
            self._dispatch(_landing(reply.landing), self._listeners.answer_to(sender))

    # --- addresses that are no parameter -------------------------------------------------------------------------

    def _notify(self, request: OscRequest, sender: Sender) -> None:
        wanted, *rest = request.arguments or (None,)
        if not isinstance(wanted, bool | int | float) or wanted not in (0, 1) or len(rest) > 1:
            raise WrongType(f"{request.address} takes 1 to subscribe or 0 to end it, and a port to be answered at")
        if rest:
            self._listeners.direct(sender, _port(request, rest[0]))
        if not wanted:
            self._listeners.unsubscribe(sender)
            self._answer(sender, ROOT + "notified", 0)
            return
        gone = self._listeners.subscribe(sender)
        if gone is not None:
            self._dispatch(encode(ROOT + "notified", 0), gone)
        self._answer(sender, ROOT + "notified", 1)
        state = self._current()
        for parameter in self._tree.values:
            self._answer(sender, ROOT + parameter.path, state[parameter.path])

    def _report(self, request: OscRequest, sender: Sender) -> None:
        facts: dict[str, Value] = {"revision": self._current().revision, **asdict(self.counters), **self._status()}
        self._answer(sender, ROOT + "status.reply", *(part for fact in facts.items() for part in fact))

    def _sync(self, request: OscRequest, sender: Sender) -> None:
        number = _only(request)
        if (
            isinstance(number, bool)
            or not isinstance(number, int | float)
            or number != number // 1
            or abs(number) > _LONG
        ):
            raise WrongType(f"{request.address} takes one whole number, which comes back")
        self._answer(sender, ROOT + "synced", int(number))

    def _help(self, request: OscRequest, sender: Sender) -> None:
        path = _only(request, "")
        if not isinstance(path, str):
            raise WrongType(f"{request.address} takes the path of a parameter, or nothing for all")
        chosen = [self._tree[path.removeprefix(ROOT)]] if path else self._tree.parameters.values()
        for parameter in chosen:
            self._answer(sender, ROOT + "help.reply", parameter.path, parameter.kind, parameter.allowed, parameter.help)

    # --- datagrams out -------------------------------------------------------------------------------------------

    def _refuse(self, sender: Sender, address: str, reason: str) -> None:
        self._answer(sender, ROOT + "error", address[:MAX_REASON], reason[:MAX_REASON])

    def _answer(self, sender: Sender, address: str, *values: Value) -> None:
        self._dispatch(encode(address, *map(_plain, values)), self._listeners.answer_to(sender))

    def _dispatch(self, datagram: bytes, to: Sender) -> None:
        if self.send is None or not self.send(datagram, to):
            self.counters.unsent += 1


def _landing(landing: Landing) -> bytes:
    return encode(ROOT + "landing", landing.path, float(landing.beat), float(landing.seconds))


def _plain(value: Value) -> Value:
    """``value`` as every program reads it: Pure Data refuses a whole message for the tags T and F."""
    return int(value) if isinstance(value, bool) else value


def _only(request: OscRequest, default: object = None) -> object:
    """The single argument of ``request``, or ``default`` when there is none; ``WrongType`` when there are more."""
    if len(request.arguments) > 1:
        raise WrongType(f"{request.address} takes one value, {len(request.arguments)} were sent; put text in quotes")
    return request.arguments[0] if request.arguments else default


def _value(request: OscRequest, parameter: Parameter) -> tuple[Value, str]:
    """The value that ``request`` sets, and what to tell about it. Numbers beyond the range are clipped to it."""
    if parameter.kind == "str" and len(request.arguments) > 1 and all(isinstance(w, str) for w in request.arguments):
        return parameter.check(" ".join(map(str, request.arguments)))[0], ""  # Max and Pd send every word by itself
    sent = _only(request, True if parameter.kind == "trigger" else None)
    if sent is None and parameter.kind == "trigger":
        sent = True  # nil, as OSCQuery clients send it
    if isinstance(sent, bool) and parameter.kind in ("int", "float"):
        sent = int(sent)
    infinite = isinstance(sent, float) and math.isinf(sent)  # a division by zero somewhere, not a hand
    value, moved = parameter.check(sent, clip=not infinite)
    how = "clipped to" if value in (parameter.low, parameter.high) else "played as"
    return value, f"{how} {value}; allowed is {parameter.allowed}" if moved else ""


def _port(request: OscRequest, sent: object) -> int:
    if isinstance(sent, bool) or not isinstance(sent, int | float) or not 0 < sent < 65536 or sent != int(sent):
        raise WrongType(f"{request.address}: the second value is the port to be answered at, from 1 to 65535")
    return int(sent)
