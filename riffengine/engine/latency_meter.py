"""LatencyMeter: follows every gesture from its arrival to the frame on which it is heard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from riffengine.engine.stream_clock import StreamClock
from riffengine.performance.command import Accepted, Reply
from riffengine.performance.latency import GestureLatencies, GestureLatency, LatencyCsv
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.processes.player_messages import Audible, BankLanded
from riffengine.scheduler.conductor import Conductor


class LatencyMeter:
    """Knob-to-ear on the player's clock, and on disk where ``csv`` is given. The event loop's thread."""

    def __init__(self, tree: ParameterTree, conductor: Conductor, clock: StreamClock, csv: LatencyCsv | None) -> None:
        self.gestures = GestureLatencies(tree)
        self._conductor, self._clock = conductor, clock
        self._csv = csv

    def replied(self, reply: Reply, before: Mapping[str, int]) -> None:
        """Remember a change that must be rendered until it lands; ``before`` are the decks' serials before it."""
        command = reply.command
        changed = {deck: n for deck, n in self._conductor.serials().items() if n != before[deck]}
        if not isinstance(reply, Accepted) or not changed:
            return
        if reply.landing is not None and reply.landing.seconds > 0:
            self.gestures.asked(command.path, command.stamp_ns, changed)
        else:  # the control came back to what sounds
            for deck in changed:
                self.gestures.dropped(deck)

    def audible(self, message: Audible) -> None:
        """The player sounds a stamped gesture."""
        self._heard([self.gestures.audible(str(message.target), message.stamp_ns, self._clock.heard_ns(message.frame))])

    def landed(self, message: BankLanded) -> None:
        """A bank sounds, and with it the gestures it was launched for."""
        self._heard(self.gestures.landed(message.deck, message.bank, self._clock.heard_ns(message.frame)))

    def close(self) -> None:
        """Finish the file."""
        if self._csv is not None:
            self._csv.close()

    def _heard(self, gestures: Iterable[GestureLatency]) -> None:
        if self._csv is not None:
            for heard in gestures:
                self._csv.write(heard)
