"""The end of the chain: tilt, stereo width, bus compression, loudness and true peak, one gain curve for all stems."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from riffengine.renderer.loudness import gated_lufs, gating_blocks, k_weighting
from tools.train.studio import dynamics, kernels
from tools.train.studio.kernels import RATE
from tools.train.studio.space import Gain, Spectrum, frequencies, high_pass

Loop = NDArray[np.float32]

TARGET_LUFS = -14.0
CEILING_DB = -1.25  # of the limiter; the demand is -1 dBTP
SIDE_ABOVE_HZ = 190.0  # the side is 24 dB/octave down below: under 120 Hz it is nearly nothing
MOST_SIDE_DB = -6.6  # of an octave against its mid: the mono sum then loses .9 dB there
_LOOK_AHEAD = 96  # frames, 2.2 ms
_MOST_REDUCTION_DB = 5.5
EDGES = (20.0, 60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 12000.0, 16000.0, 20000.0)


def band_db(power: NDArray[np.float64], hz: Gain) -> NDArray[np.float64]:
    """Energy in each band of ``EDGES`` against the whole, dB."""
    cuts = np.searchsorted(hz, EDGES)
    bands = np.array([power[a:b].sum() for a, b in zip(cuts[:-1], cuts[1:], strict=True)])
    return np.asarray(10.0 * np.log10(bands / (power.sum() + 1e-20) + 1e-9))


def tilt(mix: Spectrum, hz: Gain, target_db: tuple[float, ...], strength: float, most_db: float) -> Gain:
    """A smooth gain that moves the mix ``(2, bins)`` towards the genre's spectrum: ``strength`` of the way.

    A band that is nearly empty (40 dB below its target) is not dragged up.
    """
    power = (np.abs(mix) ** 2).sum(axis=0).astype(np.float64)
    now = band_db(power, hz)
    wanted = np.asarray(target_db)
    change = np.clip(strength * (wanted - now), -most_db, most_db)
    # Empty bands are not dragged up, and the top of the spectrum is not lifted as far as it may be lowered.
    change = np.where(now < wanted - 22.0, np.minimum(change, 0.0), change)
    centres = np.log2(np.sqrt(np.asarray(EDGES[:-1]) * np.asarray(EDGES[1:])))
    curve = np.interp(np.log2(hz), centres, change)
    return np.asarray(10.0 ** (curve / 20.0), np.float32)


def side_gain(mix: Spectrum, hz: Gain, side_db: float) -> Gain:
    """The gain of the side of all stems that brings the mix's side to ``side_db`` and every octave into mono safety."""
    mid_power = np.abs(mix[0] + mix[1]).astype(np.float64) ** 2
    side_power = np.abs(mix[0] - mix[1]).astype(np.float64) ** 2
    gain = high_pass(hz, SIDE_ABOVE_HZ, 6).astype(np.float64)
    now = 10.0 * np.log10(float((side_power * gain**2).sum()) / (float(mid_power.sum()) + 1e-20) + 1e-20)
    if now < -60.0:
        return gain.astype(np.float32)
    gain *= 10.0 ** (np.clip(side_db - now, -24.0, 9.0) / 20.0)
    edges = 22.0 * 2.0 ** np.arange(0.0, 10.6, 0.5)  # half octaves: an octave anywhere is then safe as well
    cuts = np.searchsorted(hz, edges)
    changes = []
    for a, b in zip(cuts[:-1], cuts[1:], strict=True):
        ratio = 10.0 * np.log10((side_power[a:b] * gain[a:b] ** 2).sum() / (mid_power[a:b].sum() + 1e-20) + 1e-20)
        changes.append(min(MOST_SIDE_DB - ratio, 0.0))
    centres = np.log2(np.sqrt(edges[:-1] * edges[1:]))
    # Between two bands the curve must not pass above the lower of them.
    lower = np.minimum(np.minimum(changes, np.roll(changes, 1)), np.roll(changes, -1))
    curve = np.interp(np.log2(hz), centres, 0.5 * (lower + np.asarray(changes)))
    return np.asarray(gain * 10.0 ** (curve / 20.0), np.float32)


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


def loudness_gain(mix: Loop) -> Loop:
    """The gain curve ``(frames,)`` that brings the mix ``(2, frames)`` to -14 LUFS and its true peak below -1 dBTP.

    Where a limiter alone would have to take more than 5.5 dB, a fast compressor comes first.
    """
    meter = Loudness(mix)
    now = meter.lufs(1.0)
    if not np.isfinite(now):
        return np.ones(mix.shape[1], np.float32)
    peak = true_peak(mix)
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
    for _ in range(6):
        total = _limited(peak, gain, 0.06) * curve
        error = TARGET_LUFS - meter.lufs(total)
        if abs(error) < 0.03:
            break
        gain *= 10.0 ** (error * 1.15 / 20.0)
    return total.astype(np.float32)
