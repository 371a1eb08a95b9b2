"""OscReplies: everything that the OSC server sends: replies to a sender, and notifications to subscribers.

What came in and what was answered is counted here, for /riff/status.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from riffengine.control.osc.address import ROOT
from riffengine.control.osc.arguments import wire_value
from riffengine.control.osc.subscribers import Sender, Subscribers
from riffengine.control.osc.wire import encode
from riffengine.performance.command import Accepted, Landing, Reply, Value

REPLIES = frozenset(
    ROOT + name
    for name in ("error", "ok", "note", "landing", "scheduled", "synced", "notified", "status.reply", "help.reply")
)
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
    ignored: int = 0  # replies that were sent back to us
    garbage: int = 0  # datagrams that are not OSC
    forbidden: int = 0  # datagrams from hosts that are not allowed
    dropped: int = 0  # datagrams beyond what may wait
    unsent: int = 0  # replies that could not be sent


class OscReplies:
    """Encodes replies and sends them to the address at which each sender wants them. The event loop's thread.

    ``send`` is the socket's, ``None`` while there is none; a reply that cannot be sent is counted as ``unsent``.
    """

    def __init__(self, counters: OscCounters) -> None:
        self.send: Send | None = None
        self.subscribers = Subscribers()
        self._counters = counters

    # --- to one sender -----------------------------------------------------------------------------------------------

    def reply(self, sender: Sender, address: str, *values: Value) -> None:
        """Send ``values`` to ``sender``."""
        self.send_to(self.subscribers.reply_address(sender), encode(address, *map(wire_value, values)))

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
        """Notify every subscriber that ``path`` became ``value``."""
        if subscribers := tuple(self.subscribers):
            datagram = encode(ROOT + path, wire_value(value))
            for subscriber in subscribers:
                self.send_to(subscriber, datagram)

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
        if self.send is None or not self.send(datagram, address):
            self._counters.unsent += 1


def _encode_landing(landing: Landing) -> bytes:
    return encode(ROOT + "landing", landing.path, float(landing.beat), float(landing.seconds))
