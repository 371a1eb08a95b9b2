"""Bands: one sound as three stems, low, mid and high, which add up to it again. No torch: the engine reads the names.

A spectrogram checkpoint knows no instruments, but a performer wants to hold the bass and dream the rest again. So its
stems are bands: levels, mutes and solos work on them, and what is dreamt again is a part of the picture.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BANDS: tuple[str, ...] = ("low", "mid", "high")
CROSSOVERS_HZ = (250.0, 2500.0)  # kick and bass below, cymbals and breath above
_WIDTH_OCTAVES = 0.5


@lru_cache(maxsize=8)
def band_weights(frames: int, sample_rate: int) -> NDArray[np.float32]:
    """Weights ``(bands, frames // 2 + 1)`` for the real FFT of a circular loop of ``frames``. Read only.

    They add up to 1, so the bands add up to the loop; raised cosines half an octave wide, and no phase.
    """
    octaves = np.log2(np.maximum(np.fft.rfftfreq(frames, 1.0 / sample_rate), 1e-3))
    above = [
        0.5 - 0.5 * np.cos(np.pi * np.clip((octaves - np.log2(hz)) / _WIDTH_OCTAVES + 0.5, 0.0, 1.0))
        for hz in CROSSOVERS_HZ
    ]
    weights = np.stack([1.0 - above[0], above[0] - above[1], above[1]]).astype(np.float32)
    weights.flags.writeable = False
    return weights
