"""OscReplies: everything that the OSC server sends: replies to a sender, and notifications to subscribers.

What came in and what was answered is counted here, for /riff/status.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from riffengine.clock import Clock
from riffengine.control.osc.address import ROOT
from riffengine.control.osc.answer_budget import AnswerBudget
from riffengine.control.osc.arguments import wire_value
from riffengine.control.osc.options import is_loopback
from riffengine.control.osc.subscribers import Sender, Subscribers
from riffengine.control.osc.wire import bundles, encode
from riffengine.performance.command import Accepted, Landing, Reply, Value

REPLIES = frozenset(
    ROOT + name
    for name in (
        "error", "ok", "note", "landing", "scheduled", "synced", "notified", "prove", "status.reply", "help.reply",
    )
)  # fmt: skip
"""The addresses of replies. A message that comes in with one of them is ignored: answering it would never end."""

MAX_REASON = 300  # characters of an error message on the wire

Send = Callable[[bytes, Sender], bool]


@dataclass
class OscCounters:
    """What came in: messages unless said otherwise. The names are those of /riff/status."""

    received: int = 0  # datagrams
    accepted: int = 0
    rejected: int = 0
    clipped: int = 0  # of the accepted
    superseded: int = 0  # a newer value for the same address came before this one was applied
    scheduled: int = 0
    late: int = 0  # their time tag had passed
    ignored: int = 0  # replies that were sent back to us, and what we sent to ourselves
    garbage: int = 0  # datagrams that are not OSC
    forbidden: int = 0  # datagrams from hosts that are not allowed
    dropped: int = 0  # datagrams beyond what may wait
    unsent: int = 0  # replies that could not be sent
    withheld: int = 0  # replies beyond what their receiver may be sent


class OscReplies:
    """Encodes replies and sends them to the address at which each sender wants them. The event loop's thread.

    ``send`` is the socket's, ``None`` while there is none; a reply that cannot be sent is counted as ``unsent``, one
    for which ``budget`` has nothing left as ``withheld``. ``is_self`` says whether an address is our own socket, which
    is sent nothing.
    """

    def __init__(self, counters: OscCounters, clock: Clock, budget: AnswerBudget) -> None:
        self.send: Send | None = None
        self.is_self: Callable[[Sender], bool] = lambda address: False
        self.subscribers = Subscribers(is_loopback)
        self.budget, self.clock = budget, clock
        self._counters = counters
        self._notified: dict[str, Value] = {}  # the last value of each path that all subscribers were sent

    def heard(self, sender: Sender, size: int, now_ns: int) -> None:
        """A datagram of ``size`` bytes came from ``sender``."""
        self.budget.received(sender, size, now_ns)
        self.subscribers.mark_active(sender, now_ns)

    def end_silent_subscriptions(self) -> None:
        """End and tell the subscriptions of other hosts from which nothing has come for minutes."""
        for address in self.subscribers.end_silent(self.clock.now_ns()):
            self.send_to(address, encode(ROOT + "notified", 0))

    # --- to one sender -----------------------------------------------------------------------------------------------

    def reply(self, sender: Sender, address: str, *values: Value) -> None:
        """Send ``values`` to ``sender``."""
        self.send_to(self.subscribers.reply_address(sender), encode(address, *map(wire_value, values)))

    def reply_packed(self, sender: Sender, messages: Sequence[bytes]) -> None:
        """Send many ``messages``, in bundles of the size of a packet; a single one as it is."""
        for datagram in messages if len(messages) == 1 else bundles(messages):
            self.send_to(self.subscribers.reply_address(sender), datagram)

    def refuse(self, sender: Sender, address: str, reason: str) -> None:
        """Tell ``sender`` that its message to ``address`` changed nothing, and why."""
        self.reply(sender, ROOT + "error", address[:MAX_REASON], reason[:MAX_REASON])

    def command_reply(self, sender: Sender, reply: Reply, address: str, note: str) -> None:
        """Tell ``sender`` what became of its command to ``address``; ``note`` says that the value was clipped."""
        if not isinstance(reply, Accepted):
            self._counters.rejected += 1
            self.refuse(sender, address, reply.reason)
            return
        path = reply.command.path
        self._counters.accepted += 1
        self._counters.clipped += bool(note)
        self.reply(sender, ROOT + "ok", path, reply.value)
        for text in (note, reply.note):
            if text:
                self.reply(sender, ROOT + "note", path, text[:MAX_REASON])
        if reply.landing is not None:
            self.send_to(self.subscribers.reply_address(sender), _encode_landing(reply.landing))

    # --- to subscribers ----------------------------------------------------------------------------------------------

    def value_changed(self, path: str, value: Value) -> None:
        """Notify every subscriber that ``path`` became ``value``, unless it is what they were sent last."""
        self.end_silent_subscriptions()
        subscribers = tuple(self.subscribers)
        if not subscribers or self._notified.get(path) == value:
            return
        self._notified[path] = value
        datagram = encode(ROOT + path, wire_value(value))
        for subscriber in subscribers:
            self.send_to(subscriber, datagram)

    def subscribe(self, sender: Sender) -> None:
        """Notify ``sender`` of every change from now on; tell the subscriber that loses its place, if one does."""
        dropped = self.subscribers.subscribe(sender, self.clock.now_ns())
        self._notified.clear()  # the new one is sent the present values, which need not be those that were sent last
        if dropped is not None:
            self.send_to(dropped, encode(ROOT + "notified", 0))

    def notice(self, path: str, text: str) -> None:
        """Tell every subscriber ``text`` about ``path``, which nobody asked about."""
        datagram = encode(ROOT + "note", path, text[:MAX_REASON])
        for subscriber in tuple(self.subscribers):
            self.send_to(subscriber, datagram)

    def landing_moved(self, landing: Landing, source: str) -> None:
        """Notify the sender that ``source`` names and every subscriber of the new beat."""
        kind, _, address = source.partition(":")
        host, _, port = address.rpartition(":")
        is_sender = kind == "osc" and host and port.isdecimal()
        asked = {self.subscribers.reply_address((host, int(port)))} if is_sender else set()
        datagram = _encode_landing(landing)
        for listener in asked | set(self.subscribers):
            self.send_to(listener, datagram)

    def send_to(self, address: Sender, datagram: bytes) -> None:
        """Send ``datagram`` as it is."""
        if self.is_self(address):
            self._counters.ignored += 1
        elif not self.budget.admits(address, len(datagram), self.clock.now_ns()):
            self._counters.withheld += 1
        elif self.send is None or not self.send(datagram, address):
            self._counters.unsent += 1


def _encode_landing(landing: Landing) -> bytes:
    return encode(ROOT + "landing", landing.path, float(landing.beat), float(landing.seconds))
