"""Wavetables: one period of a wave, band-limited for every half octave, so that no note aliases."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tools.train.studio.kernels import RATE

SIZE = 4096
_LOWEST_HZ = 20.0
_LEVELS = 20  # half octaves above the lowest


def _harmonics(wave: str) -> NDArray[np.complex128]:
    """Amplitudes (imaginary: sines) of the harmonics from 0 to ``SIZE / 2`` of a named wave."""
    n = np.arange(1, SIZE // 2 + 1)
    odd = n % 2 == 1
    if wave == "sine":
        levels = (n == 1) * 1.0
    elif wave == "saw":
        levels = 1.0 / n
    elif wave == "square":
        levels = odd * 1.2 / n
    elif wave == "triangle":
        levels = odd * (-1.0) ** (n // 2) / n**2
    elif wave.startswith("pulse"):  # pulse25: a quarter of the period is high
        levels = 1.3 * np.sin(np.pi * n * int(wave[5:]) / 100.0) / n
    elif wave.startswith("organ"):  # organ888000000: drawbars 16' 5 1/3' 8' 4' 2 2/3' 2' 1 3/5' 1 1/3' 1'
        levels = np.zeros(len(n))
        for drawbar, partial in zip(wave[5:], (1, 3, 2, 4, 6, 8, 10, 12, 16), strict=True):
            levels[partial - 1] += int(drawbar) / 12.0
    elif wave.startswith("random"):  # random7: a smooth digital spectrum, another for each number
        rng = np.random.default_rng(int(wave[6:]))
        levels = rng.uniform(0.0, 1.0, len(n)) ** 2 / n ** rng.uniform(0.7, 1.2)
        levels[0] = 0.7
    elif wave.startswith("vowel"):  # vowela: a voice-like spectrum with the formants of a vowel over 220 Hz
        hz = 220.0 * n
        levels = (
            sum(height / (1.0 + ((hz - centre) / width) ** 2) for centre, width, height in _VOWELS[wave[5:]]) + 0.15 / n
        )
        levels = levels / n**0.35
    else:
        raise ValueError(f"no wave {wave!r}")
    return np.concatenate(([0.0], -1j * levels))


_VOWELS = {
    "a": ((750.0, 130.0, 1.0), (1150.0, 150.0, 0.7), (2600.0, 300.0, 0.25)),
    "o": ((450.0, 110.0, 1.0), (850.0, 130.0, 0.5), (2500.0, 300.0, 0.12)),
    "u": ((330.0, 100.0, 1.0), (750.0, 130.0, 0.25), (2300.0, 300.0, 0.07)),
    "e": ((520.0, 110.0, 1.0), (1850.0, 200.0, 0.45), (2550.0, 300.0, 0.25)),
}


@lru_cache(maxsize=24)
def _levels(wave: str) -> NDArray[np.float32]:
    spectrum = _harmonics(wave)
    tables = np.empty((_LEVELS, SIZE + 1), np.float32)
    for level in range(_LEVELS):
        highest = int(0.46 * RATE / (_LOWEST_HZ * 2.0 ** ((level + 1) / 2.0)))
        kept = spectrum.copy()
        kept[max(highest, 1) + 1 :] = 0.0
        table = np.fft.irfft(kept, SIZE) * SIZE / 2.0
        tables[level, :SIZE] = table
    scale = np.sqrt(np.mean(tables[4, :SIZE] ** 2)) * 2.0
    tables /= scale
    tables[:, SIZE] = tables[:, 0]
    tables.flags.writeable = False
    return tables


def table(wave: str, hz: float) -> NDArray[np.float32]:
    """The table ``(SIZE + 1,)`` of ``wave`` for notes up to ``hz``; its RMS is about .5."""
    level = int(np.ceil(2.0 * np.log2(max(hz, _LOWEST_HZ) / _LOWEST_HZ))) - 1
    return _levels(wave)[min(max(level, 0), _LEVELS - 1)]
