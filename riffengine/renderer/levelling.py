"""Levelling: brings a loop to a target loudness below a true peak, with one gain and a circular look-ahead limiter.

The limiter works on blocks of ``BLOCK`` frames. ``gain_curve`` needs only their peaks and K-weighted powers, so a GPU
can measure the blocks and the host computes the curve. numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import RendererError
from riffengine.renderer.loudness import ABSOLUTE_GATE_LUFS, gated_lufs, gating_blocks, k_weighting

LOUDNESS_LUFS = -14.0
"""What the loops of every family are levelled to."""

PEAK_CEILING_DB = -1.0
"""The highest true peak of a levelled loop, in dBTP. The rest is headroom for the mixer's crossfades."""

BLOCK = 32
"""Frames per gain of the curve (0.7 ms at 44.1 kHz)."""

OVERSAMPLING = 4
MAX_REDUCTION_DB = 20.0
"""What the limiter takes at most from the highest peak. A loop of a few clicks stays quieter than the target."""

_MARGIN_DB = 0.2  # the gain moves within a block, and the reconstruction filter is not ideal
_FILTER_SECONDS = 0.3  # after which the K filter has forgotten its input
_TOO_LOUD = 1e6
_TAPS = 17  # of the filter between two samples
_LOOK_AHEAD_SECONDS = 0.005
_RELEASE_DB_PER_SECOND = 50.0  # a gain that follows the waves of a bass note would distort it
_ROUNDS = 12  # of the search for the gain; the loudness is then within 0.02 LU

Stems = NDArray[np.float32]


