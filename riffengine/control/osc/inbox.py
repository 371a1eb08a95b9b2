"""Inbox: datagrams that wait to be handled, one queue for each sender, one step of each queue in turn.

Pure: no socket, no clock. A sender that floods fills its own queue and no other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from riffengine.control.osc.wire import OscRequest
from riffengine.performance.command import Command

Sender = tuple[str, int]  # host and port

MAX_SENDERS = 64  # whose datagrams wait at the same time
MAX_WAITING = 512  # datagrams of one sender; beyond, the oldest is dropped: the newest value is the one that counts
MAX_UNAPPLIED = 128  # datagrams read before the pending values among them are applied, however many more have come


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


@dataclass(frozen=True)
class PendingCommand:
    """A command that waits to be applied; ``address`` is where it was sent to, ``note`` what its sender is told."""

    command: Command
    address: str
    note: str


@dataclass
class SenderQueue:
    """What one sender has sent and what is not done yet, in the order in which it is handled."""

    datagrams: deque[tuple[bytes, int]] = field(default_factory=lambda: deque(maxlen=MAX_WAITING))  # and arrival in ns
    requests: deque[OscRequest] = field(default_factory=deque)  # of the datagram that is being read
    stamp_ns: int = 0  # when that datagram arrived
    pending: dict[str, PendingCommand] = field(default_factory=dict)  # the newest for each path
    unapplied: int = 0  # datagrams read since all pending commands were applied

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return not (self.datagrams or self.requests or self.pending)


class Inbox:
    """The queues of all senders. ``dropped`` counts datagrams for which there was no room."""

    def __init__(self) -> None:
        self.dropped = 0
        self._queues: dict[Sender, SenderQueue] = {}

    def __bool__(self) -> bool:
        return bool(self._queues)

    def put(self, sender: Sender, datagram: bytes, now_ns: int) -> None:
        """Queue ``datagram``, which came at ``now_ns``."""
        queue = self._queues.get(sender)
        if queue is None:
            if len(self._queues) >= MAX_SENDERS:
                self.dropped += 1
                return
            queue = self._queues[sender] = SenderQueue()
        if len(queue.datagrams) == MAX_WAITING:
            self.dropped += 1
        queue.datagrams.append((datagram, now_ns))

    def turns(self) -> Iterator[tuple[Sender, SenderQueue]]:
        """The senders in turn, again and again, until all queues are done or the caller stops."""
        while self._queues:
            sender = next(iter(self._queues))
            queue = self._queues.pop(sender)
            self._queues[sender] = queue  # moved to the back before its turn: a step may raise
            yield sender, queue
            if queue.done:
                self._queues.pop(sender, None)

    def clear(self) -> None:
        """Drop everything that waits."""
        self._queues.clear()
