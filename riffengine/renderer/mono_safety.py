"""Mono safety: narrows the octaves of a mix whose side is so strong that the sum of both channels would lose them.

Only the level of the side changes, by one smooth gain over frequency for all stems, so the mono sum stays the same.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

MOST_SIDE_DB = -6.8
"""The strongest side against the mid in half an octave: the mono sum then loses 0.8 dB there."""

_HALF_OCTAVES = 22.0 * 2.0 ** np.arange(0.0, 10.1, 0.5)  # an octave anywhere is then safe as well
_TOLERANCE_DB = 0.5
_ROUNDS = 4  # a smooth gain does not reach the bottom of a narrow dip at once
_LEAST_SHARE = 1e-4  # of the energy: a band below it is not heard as a loss

Spectrum = NDArray[np.complex64] | NDArray[np.complex128]
Gain = NDArray[np.float32]


def mono_safe(stems: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """The stems ``(stems, frames, 2)`` of a loop with a side that is safe in mono; ``stems`` itself where it is."""
    mix = stems.sum(axis=0)
    frames = len(mix)
    hz = np.fft.rfftfreq(frames, 1.0 / sample_rate)
    mid, side = np.fft.rfft(mix[:, 0] + mix[:, 1]), np.fft.rfft(mix[:, 0] - mix[:, 1])
    whole: Gain | None = None
    for _ in range(_ROUNDS):
        gain = safe_side_gain(mid, side, hz)
        if gain is None:
            break
        side = side * gain
        whole = gain if whole is None else whole * gain
    if whole is None:
        return stems
    middle, sides = 0.5 * (stems[..., 0] + stems[..., 1]), 0.5 * (stems[..., 0] - stems[..., 1])
    sides = np.fft.irfft(np.fft.rfft(sides) * whole, n=frames).astype(np.float32)
    return np.stack((middle + sides, middle - sides), axis=2)


def safe_side_gain(mid: Spectrum, side: Spectrum, hz: NDArray[np.floating]) -> Gain | None:
    """The gain of the side ``(bins,)`` that makes a mix safe; ``None`` where it is safe already."""
    in_mid, in_side = (half_octaves(np.abs(part).astype(np.float64) ** 2, hz) for part in (mid, side))
    ratio = 10.0 * np.log10(in_side / in_mid)
    heard = (in_mid + in_side) > _LEAST_SHARE * (in_mid + in_side).sum()
    if not np.any(ratio[heard] > MOST_SIDE_DB + _TOLERANCE_DB):
        return None
    return smooth_gain(np.minimum(MOST_SIDE_DB - ratio, 0.0), hz)


def half_octaves(power: NDArray[np.float64], hz: NDArray[np.floating]) -> NDArray[np.float64]:
    """The energy in each half octave from 22 Hz up, never 0."""
    cuts = np.searchsorted(hz, _HALF_OCTAVES)
    return np.array([power[a:b].sum() for a, b in itertools.pairwise(cuts)]) + 1e-20


def smooth_gain(changes_db: NDArray[np.float64], hz: NDArray[np.floating]) -> Gain:
    """A smooth gain through changes of the half octaves; between two of them it is nearer to the lower."""
    lower = np.minimum(np.minimum(changes_db, np.roll(changes_db, 1)), np.roll(changes_db, -1))
    centres = np.log2(np.sqrt(_HALF_OCTAVES[:-1] * _HALF_OCTAVES[1:]))
    curve = np.interp(np.log2(np.maximum(hz, 1.0)), centres, 0.6 * lower + 0.4 * changes_db)
    return np.asarray(10.0 ** (curve / 20.0), np.float32)
