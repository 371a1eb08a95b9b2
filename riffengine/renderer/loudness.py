"""Loudness of loops: ITU-R BS.1770-4, computed circularly."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ABSOLUTE_GATE_LUFS = -70.0
"""Blocks of 0.4 s below this do not count."""

_BLOCK_SECONDS = 0.4
_STEP_SECONDS = 0.1
_RELATIVE_GATE_LU = -10.0
_OFFSET_LUFS = -0.691


def loop_loudness(mix: NDArray[np.floating], sample_rate: int) -> float:
    """Integrated loudness in LUFS of a loop ``(frames, channels)`` that repeats for ever; ``-inf`` if all is gated.

    The K filter is a product of spectra and the gating blocks wrap around, so the result does not depend on where the
    loop starts. Every channel has weight 1 (mono or stereo). A loop shorter than 0.4 s is one block.
    """
    frames = mix.shape[0]
    power = k_weighted_power(mix, sample_rate)
    starts, block = gating_blocks(frames, sample_rate)
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([power, power[:block]]))])
    return gated_lufs(np.maximum((running[starts + block] - running[starts]) / block, 0.0))


def k_weighted_power(mix: NDArray[np.floating], sample_rate: int) -> NDArray[np.float64]:
    """The squares of a loop ``(frames, channels)`` after the K filter, summed over its channels ``(frames,)``."""
    response = k_weighting(len(mix), sample_rate)
    weighted = np.fft.irfft(np.fft.rfft(mix, axis=0) * response[:, None], n=len(mix), axis=0)
    return np.asarray((weighted**2).sum(axis=1), np.float64)


def gating_blocks(frames: int, sample_rate: int) -> tuple[NDArray[np.int64], int]:
    """First frames of the gating blocks of a loop, and their length in frames. Blocks wrap around the loop's end."""
    starts = np.arange(0, frames, max(1, round(_STEP_SECONDS * sample_rate)), dtype=np.int64)
    return starts, min(frames, round(_BLOCK_SECONDS * sample_rate))


def gated_lufs(blocks: NDArray[np.float64]) -> float:
    """Loudness in LUFS from the mean powers of K-weighted ``blocks``; ``-inf`` if all are gated."""
    gated = blocks[blocks > _power_of(ABSOLUTE_GATE_LUFS)]
    if not gated.size:
        return -math.inf
    gated = gated[gated > gated.mean() * 10.0 ** (_RELATIVE_GATE_LU / 10.0)]
    return _OFFSET_LUFS + 10.0 * math.log10(float(gated.mean()))


def _power_of(lufs: float) -> float:
    return float(10.0 ** ((lufs - _OFFSET_LUFS) / 10.0))


@lru_cache(maxsize=8)
def k_weighting(frames: int, sample_rate: int) -> NDArray[np.complex128]:
    """Frequency response of the K filter (head shelf and high-pass) for the real FFT of ``frames``. Read only.

    The standard gives coefficients for 48 kHz only. These are the analogue parameters behind them, mapped by the
    bilinear transform to any sample rate; at 48 kHz they give the standard's coefficients.
    """
    z = np.exp(-2j * math.pi * (np.arange(frames // 2 + 1) / frames))
    tangent = math.tan(math.pi * 1681.974450955533 / sample_rate)
    quality, high = 0.7071752369554196, 10.0 ** (3.999843853973347 / 20.0)
    band = high**0.4996667741545416
    shelf = (
        (high + band * tangent / quality + tangent**2)
        + 2.0 * (tangent**2 - high) * z
        + (high - band * tangent / quality + tangent**2) * z**2
    ) / _denominator(z, tangent, quality)
    quality = 0.5003270373238773
    tangent = math.tan(math.pi * 38.13547087602444 / 48000)
    scale = 1.0 + tangent / quality + tangent**2  # the standard's numerator 1, -2, 1 is 0.04 dB high at 48 kHz
    tangent = math.tan(math.pi * 38.13547087602444 / sample_rate)
    response: NDArray[np.complex128] = shelf * (1.0 - z) ** 2 * scale / _denominator(z, tangent, quality)
    response.flags.writeable = False
    return response


def _denominator(z: NDArray[np.complex128], tangent: float, quality: float) -> NDArray[np.complex128]:
    result: NDArray[np.complex128] = (
        (1.0 + tangent / quality + tangent**2)
        + 2.0 * (tangent**2 - 1.0) * z
        + (1.0 - tangent / quality + tangent**2) * z**2
    )
    return result
