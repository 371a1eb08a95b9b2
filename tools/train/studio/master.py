"""The end of the chain: tilt, stereo width, bus compression, loudness and true peak, one gain curve for all stems."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from riffengine.renderer.loudness import gated_lufs, gating_blocks, k_weighting
from riffengine.renderer.mono_safety import MOST_SIDE_DB, half_octaves, mono_safe, smooth_gain
from tools.train.studio import dynamics, kernels
from tools.train.studio.kernels import RATE
from tools.train.studio.space import Gain, Spectrum, high_pass

Loop = NDArray[np.float32]

TARGET_LUFS = -14.0
CEILING_DB = -1.25  # of the limiter; the demand is -1 dBTP
SIDE_ABOVE_HZ = 165.0  # the side falls by 48 dB/octave below: under 120 Hz it is nearly nothing
_LOOK_AHEAD = 96  # frames, 2.2 ms
_MOST_REDUCTION_DB = 5.5
EDGES = (20.0, 60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 12000.0, 16000.0, 20000.0)


def band_db(power: NDArray[np.float64], hz: Gain) -> NDArray[np.float64]:
    """Energy in each band of ``EDGES`` against the whole, dB."""
    cuts = np.searchsorted(hz, EDGES)
    bands = np.array([power[a:b].sum() for a, b in itertools.pairwise(cuts)])
    return np.asarray(10.0 * np.log10(bands / (power.sum() + 1e-20) + 1e-9))


def tilt(mix: Spectrum, hz: Gain, target_db: tuple[float, ...], strength: float, most_db: float) -> Gain:
    """A smooth gain that moves the mix ``(2, bins)`` towards the genre's spectrum: ``strength`` of the way.

    A band that is nearly empty (40 dB below its target) is not dragged up.
    """
    power = (np.abs(mix) ** 2).sum(axis=0).astype(np.float64)
    now = band_db(power, hz)
    goal = now + strength * (np.asarray(target_db) - now)
    goal -= 10.0 * np.log10(np.sum(10.0 ** (goal / 10.0)))
    empty = now < np.asarray(target_db) - 22.0
    octaves, centres = np.log2(hz), np.log2(np.sqrt(np.asarray(EDGES[:-1]) * np.asarray(EDGES[1:])))
    change = np.zeros(len(centres))
    for _ in range(3):  # all bands are shares of one whole: a change of one moves the others
        curve = 10.0 ** (np.interp(octaves, centres, change) / 20.0)
        change += goal - band_db(power * curve**2, hz)
        change = np.clip(change, -1.6 * most_db, np.where(empty, 0.0, most_db))
    return np.asarray(10.0 ** (np.interp(octaves, centres, change) / 20.0), np.float32)


def side_gain(mix: Spectrum, hz: Gain, side_db: float) -> Gain:
    """The gain of the side of all stems that brings the mix's side to ``side_db`` and every octave into mono safety."""
    mid_power = np.abs(mix[0] + mix[1]).astype(np.float64) ** 2
    side_power = np.abs(mix[0] - mix[1]).astype(np.float64) ** 2
    gain = high_pass(hz, SIDE_ABOVE_HZ, 8)
    if float((side_power * gain**2).sum()) < 1e-6 * float(mid_power.sum()):
        return gain
    mid, side = half_octaves(mid_power, hz), half_octaves(side_power * gain**2, hz)
    room = MOST_SIDE_DB - 10.0 * np.log10(side / mid)  # what each band may be lifted
    low, high = -30.0, 15.0
    for _ in range(12):  # one gain for all bands, as far as each has room for it, that reaches the genre's width
        lift = 0.5 * (low + high)
        reached = 10.0 * np.log10((side * 10.0 ** (np.minimum(lift, room) / 10.0)).sum() / mid.sum())
        low, high = (lift, high) if reached < side_db else (low, lift)
    return np.asarray(gain * smooth_gain(np.minimum(lift, room), hz), np.float32)


def narrowed(stems: Loop) -> Loop:
    """The stems ``(3, 2, frames)`` after ``mono_safe``: compression that presses the middle widens sparse loops."""
    columns = stems.transpose(0, 2, 1)
    safe = mono_safe(columns, RATE)
    return stems if safe is columns else safe.transpose(0, 2, 1)


