"""DawLeader: the DAW whose track we play on, as a leader of tempo and beat.

Unlike other leaders it is not followed by decisions of the engine: the player has placed the music already, and reports
on which grid. What is left to the engine is to know that grid, and to render loops at the host's tempo.
"""

from __future__ import annotations

from collections.abc import Callable

from riffengine.errors import ControlError
from riffengine.output.registry import DAW
from riffengine.processes.player_messages import FollowHost, HostTimeline, ToHost
from riffengine.transport.sync.source import BeatPosition


class DawLeader:
    """A ``Leader`` for ``TempoSync``. ``send`` passes a message to the player; ``bpm`` is our present tempo."""

    name, problem = "DAW", ""

    def __init__(self, bpm: float, send: Callable[[ToHost], None]) -> None:
        self.timeline: HostTimeline | None = None
        self.told: HostTimeline | None = None  # the one before it that was acted on
        self._send = send
        self._send(FollowHost(True, bpm))

    def position(self, host_ns: int) -> BeatPosition | None:
        """Nothing is to be decided here: the player has placed the music."""
        return None

    def align(self, beat: float, host_ns: int) -> None:
        """The host's beat is what it is."""

    def propose(self, bpm: float) -> bool:
        """A host without a tempo of its own takes ours; one that has one sets it."""
        if self.timeline is not None and self.timeline.known:
            return False
        self._send(FollowHost(True, bpm))
        return True

    def close(self) -> None:
        """The engine's own grid rules again."""
        self._send(FollowHost(False, 120.0 if self.timeline is None else self.timeline.grid.bpm))


def daw_leader(output: str, send: Callable[[ToHost], None]) -> Callable[[float], DawLeader]:
    """How to open the leader; ``ControlError`` where the output is another."""

    def opened(bpm: float) -> DawLeader:
        if output != DAW:
            raise ControlError(
                f"transport/sync daw needs --output daw, and the output is {output}; start again with it"
            )
        return DawLeader(bpm, send)

    return opened
