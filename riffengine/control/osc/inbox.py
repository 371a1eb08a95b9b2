"""Inbox: the datagrams that wait to be handled, in a queue for each sender. Pure.

A sender that floods fills its own queue and no other. However many strangers there are, who was there before them keeps
a place; where strangers compete for a place, the sender of least gets it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from riffengine.control.osc.subscribers import Sender
from riffengine.control.osc.wire import OscRequest
from riffengine.performance.command import Command

MAX_SENDERS = 64  # whose datagrams wait at the same time, beside those who have a place
MAX_WAITING = 512  # datagrams of one sender; beyond, the oldest is dropped: the newest value is the one that counts
MAX_PLACES = 16  # for senders who were there first
PLACES_PER_HOST = 8  # so that other hosts find some left
PLACE_SECONDS = 600.0  # of silence, after which somebody else may have the place
MAX_COUNTED = 4096  # senders whose datagrams are counted within a second
MAX_LOOKED = 1500  # times in a second that room for a new queue is looked for; it takes some microseconds
_SECOND_NS = 1_000_000_000


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
    held: bool = False  # its next command waits for a file, and everything after it for the command

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return not (self.datagrams or self.requests or self.pending)


class Inbox:
    """The queues of all senders. ``dropped`` counts datagrams for which there was no room."""

    def __init__(self) -> None:
        self.dropped = 0
        self._queues: dict[Sender, SenderQueue] = {}
        self._held: dict[Sender, SenderQueue] = {}  # no longer than a file may take
        self._of_host: Counter[str] = Counter()  # queues
        self.places = Places()
        self._rates = SendingRates()

    def __bool__(self) -> bool:
        return bool(self._queues)

    def put(self, sender: Sender, datagram: bytes, now_ns: int) -> bool:
        """Queue ``datagram``, which came at ``now_ns``; whether ``sender`` keeps a place."""
        has_place = self.places.keep(sender, now_ns)
        sent = self._rates.count(sender, now_ns)
        queue = self._queues.get(sender) or self._held.get(sender)
        if queue is None:
            if not has_place and not self._has_room(sender[0], sent):
                self.dropped += 1
                return False
            queue = self._queues[sender] = SenderQueue()
            self._of_host[sender[0]] += 1
        if len(queue.datagrams) == MAX_WAITING:
            self.dropped += 1
        queue.datagrams.append((datagram, now_ns))
        return has_place

    def turns(self) -> Iterator[tuple[Sender, SenderQueue]]:
        """The senders in turn, again and again, until all queues are done or held, or the caller stops."""
        while self._queues:
            sender = next(iter(self._queues))
            queue = self._queues.pop(sender)
            if queue.held:  # in its last turn, after which the caller stopped
                self._held[sender] = queue
                continue
            self._queues[sender] = queue  # moved to the back before its turn: a step may raise
            yield sender, queue
            if queue.held:
                self._held[sender] = queue
                self._queues.pop(sender, None)
            elif queue.done:
                self._remove(sender)

    def release(self, sender: Sender) -> None:
        """Let a queue that was held go on."""
        queue = self._held.pop(sender, None) or self._queues.get(sender)
        if queue is not None:
            queue.held = False
            self._queues[sender] = queue

    def clear(self) -> None:
        """Drop everything that waits."""
        self._queues.clear()
        self._held.clear()
        self._of_host.clear()

    def _remove(self, sender: Sender) -> SenderQueue | None:
        queue = self._queues.pop(sender, None)
        if queue is not None:
            self._of_host[sender[0]] -= 1
            if not self._of_host[sender[0]]:
                del self._of_host[sender[0]]
        return queue

    def _has_room(self, host: str, sent: int) -> bool:
        """Whether a stranger at ``host`` that sent ``sent`` datagrams lately gets a queue, in another's place or not.

        A queue of the host that has the most gives way, of those the one of the sender that sends most.
        """
        if len(self._queues) < MAX_SENDERS:
            return True
        share = self._of_host[host] / len(self._queues)
        if not self._rates.may_look(sent, share):
            return False
        strangers = Counter(sender[0] for sender in self._queues if sender not in self.places)
        if strangers.total() < MAX_SENDERS:
            return True
        loudest_host, most = strangers.most_common(1)[0]
        if strangers[host] == most:
            loudest_host = host
        elif strangers[host] + 1 >= most:
            return False
        rivals = [sender for sender in self._queues if sender[0] == loudest_host and sender not in self.places]
        loudest = max(rivals, key=self._rates.of)
        if loudest_host == host and self._rates.of(loudest) <= sent:
            return False
        displaced = self._remove(loudest)
        self.dropped += len(displaced.datagrams) if displaced is not None else 0
        return True


class Places:
    """Who has a place that no number of strangers takes: the first senders, for as long as they go on to send."""

    def __init__(self) -> None:
        self._heard_ns: dict[Sender, int] = {}  # the longest silent first

    def __contains__(self, sender: object) -> bool:
        return sender in self._heard_ns

    def keep(self, sender: Sender, now_ns: int) -> bool:
        """Note that ``sender`` has sent something at ``now_ns``; whether it has a place."""
        if self._heard_ns.pop(sender, None) is None and not self._is_free(sender[0], now_ns):
            return False
        self._heard_ns[sender] = now_ns
        return True

    def _is_free(self, host: str, now_ns: int) -> bool:
        if len(self._heard_ns) >= MAX_PLACES:
            silent = next(iter(self._heard_ns))
            if now_ns - self._heard_ns[silent] < PLACE_SECONDS * 1e9:
                return False
            del self._heard_ns[silent]
        return sum(known == host for known, _ in self._heard_ns) < PLACES_PER_HOST


class SendingRates:
    """How many datagrams each sender has sent in this second or in the one before."""

    def __init__(self) -> None:
        self._now: Counter[Sender] = Counter()
        self._before: Counter[Sender] = Counter()
        self._counted = 0  # in this second
        self._mean_before = 0.0
        self._until_ns = 0
        self._looked: Counter[str] = Counter()

    def count(self, sender: Sender, now_ns: int) -> int:
        """Count a datagram of ``sender``; returns how many there were."""
        if now_ns >= self._until_ns:
            recent = now_ns < self._until_ns + _SECOND_NS
            self._mean_before = self._counted / len(self._now) if recent and self._now else 0.0
            self._before = self._now if recent else Counter()
            self._now, self._counted, self._looked = Counter(), 0, Counter()
            self._until_ns = now_ns + _SECOND_NS
        if sender in self._now or len(self._now) < MAX_COUNTED:
            self._now[sender] += 1
            self._counted += 1
        return self.of(sender)

    def of(self, sender: Sender) -> int:
        """How many datagrams ``sender`` has sent lately."""
        return max(self._now[sender], self._before[sender])

    def may_look(self, sent: int, share: float) -> bool:
        """Whether there is time to look for a queue that gives way to a sender of ``sent`` datagrams.

        ``share`` is the part of the queues that its host has. Who sends little, and whose host has little, is looked
        for in time of its own, which a flood from one host does not use up.
        """
        mean = max(self._mean_before, self._counted / max(1, len(self._now)))
        kind = "host" if share < 0.25 else "quiet" if 2 * sent <= mean else "noisy"
        if self._looked[kind] >= MAX_LOOKED:
            return False
        self._looked[kind] += 1
        return True
