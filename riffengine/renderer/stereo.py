"""Stereo: widens a mono stem without changing its mono sum.

The stem stays as the mid signal, and a filtered copy becomes the side signal: left is mid + side, right mid - side. So
the sum of both channels is the stem itself, whatever the filter. The filter delays every frequency by another time, a
few milliseconds, at a given level. It is circular, so a loop stays without a seam.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_POINTS_PER_OCTAVE = 6
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 24000.0


@dataclass(frozen=True)
class Width:
    """How wide a stem is: the level of its side signal against its mid, in dB, at some frequencies.

    ``side_db`` are pairs of a frequency in Hz and a level, lowest frequency first; between them the level changes
    linearly over octaves. Below the first frequency the stem is mono. Frequencies are delayed by
    ``shortest_ms`` to ``longest_ms``; ``seed`` chooses by how much each.
    """

    side_db: tuple[tuple[float, float], ...]
    shortest_ms: float
    longest_ms: float
    seed: int


def widened(stem: NDArray[np.float32], width: Width, sample_rate: int) -> NDArray[np.float32]:
    """A mono loop ``(frames,)`` as ``(frames, 2)``, left and right; their mean is ``stem``."""
    if not stem.any():
        return np.zeros((len(stem), 2), np.float32)
    side = np.fft.irfft(np.fft.rfft(stem) * _side_filter(len(stem), sample_rate, width), n=len(stem))
    return np.stack([stem + side, stem - side], axis=1)


@lru_cache(maxsize=16)
def _side_filter(frames: int, sample_rate: int, width: Width) -> NDArray[np.complex64]:
    """The response that turns mid into side, for the real FFT of ``frames``."""
    hz = np.fft.rfftfreq(frames, 1.0 / sample_rate)
    octaves = np.log2(np.maximum(hz, _LOWEST_HZ))
    levels = np.array(width.side_db)
    gain = 10.0 ** (np.interp(octaves, np.log2(levels[:, 0]), levels[:, 1]) / 20.0)
    onset = np.clip((octaves - math.log2(levels[0, 0])) / 0.5 + 1.0, 0.0, 1.0)  # half an octave below the first point
    gain *= np.sin(0.5 * math.pi * onset) ** 2
    delayed = all_pass(frames, sample_rate, width.shortest_ms, width.longest_ms, width.seed)
    return np.asarray(gain * delayed, np.complex64)


def all_pass(frames: int, sample_rate: int, shortest_ms: float, longest_ms: float, seed: int) -> NDArray[np.complex128]:
    """A response of magnitude 1 for the real FFT of ``frames`` that delays every frequency by another time.

    ``seed`` draws the delays, six an octave, from ``shortest_ms`` to ``longest_ms``.
    """
    octaves = np.log2(np.maximum(np.fft.rfftfreq(frames, 1.0 / sample_rate), _LOWEST_HZ))
    rng = np.random.default_rng(seed)
    count = math.ceil(math.log2(_HIGHEST_HZ / _LOWEST_HZ) * _POINTS_PER_OCTAVE) + 1
    grid = math.log2(_LOWEST_HZ) + np.arange(count) / _POINTS_PER_OCTAVE
    delays = np.interp(octaves, grid, rng.uniform(shortest_ms, longest_ms, count) / 1000.0)
    phase = -2.0 * math.pi * np.cumsum(delays) * (sample_rate / frames)  # the delay is the slope of the phase
    return np.asarray(np.exp(1j * phase), np.complex128)