def _interpolation() -> list[NDArray[np.float32]]:
    """For a quarter, a half and three quarters of a sample: the weights of the samples around it."""
    places = np.arange(_TAPS) - _TAPS // 2
    shares = np.arange(1, OVERSAMPLING) / OVERSAMPLING
    return [
        (np.sinc(places - share) * np.cos(0.5 * np.pi * (places - share) / (_TAPS // 2 + 1)) ** 2).astype(np.float32)
        for share in shares
    ]


_INTERPOLATION = _interpolation()


@dataclass(frozen=True)
class LevelledLoop:
    """A levelled loop: ``audio`` as it was given times ``gain``, one gain per frame ``(frames,) float32``.

    ``stem_gains`` are further factors of the stems; without any all are 1. ``loudness_lufs`` and ``peak`` (the largest
    absolute sample) are those of the mix.
    """

    audio: Stems
    gain: NDArray[np.float32]
    loudness_lufs: float
    peak: float
    stem_gains: tuple[float, ...] = ()


def level(audio: Stems, target_lufs: float, sample_rate: int) -> LevelledLoop:
    """Bring a loop to ``target_lufs`` and its true peak below ``PEAK_CEILING_DB``.

    ``audio`` is ``(stems, frames, channels) float32``. Every stem and channel gets the same gains, so the stems still
    add up to the mix and the stereo image does not move. Raises ``RendererError`` for another shape, for NaN or
    infinity, and for a loop with nothing above -70 LUFS. Renderer process.
    """
    if audio.ndim != 3 or 0 in audio.shape:
        raise RendererError(f"level needs (stems, frames, channels); got {audio.shape}")
    if not np.isfinite(audio).all():
        raise RendererError("the loop holds NaN or infinity and is not played; render it again or check the weights")
    if np.abs(audio).max() > _TOO_LOUD:
        raise RendererError("the loop exceeds full scale a million times and is not played; check the weights")
    if not math.isfinite(target_lufs):
        raise RendererError(f"target loudness is {target_lufs} LUFS; a finite number such as -14 is needed")
    mix = audio.sum(axis=0)
    weighted = _k_weighted(mix, sample_rate)
    peaks = block_peaks(mix)
    power = np.add.reduceat(np.einsum("fc,fc->f", weighted, weighted), np.arange(0, len(mix), BLOCK))
    curve = gain_curve(peaks, power, len(mix), target_lufs, sample_rate)
    gain = frame_gains(curve.gains, len(mix))
    levelled = np.asarray(audio * gain[:, None], np.float32)
    return LevelledLoop(levelled, gain, curve.loudness_lufs, float(np.abs(levelled.sum(axis=0)).max()))


def block_peaks(mix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The true peak of every block of a loop ``(frames, channels)``: ``(blocks,)``."""
    return np.maximum.reduceat(true_peaks(mix), np.arange(0, len(mix), BLOCK))


def true_peaks(mix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The highest absolute value around each frame of a loop ``(frames, channels)``, between the samples too.

    Three samples are interpolated between each two, by a windowed sinc (ITU-R BS.1770-4, annex 2).
    """
    reach, frames = _TAPS // 2, len(mix)
    found = np.zeros(frames, np.float32)
    for channel in np.ascontiguousarray(mix.T):  # one after the other: a maximum over two columns is slow
        np.maximum(found, np.abs(channel), out=found)
        around = np.take(channel, np.arange(-reach, frames + reach), mode="wrap")
        for taps in _INTERPOLATION:
            between = sum(tap * around[shift : shift + frames] for shift, tap in enumerate(taps))
            np.maximum(found, np.abs(between), out=found)
    return found


def _k_weighted(mix: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """A loop after the K filter, by an FFT of a length that is fast: the loop with its own end before it."""
    length = fast_length(len(mix) + round(_FILTER_SECONDS * sample_rate))
    before = np.arange(len(mix) - length, 0) % len(mix)
    spectrum = np.fft.rfft(np.concatenate([mix[before], mix]), axis=0)
    weighted = np.fft.irfft(spectrum * _k_weighting(length, sample_rate)[:, None], n=length, axis=0)
    return np.asarray(weighted[len(before) :], np.float32)


@lru_cache(maxsize=4)
def fast_length(least: int) -> int:
    """The smallest product of powers of 2, 3 and 5 that is not below ``least``: a fast length for an FFT."""
    best = 1 << (least - 1).bit_length()
    for five in (5**power for power in range(1 + int(math.log(least, 5)) + 1)):
        for odd in (five * 3**power for power in range(1 + int(math.log(least, 3)) + 1)):
            if odd < best:
                best = min(best, odd << max(0, (-(-least // odd) - 1).bit_length()))
    return best


@lru_cache(maxsize=2)
def _k_weighting(frames: int, sample_rate: int) -> NDArray[np.complex64]:
    return k_weighting(frames, sample_rate).astype(np.complex64)


@dataclass(frozen=True)
class GainCurve:
    """One gain per block ``(blocks,) float64``, and the loudness in LUFS that the loop has with them."""

    gains: NDArray[np.float64]
    loudness_lufs: float


def gain_curve(
    peaks: NDArray[np.floating], power: NDArray[np.floating], frames: int, target_lufs: float, sample_rate: int
) -> GainCurve:
    """The gains that bring a loop to ``target_lufs``: a constant one times those of the limiter.

    ``peaks`` are the true peaks of the blocks, ``power`` the sums of their K-weighted squares over all channels; both
    ``(blocks,)``. The limiter lowers the loudness, so the constant gain is searched by bisection. Raises
    ``RendererError`` for a silent loop.
    """
    sums = np.asarray(power, np.float64)
    found = _loudness(sums, frames, sample_rate)
    if found == -math.inf:
        raise RendererError(
            f"the loop is silent: no 0.4 s of it is above {ABSOLUTE_GATE_LUFS:g} LUFS; try another prompt or seed"
        )
    ceiling_db = PEAK_CEILING_DB - _MARGIN_DB
    peaks_db = 20.0 * np.log10(np.maximum(np.asarray(peaks, np.float64), 1e-9))
    seconds = BLOCK / sample_rate

    def limited(gain_db: float) -> GainCurve:
        reduction = reduction_db(peaks_db + gain_db - ceiling_db, seconds)
        gains = 10.0 ** ((gain_db - reduction) / 20.0)
        return GainCurve(gains, _loudness(sums * gains**2, frames, sample_rate))

    most = ceiling_db - float(peaks_db.max()) + MAX_REDUCTION_DB
    low = min(target_lufs - found, most)
    curve = limited(low)
    if curve.loudness_lufs >= target_lufs - 0.02 or low == most:
        return curve
    high = min(most, low + MAX_REDUCTION_DB)
    for _ in range(_ROUNDS):
        middle = 0.5 * (low + high)
        curve = limited(middle)
        low, high = (middle, high) if curve.loudness_lufs < target_lufs else (low, middle)
    return curve


def frame_gains(gains: NDArray[np.floating], frames: int) -> NDArray[np.float32]:
    """The gain of every frame ``(frames,) float32``: a circular line through the middles of the blocks."""
    middles = np.arange(len(gains)) * BLOCK + 0.5 * (BLOCK - 1)
    middles[-1] = 0.5 * ((len(gains) - 1) * BLOCK + frames - 1)
    return np.interp(np.arange(frames), middles, gains, period=frames).astype(np.float32)


def reduction_db(
    excess_db: NDArray[np.floating], seconds: float, release: float = _RELEASE_DB_PER_SECOND
) -> NDArray[np.float64]:
    """What a circular limiter takes from each block of ``seconds``, where peaks exceed the ceiling by ``excess_db``.

    The reduction is held over the look-ahead, falls by ``release`` dB a second, and is smoothed by a Hann window as
    long as the look-ahead, so that it is complete when the peak comes.
    """
    blocks = len(excess_db)
    reach = min(max(1, round(0.5 * _LOOK_AHEAD_SECONDS / seconds)), (blocks - 1) // 2)
    needed = np.maximum(excess_db, 0.0)
    if not needed.any():
        return needed
    held = np.maximum.reduce([np.roll(needed, shift) for shift in range(-reach - 1, reach + 2)])
    line = release * seconds * np.arange(2 * blocks)
    released = (np.maximum.accumulate(np.tile(held, 2) + line) - line)[blocks:]
    window = np.hanning(2 * reach + 3)[1:-1]
    window /= window.sum()
    return sum(share * np.roll(released, shift) for share, shift in zip(window, range(-reach, reach + 1), strict=True))


def sum_loudness(one: NDArray[np.float32], other: NDArray[np.float32], sample_rate: int) -> Callable[[float], float]:
    """The loudness in LUFS of two loops ``(frames, channels)`` together, as a function of the second one's gain in dB.

    Each is filtered once, however often it is asked.
    """
    first, second = _k_weighted(one, sample_rate), _k_weighted(other, sample_rate)
    starts = np.arange(0, len(one), BLOCK)
    powers = [
        np.add.reduceat(np.einsum("fc,fc->f", a, b), starts).astype(np.float64)
        for a, b in ((first, first), (first, second), (second, second))
    ]

    def loudness(gain_db: float) -> float:
        gain = 10.0 ** (gain_db / 20.0)
        power = powers[0] + 2.0 * gain * powers[1] + gain**2 * powers[2]
        return _loudness(np.maximum(power, 0.0), len(one), sample_rate)

    return loudness


def _loudness(power: NDArray[np.float64], frames: int, sample_rate: int) -> float:
    """Integrated loudness of a loop of which the K-weighted powers of its blocks are known."""
    starts, block = gating_blocks(frames, sample_rate)
    edges = np.minimum(np.arange(2 * len(power) + 1) * BLOCK, 2 * frames).astype(np.float64)
    edges[len(power) + 1 :] = frames + edges[1 : len(power) + 1]
    edges[len(power)], edges[-1] = frames, 2 * frames
    running = np.concatenate([[0.0], np.cumsum(np.tile(power, 2))])
    return gated_lufs((np.interp(starts + block, edges, running) - np.interp(starts, edges, running)) / block)
