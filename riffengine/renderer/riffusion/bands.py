"""Bands: one sound as three stems, low, mid and high, which add up to it again. No torch: the engine reads the names.

A spectrogram checkpoint knows no instruments, but a performer wants to hold the bass and dream the rest again. So its
stems are bands: levels, mutes and solos work on them, and what is dreamt again is a part of the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BANDS: tuple[str, ...] = ("low", "mid", "high")
CROSSOVERS_HZ = (250.0, 2500.0)  # kick and bass below, cymbals and breath above
_WIDTH_OCTAVES = 0.5


def split(loop: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """``(channels, frames)`` of a circular loop → ``(bands, frames, channels)``; the bands' sum is the loop.

    Zero phase and circular: a product of spectra with weights that add up to 1, raised cosines half an octave wide.
    """
    frames = loop.shape[-1]
    octaves = np.log2(np.maximum(np.fft.rfftfreq(frames, 1.0 / sample_rate), 1e-3))
    above = [
        0.5 - 0.5 * np.cos(np.pi * np.clip((octaves - np.log2(hz)) / _WIDTH_OCTAVES + 0.5, 0.0, 1.0))
        for hz in CROSSOVERS_HZ
    ]
    weights = np.stack([1.0 - above[0], above[0] - above[1], above[1]])
    parts = np.fft.irfft(np.fft.rfft(loop)[None] * weights[:, None, :], frames)
    return np.ascontiguousarray(parts.transpose(0, 2, 1), dtype=np.float32)
