"""TapTempo and InternalSource: our own tempo, tapped, nudged and ramped."""

from __future__ import annotations

from collections import deque
from statistics import median

from riffengine.transport.sync.source import FASTEST_BPM, SLOWEST_BPM, BeatPosition, fold

_TAPS = 8  # the newest intervals that count
_FORGET_SECONDS = 3.0  # after this pause a tap begins a new series (20 bpm, the slowest that can be tapped)
_OUTLIER_SHARE = 0.25  # of the median interval: an interval further off is an outlier
_TWICE_SECONDS = 0.06  # 1000 bpm: the same tap, bounced
_HELD_SECONDS = 1e-4  # a nudge is over when the grid is this close to its goal
_MINUTE_NS = 60e9


class TapTempo:
    """Computes a tempo from taps. One outlier is left out; two similar ones in a row are a new tempo."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._gaps: deque[int] = deque(maxlen=_TAPS)
        self._outlier: int | None = None

    def tap(self, host_ns: int) -> float | None:
        """A tap at ``host_ns``: the tempo in 60..180 bpm from the third tap on, else ``None``."""
        last, self._last_ns = self._last_ns, host_ns
        if last is None or host_ns - last > _FORGET_SECONDS * 1e9:
            self._gaps.clear()
            self._outlier = None
            return None
        gap = host_ns - last
        if gap < _TWICE_SECONDS * 1e9:
            self._last_ns = last
            return None
        if not self._fits(gap):
            if self._outlier is None:
                self._outlier = gap
                return None
            self._gaps.clear()
            if abs(gap - self._outlier) <= _OUTLIER_SHARE * gap:
                self._gaps.append(self._outlier)
        self._outlier = None
        self._gaps.append(gap)
        if len(self._gaps) < 2:
            return None
        bpm = _MINUTE_NS * len(self._gaps) / sum(self._gaps)
        return bpm * fold(bpm)

    def _fits(self, gap: int) -> bool:
        if not self._gaps:
            return True
        middle = median(self._gaps)
        return abs(gap - middle) <= _OUTLIER_SHARE * middle


class InternalSource:
    """A ``SyncSource`` during a nudge or a ramp; at other times it has no position and the grid runs by itself.

    ``begin`` takes over the beat as it is heard; then ``nudge`` and ``ramp`` change it. One thread.
    """

    def __init__(self) -> None:
        self._at_ns: int | None = None  # where the line below begins
        self._beat = 0.0
        self._bpm = 120.0
        self._goal_bpm = 120.0
        self._ramp_beats = 0.0
        self._epoch = 0

    @property
    def active(self) -> bool:
        """Whether there is something to follow."""
        return self._at_ns is not None

    @property
    def goal_bpm(self) -> float:
        """The tempo at which a ramp ends, bpm."""
        return self._goal_bpm

    def begin(self, host_ns: int, beat: float, bpm: float) -> None:
        """Start at ``host_ns``, when ``beat`` is heard at ``bpm``."""
        self._at_ns, self._beat, self._bpm = host_ns, beat, bpm
        self._goal_bpm, self._ramp_beats = bpm, 0.0

    def nudge(self, seconds: float) -> None:
        """Shift the beat forward by ``seconds`` (back when negative)."""
        self._beat += seconds * self._bpm / 60.0

    def ramp(self, host_ns: int, goal_bpm: float, beats: float) -> None:
        """Reach ``goal_bpm`` within ``beats`` beats from ``host_ns`` on. ``ValueError`` outside 60..180 bpm."""
        if not SLOWEST_BPM <= goal_bpm <= FASTEST_BPM:
            raise ValueError(f"{goal_bpm} bpm: a ramp ends between {SLOWEST_BPM:g} and {FASTEST_BPM:g} bpm")
        now = self.position(host_ns)
        if now is None:
            raise ValueError("a ramp needs a beat to begin from; call begin first")
        self._at_ns, self._beat, self._bpm = host_ns, now.beat, now.bpm
        self._goal_bpm, self._ramp_beats = goal_bpm, max(0.0, beats)

    def ramps(self, host_ns: int) -> bool:
        """Whether a ramp runs at ``host_ns``."""
        return self._at_ns is not None and self._goal_bpm != self._bpm and host_ns < self._at_ns + self._ramp_ns()

    def arrived(self, host_ns: int, error_seconds: float) -> bool:
        """Whether the grid has reached its goal, so that it may run by itself again."""
        return self.active and not self.ramps(host_ns) and abs(error_seconds) < _HELD_SECONDS

    def end(self) -> None:
        """Stop: there is nothing to follow any more."""
        self._at_ns = None

    def position(self, host_ns: int) -> BeatPosition | None:
        """Beat and tempo at ``host_ns``; the tempo of a ramp moves evenly in time."""
        if self._at_ns is None:
            return None
        passed, whole = float(host_ns - self._at_ns), self._ramp_ns()
        ramped = min(max(passed, 0.0), whole)
        bpm = self._goal_bpm if passed >= whole else self._bpm + (self._goal_bpm - self._bpm) * ramped / whole
        beats = (self._bpm + bpm) / 2 * ramped + bpm * (passed - ramped)
        return BeatPosition(self._beat + beats / _MINUTE_NS, bpm, epoch=self._epoch)

    def _ramp_ns(self) -> float:
        return self._ramp_beats * _MINUTE_NS / ((self._bpm + self._goal_bpm) / 2)