@lru_cache(maxsize=1)
def _sincs() -> NDArray[np.float64]:
    """Interpolators for a quarter, a half and three quarters of a frame, 24 taps each."""
    half = 12
    place = np.arange(-half + 1, half + 1)
    taps = []
    for part in (0.25, 0.5, 0.75):
        x = place - part
        taps.append(np.sinc(x) * (0.5 + 0.5 * np.cos(np.pi * x / (half + 0.5))))
    return np.array(taps)


def true_peak(mix: Loop) -> Loop:
    """The larger channel's level in every frame of ``(2, frames)``, between samples too where it is above 1/4."""
    out = np.empty(mix.shape[1], np.float32)
    threshold = 0.5 * float(np.abs(mix).max())
    kernels.true_peaks(mix[0], mix[1], _sincs(), threshold, out)
    return out


class Loudness:
    """The loudness of a mix under a slow gain: K-weighted once, then measured for every gain at little cost."""

    def __init__(self, mix: Loop) -> None:
        frames = mix.shape[1]
        response = _k_response(frames)
        weighted = np.fft.irfft(np.fft.rfft(mix) * response, n=frames)
        self._power = np.square(weighted, dtype=np.float64).sum(axis=0)
        self._starts, self._block = gating_blocks(frames, RATE)

    def lufs(self, gain: Loop | float) -> float:
        """LUFS of the mix times ``gain``, a number or a curve."""
        power = self._power * np.square(gain, dtype=np.float64)
        running = np.concatenate(([0.0], np.cumsum(np.concatenate((power, power[: self._block])))))
        return gated_lufs(np.maximum((running[self._starts + self._block] - running[self._starts]) / self._block, 0.0))


@lru_cache(maxsize=2)
def _k_response(frames: int) -> Spectrum:
    return k_weighting(frames, RATE).astype(np.complex64)


def _limited(peak: Loop, gain: float, release_seconds: float) -> NDArray[np.float64]:
    out = np.empty(len(peak), np.float64)
    ceiling = 10.0 ** (CEILING_DB / 20.0)
    kernels.limiter_gain(peak * np.float32(gain), ceiling, _LOOK_AHEAD, dynamics.coefficient(release_seconds), out)
    return out * gain


def loudness_gain(mix: Loop, stem_peak: Loop) -> Loop:
    """The gain curve ``(frames,)`` that brings the mix ``(2, frames)`` to -14 LUFS and its true peak below -1 dBTP.

    ``stem_peak (frames,)`` is the largest sample of any stem: no stem passes full scale either, where two cancel in the
    mix. Where a limiter alone would have to take more than 5.5 dB, a fast compressor comes first.
    """
    meter = Loudness(mix)
    now = meter.lufs(1.0)
    if not np.isfinite(now):
        return np.ones(mix.shape[1], np.float32)
    peak = np.maximum(true_peak(mix), 0.88 * stem_peak)
    gain = 10.0 ** ((TARGET_LUFS - now) / 20.0)
    curve = np.ones(mix.shape[1], np.float32)
    ceiling = 10.0 ** (CEILING_DB / 20.0)
    for _ in range(4):  # denser until the peaks are near enough
        lift = 10.0 ** ((TARGET_LUFS - meter.lufs(curve)) / 20.0)
        over_db = 20.0 * np.log10(float((peak * curve).max()) * lift / ceiling)
        if over_db <= _MOST_REDUCTION_DB:
            break
        threshold = ceiling / lift * 10.0 ** (-(0.35 * over_db + 2.0) / 20.0)
        curve = curve * dynamics.compressor(mix * curve, threshold, 3.0, 0.0012, 0.09)
    peak = peak * curve
    before, slope = np.inf, 1.0
    for _ in range(10):
        total = _limited(peak, gain, 0.06) * curve
        error = TARGET_LUFS - meter.lufs(total)
        if abs(error) < 0.03:
            break
        if np.isfinite(before) and abs(before - error) > 1e-4:  # a decibel of gain is worth less the more is limited
            slope = np.clip(slope * before / (before - error), 0.7, 6.0)
        before = error
        step_db = np.clip(error * slope, -6.0, 6.0)
        gain *= 10.0 ** (step_db / 20.0)
    return total.astype(np.float32)
