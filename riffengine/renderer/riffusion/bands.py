"""Bands: splits a loop into three stems (low, mid, high) that add up to it. No torch: the engine reads the names.

A spectrogram checkpoint does not know instruments, but a performer wants to keep the bass and generate the rest again.
So its stems are frequency bands: levels, mutes and solos apply to them, and a retake changes a part of the picture.
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

    They add up to 1, so the bands add up to the loop. Crossovers are raised cosines half an octave wide, zero phase.
    """
    octaves = np.log2(np.maximum(np.fft.rfftfreq(frames, 1.0 / sample_rate), 1e-3))
    above_crossover = [
        0.5 - 0.5 * np.cos(np.pi * np.clip((octaves - np.log2(hz)) / _WIDTH_OCTAVES + 0.5, 0.0, 1.0))
        for hz in CROSSOVERS_HZ
    ]
    weights = np.stack([1.0 - above_crossover[0], above_crossover[0] - above_crossover[1], above_crossover[1]]).astype(
        np.float32
    )
    weights.flags.writeable = False
    return weights
