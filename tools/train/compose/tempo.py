"""Tempi whose loops have a length that the FFT likes: any other costs two to five times as much."""

from __future__ import annotations

import bisect
from functools import lru_cache

SAMPLE_RATE = 44100
BEATS = 8
BLOCK = 64  # FluidSynth computes in blocks of 64 frames: a loop of whole blocks needs no stretching afterwards


def loop_frames(bpm: float) -> int:
    """The exact length of a loop at 44.1 kHz."""
    return round(BEATS * 60.0 / bpm * SAMPLE_RATE)


@lru_cache(maxsize=1)
def smooth_lengths() -> tuple[int, ...]:
    """Whole blocks, with no prime factor above 7, from 50 to 200 bpm, ascending."""
    longest = loop_frames(50.0) // BLOCK
    return tuple(BLOCK * count for count in range(loop_frames(200.0) // BLOCK, longest + 1) if _smooth(count))


def smooth_tempo(bpm: float) -> float:
    """The tempo nearest to ``bpm`` (within 2 %) whose loop length is one of ``smooth_lengths``."""
    lengths = smooth_lengths()
    wanted = loop_frames(bpm)
    at = bisect.bisect_left(lengths, wanted)
    nearest = min(lengths[max(at - 1, 0) : at + 1], key=lambda length: abs(length - wanted))
    return BEATS * 60.0 * SAMPLE_RATE / nearest


def _smooth(number: int) -> bool:
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1
