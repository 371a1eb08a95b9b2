"""LinkLeader: Ableton Link, through the optional extra ``riffengine[link]``.

The extra is GPL, so it is loaded only when ``transport/sync`` asks for it.

Source: Ableton Link's documentation of SessionState; tempo, beat, phase and start/stop are read for a host time.
"""

from __future__ import annotations

from typing import Any

from riffengine.clock import Clock
from riffengine.errors import ControlError
from riffengine.transport.sync.source import FASTEST_HEARD_BPM, SLOWEST_HEARD_BPM, BeatPosition

QUANTUM_BEATS = 4.0


class LinkLeader:
    """A ``Leader`` for ``TempoSync``: the Link session of the local network. One thread.

    Joining adopts the session's tempo and beat and changes neither; ``bpm`` is used only while there is no other peer.
    ``start_stop`` shares the transport's state with peers that opted in too. Without peers the session is ours alone,
    and its beat runs on. ``ControlError`` when the extra is not installed.
    """

    name, problem = "Link session", ""

    def __init__(self, bpm: float, clock: Clock, start_stop: bool = False) -> None:
        self._clock = clock
        self._link: Any = _library().Link(bpm)
        self._start_stop = start_stop
        self._link.startStopSyncEnabled = start_stop
        self._link.enabled = True

    @property
    def peers(self) -> int:
        """How many others are in the session."""
        return int(self._link.numPeers())

    def position(self, host_ns: int) -> BeatPosition | None:
        """Where the session will be at ``host_ns``."""
        state = self._link.captureSessionState()
        micros = self._micros(host_ns)
        return BeatPosition(
            beat=float(state.beatAtTime(micros, QUANTUM_BEATS)),
            bpm=float(state.tempo()),
            playing=bool(state.isPlaying()) if self._start_stop else True,
            phase_beats=QUANTUM_BEATS,
        )

    def align(self, beat: float, host_ns: int) -> None:
        """Without peers, set the session's beat to ``beat`` at ``host_ns``, so that joining it is not heard.

        In a session with peers this is only a request, and the session keeps its beat.
        """
        state = self._link.captureSessionState()
        state.requestBeatAtTime(beat, self._micros(host_ns), QUANTUM_BEATS)
        self._link.commitSessionState(state)

    def propose(self, bpm: float) -> bool:
        """Set the session's tempo, for all peers."""
        state = self._link.captureSessionState()
        state.setTempo(min(max(bpm, SLOWEST_HEARD_BPM), FASTEST_HEARD_BPM), self._link.clock().micros())
        self._link.commitSessionState(state)
        return True

    def close(self) -> None:
        """Leave the session."""
        self._link.enabled = False

    def _micros(self, host_ns: int) -> int:
        # On Linux Link counts CLOCK_MONOTONIC_RAW, which NTP does not adjust: both clocks are read side by side.
        return int(self._link.clock().micros()) + (host_ns - self._clock.now_ns()) // 1000


def _library() -> Any:
    try:
        import link
    except ImportError as error:
        raise ControlError(
            f"Ableton Link is not installed ({error}); it is GPL and optional: pip install 'riffengine[link]'"
        ) from error
    if not hasattr(link, "Link"):
        raise ControlError(
            "the installed Python package called link is a different one; pip install 'riffengine[link]'"
        )
    return link
