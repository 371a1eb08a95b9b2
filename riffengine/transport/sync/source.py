"""SyncSource: the protocol of what sets tempo and beat: where is the beat at a given host time?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

SLOWEST_BPM = 60.0
FASTEST_BPM = 180.0
"""The tempo range in which a loop sounds right; ``transport/tempo`` has the same."""

SLOWEST_HEARD_BPM, FASTEST_HEARD_BPM = 20.0, 999.0
"""The tempi that others may set, those of Ableton Link: they are doubled or halved into the range above."""


@dataclass(frozen=True)
class BeatPosition:
    """Beat and tempo of a source at one instant, in its own beats.

    ``phase_beats``: positions that differ by a multiple of this are the same to the source; ``inf`` when it knows the
    position in the song, 0 when it knows the tempo only. ``epoch`` grows whenever the position jumps. ``steady`` is
    false while the tempo is a first estimate.
    """

    beat: float
    bpm: float
    playing: bool = True
    phase_beats: float = math.inf
    epoch: int = 0
    steady: bool = True


class SyncSource(Protocol):
    """A source of tempo and beat. The follower treats pure sources and adapters alike."""

    def position(self, host_ns: int) -> BeatPosition | None:
        """Beat and tempo at ``host_ns`` of the monotonic clock; ``None`` when there is nothing to follow."""


def fold(bpm: float, present: float = 1.0) -> float:
    """The power of two by which ``bpm`` must be multiplied to lie in 60..180 bpm.

    ``present``, the factor in use, is kept while it still fits: the range spans more than an octave, so a tempo that
    varies around an edge does not flip. Raises ``ValueError`` for a tempo that is not positive and finite.
    """
    if not 0.0 < bpm < math.inf:
        raise ValueError(f"{bpm} bpm is not a tempo; it must be positive")
    if SLOWEST_BPM <= bpm * present <= FASTEST_BPM:
        return present
    return octaves_into(bpm, SLOWEST_BPM, FASTEST_BPM)


def octaves_into(value: float, low: float, high: float) -> float:
    """The power of two that takes ``value`` into ``low`` to ``high``, which are an octave apart or more."""
    factor = 1.0
    while value * factor < low:
        factor *= 2.0
    while value * factor > high:
        factor /= 2.0
    return factor
