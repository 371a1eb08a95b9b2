"""ArrivalGrid: finds out whether ticks arrive once a period of a sound server, and how long that period is.

JACK and many drivers deliver the MIDI of a whole period at its end. At 1024 frames ticks then arrive up to 21 ms late,
two at once or none, so a single one says nothing about the tempo, but all of them together do.
"""

from __future__ import annotations

from collections import Counter, deque

import numpy as np

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

_PERIODS_NS = np.array(
    sorted(
        {
            frames * 1e9 / rate
            for rate in (44100, 48000, 88200, 96000)
            for frames in (256, 441, 480, 512, 882, 960, 1024, 2048)
            if frames / rate >= 0.004  # ticks on a finer grid are as good as any
        },
        reverse=True,
    )
)
_ARRIVALS = 97  # four beats of ticks
_LEAST = 16  # arrivals from which a grid is told
_LOOK_EVERY = 4
_LARGEST_SPREAD = 0.05  # of a period: of a gap between two arrivals around a whole number of periods
_LARGEST_DIFFERENCE = 0.004  # of the period that the gaps have from the one that is looked for
_LEAST_REGULAR = 0.95  # share of the gaps; the others are lost ticks


class ArrivalGrid:
    """``add`` every arrival; ``period_ns`` is the period on which they arrive, 0 where they arrive at any time."""

    def __init__(self) -> None:
        self.period_ns = 0.0
        self.arrivals: deque[tuple[int, int]] = deque(maxlen=_ARRIVALS)  # number of the tick, ns
        self._until_look = 0

    def add(self, tick: int, ns: int) -> None:
        """A tick has arrived; ``tick`` is its number as far as is known."""
        self.arrivals.append((tick, ns))
        self._until_look -= 1
        if len(self.arrivals) >= _LEAST and self._until_look <= 0:
            self._until_look = _LOOK_EVERY
            self.period_ns = self._period()

    def clear(self) -> None:
        """Forget all arrivals: after a pause."""
        self.arrivals.clear()
        self.period_ns = 0.0

    def _period(self) -> float:
        gaps = np.diff([ns for _, ns in self.arrivals]).astype(float)
        if self.period_ns and len(_fitting(gaps, np.array([self.period_ns]))) and _in_turn(gaps, self.period_ns):
            return self.period_ns
        return next((float(p) for p in _fitting(gaps, _PERIODS_NS) if _in_turn(gaps, p) and _exact(gaps, p)), 0.0)


def _fitting(gaps: Floats, periods: Floats) -> Floats:
    """Those ``periods`` of which every gap is about a whole number."""
    rest = gaps - np.rint(gaps / periods[:, None]) * periods[:, None]
    fit: Floats = periods[np.sqrt(np.mean(rest**2, axis=1)) <= _LARGEST_SPREAD * periods]
    return fit


def _in_turn(gaps: Floats, period: float) -> bool:
    """Whether these gaps are those of an even tempo seen once a period: m or m + 1 periods, in any order."""
    shortest, counts = _shortest(np.rint(gaps / period))
    return counts[shortest] + counts[shortest + 1] >= _LEAST_REGULAR * len(gaps)


def _exact(gaps: Floats, period: float) -> bool:
    """Whether gaps of m and of m + 1 periods both occur, and are whole numbers of just this period.

    A lost tick makes a gap twice as long, so it is not taken for a grid, whose gaps differ by one period.
    """
    multiples = np.rint(gaps / period)
    shortest, counts = _shortest(multiples)
    difference = abs(float(gaps @ multiples) / float(multiples @ multiples) / period - 1.0)
    return min(counts[shortest], counts[shortest + 1]) > 0 and difference < _LARGEST_DIFFERENCE


def _shortest(multiples: Floats) -> tuple[float, Counter[float]]:
    """The m for which most gaps have m or m + 1 periods, and how many have how many."""
    counts = Counter(multiples.tolist())
    return max(counts, key=lambda m: counts[m] + counts[m + 1]), counts
