"""Columns of a spectrogram as a page shows it: 32 for each beat, 128 mel bands, one byte for a level. Pure.

A column belongs to a beat and not to a time, so the pictures of all loops lie on one grid at every tempo. Bands: HTK
mel from 40 Hz to 12 kHz. 0 is 72 dB below a sine of full scale and less, 255 is that sine; above 250 Hz a band gains
3 dB for each octave, because music has less energy there.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

COLUMNS_PER_BEAT = 32
BANDS = 128
WINDOW = 4096  # frames: 93 ms at 44.1 kHz
RANGE_DB = 72.0
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 12_000.0
_TILT_FROM_HZ, _TILT_DB = 250.0, 3.0
_AT_ONCE = 64  # columns: 1 MB of windows

Columns = NDArray[np.uint8]


def columns_at(mono: NDArray[np.float32], centres: NDArray[np.int64], sample_rate: int) -> Columns:
    """``(columns, 128)`` around the frames ``centres`` of ``mono`` ``(frames,)``; beyond its ends there is silence."""
    padded = np.pad(mono, WINDOW // 2)
    return _levels(padded, centres, sample_rate)


def loop_columns(mono: NDArray[np.float32], beats: int, sample_rate: int) -> Columns:
    """``(32 * beats, 128)`` of a whole loop ``(frames,)``, which is a circle."""
    count = COLUMNS_PER_BEAT * beats
    centres = np.round(np.arange(count) * len(mono) / count).astype(np.int64)
    return _levels(np.resize(np.roll(mono, WINDOW // 2), len(mono) + WINDOW), centres, sample_rate)


def _levels(padded: NDArray[np.float32], starts: NDArray[np.int64], sample_rate: int) -> Columns:
    window, bands, tilt = _analysis(sample_rate)
    found = np.empty((len(starts), BANDS), np.uint8)
    for at in range(0, len(starts), _AT_ONCE):
        places = starts[at : at + _AT_ONCE, None] + np.arange(WINDOW)
        magnitudes = np.abs(np.fft.rfft(padded[places] * window)).astype(np.float32)
        db = 20.0 * np.log10(np.maximum(magnitudes @ bands, 1e-9)) + tilt
        found[at : at + _AT_ONCE] = np.clip(np.round(255.0 * (1.0 + db / RANGE_DB)), 0.0, 255.0)
    return found


@functools.lru_cache(maxsize=4)
def _analysis(sample_rate: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The window, which gives a sine of full scale magnitude 1, the bands ``(bins, 128)``, and dB for each band."""
    window = np.hanning(WINDOW).astype(np.float32)
    window *= 2.0 / window.sum()
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, BANDS + 2) / 2595.0) - 1.0)
    bins = np.fft.rfftfreq(WINDOW, 1.0 / sample_rate)
    least = float(bins[1])  # low bands are narrower than a bin: none is narrower here than one bin to each side
    rising = (bins[:, None] - edges[None, :-2]) / np.maximum(np.diff(edges)[:-1], least)
    falling = (edges[None, 2:] - bins[:, None]) / np.maximum(np.diff(edges)[1:], least)
    bands = np.maximum(0.0, np.minimum(np.minimum(rising, falling), 1.0))
    tilt = np.maximum(0.0, np.log2(edges[1:-1] / _TILT_FROM_HZ)) * _TILT_DB
    bands /= np.maximum(1.0, np.sqrt(bands.sum(axis=0)))  # of noise the energy counts, not the number of bins
    return window, bands.astype(np.float32), tilt.astype(np.float32)
