"""Inbox: datagrams that wait to be worked off, a line for each sender, one step of each line in turn.

Pure: no socket, no clock. A sender that floods fills its own line and nobody else's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from riffengine.control.osc.wire import OscRequest
from riffengine.performance.command import Command

Sender = tuple[str, int]

MAX_SENDERS = 64  # whose datagrams wait at the same time
MAX_WAITING = 512  # datagrams of one sender; beyond, the oldest is dropped: the newest move is the one that counts
MAX_UNMADE = 128  # datagrams read before the moves among them are made, however many more have come


@dataclass
class Line:
    """What one sender has said and what is not done yet, in the order in which it is worked off."""

    waiting: deque[tuple[bytes, int]] = field(default_factory=lambda: deque(maxlen=MAX_WAITING))  # with arrival in ns
    requests: deque[OscRequest] = field(default_factory=deque)  # of the datagram that is being read
    stamp_ns: int = 0  # when that datagram arrived
    moves: dict[str, tuple[Command, OscRequest, str]] = field(
        default_factory=dict
    )  # by path, the newest, with its note
    unmade: int = 0  # datagrams read since a move was last made

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return not (self.waiting or self.requests or self.moves)


class Inbox:
    """The lines of all senders. ``dropped`` counts datagrams that found no room."""

    def __init__(self) -> None:
        self.dropped = 0
        self._lines: dict[Sender, Line] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def put(self, sender: Sender, datagram: bytes, now_ns: int) -> None:
        """Queue ``datagram``, which came at ``now_ns``."""
        line = self._lines.get(sender)
        if line is None:
            if len(self._lines) >= MAX_SENDERS:
                self.dropped += 1
                return
            line = self._lines[sender] = Line()
        if len(line.waiting) == MAX_WAITING:
            self.dropped += 1
        line.waiting.append((datagram, now_ns))

    def turns(self) -> Iterator[tuple[Sender, Line]]:
        """Whose turn it is, again and again, until all lines are done or the caller stops."""
        while self._lines:
            sender = next(iter(self._lines))
            line = self._lines.pop(sender)
            self._lines[sender] = line  # to the back of the queue before its turn: a step may raise
            yield sender, line
            if line.done:
                self._lines.pop(sender, None)

    def clear(self) -> None:
        """Forget everything that waits."""
        self._lines.clear()
