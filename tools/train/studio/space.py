"""Equaliser, reverb and echo of a loop as products of spectra: all of them circular, so the loop has no seam."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.signal import butter, sosfilt

from tools.train.studio.kernels import RATE

Gain = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


@lru_cache(maxsize=4)
def frequencies(frames: int) -> Gain:
    """The frequencies in Hz of the real FFT of a loop, the first lifted from 0 to .1."""
    hz = np.arange(frames // 2 + 1, dtype=np.float32) * np.float32(RATE / frames)
    hz[0] = 0.1
    return hz


def high_pass(hz: Gain, corner: float, order: int = 2) -> Gain:
    """Zero phase, ``6 * order`` dB/octave, -6 dB at the corner for any order."""
    ratio = (hz / np.float32(corner)) ** order
    return ratio / (1.0 + ratio)


def low_pass(hz: Gain, corner: float, order: int = 2) -> Gain:
    """The mirror of ``high_pass``."""
    return np.float32(1.0) / (1.0 + (hz / np.float32(corner)) ** order)


def shelf(hz: Gain, corner: float, gain_db: float, *, high: bool) -> Gain:
    """A zero-phase shelf, half its gain (in dB) at ``corner``."""
    share = high_pass(hz, corner) if high else low_pass(hz, corner)
    return np.exp(np.float32(gain_db * np.log(10.0) / 20.0) * share)


def bell(hz: Gain, centre: float, gain_db: float, octaves: float = 1.0) -> Gain:
    """A zero-phase bell of ``gain_db`` at ``centre``, half of it ``octaves`` / 2 away."""
    distance = np.log2(hz / np.float32(centre)) / np.float32(octaves / 2.0)
    return np.exp(np.float32(gain_db * np.log(10.0) / 20.0) / (1.0 + distance**2)).astype(np.float32)


_CROSSINGS = (500.0, 2500.0, 7000.0)
# Decay of the four bands against the nominal one, and reflections (ms, gain) of each room.
_ROOMS = {
    "room": ((1.1, 1.0, 0.75, 0.45), 0.004, 0.5),
    "plate": ((0.9, 1.0, 1.0, 0.7), 0.001, 0.1),
    "hall": ((1.25, 1.0, 0.7, 0.35), 0.018, 0.3),
}


@lru_cache(maxsize=80)
def _impulse(room: str, tenths: int) -> NDArray[np.float32]:
    """A stereo impulse response ``(2, frames)`` of unit energy a channel: reflections, then noise that darkens.

    Both channels are other noise; below 200 Hz they are alike, so that the low end stays in the middle.
    """
    seconds = tenths / 10.0
    bands, predelay, early = _ROOMS[room]
    n = int((seconds * 1.25 + 0.1) * RATE)
    rng = np.random.default_rng(20261128 + tenths)
    time = np.arange(n) / RATE
    out = np.zeros((2, n))
    shared = rng.standard_normal(n)
    for channel in out:
        noise = rng.standard_normal(n)
        low = butter(2, _CROSSINGS[0], "low", fs=RATE, output="sos")
        parts = [sosfilt(low, 0.8 * shared + 0.6 * noise)]
        for below, above in zip(_CROSSINGS, (*_CROSSINGS[1:], 19000.0), strict=True):
            parts.append(sosfilt(butter(1, (below, above), "band", fs=RATE, output="sos"), noise))
        weights = (1.0, 0.9, 0.7, 0.45)
        for part, decay, weight in zip(parts, bands, weights, strict=True):
            channel += weight * part * np.exp(-6.9 * time / (seconds * decay))
        channel *= np.minimum(time / 0.006, 1.0)
        reflections = np.zeros(n)
        for place in rng.uniform(0.002, 0.06, 14):
            if int(place * RATE) < n:
                reflections[int(place * RATE)] += rng.choice((-1.0, 1.0)) * np.exp(-place / 0.03)
        channel *= 1.0 / np.sqrt(np.sum(channel**2))
        channel += early * 0.5 * sosfilt(butter(1, 6000.0, "low", fs=RATE, output="sos"), reflections)
    out = np.pad(out, ((0, 0), (int(predelay * RATE), 0)))
    return np.asarray(out / np.sqrt(np.mean(np.sum(out**2, axis=1))), np.float32)


@lru_cache(maxsize=4)
def reverb(frames: int, room: str, tenths: int) -> Spectrum:
    """The spectra ``(2, bins)`` of a room with ``tenths`` / 10 seconds of reverberation, folded onto the loop."""
    impulse = _impulse(room, tenths)
    folded = np.zeros((2, frames), np.float32)
    for start in range(0, impulse.shape[1], frames):
        part = impulse[:, start : start + frames]
        folded[:, : part.shape[1]] += part
    hz = frequencies(frames)
    return np.asarray(rfft(folded) * high_pass(hz, 220.0, 4), np.complex64)


@lru_cache(maxsize=4)
def reflections(frames: int) -> Spectrum:
    """A short response of unit energy, 15 ms of decaying noise above 300 Hz: a side for what is mono."""
    n = int(0.015 * RATE)
    noise = np.random.default_rng(1931).standard_normal(n) * np.exp(-np.arange(n) / (0.004 * RATE))
    padded = np.zeros(frames, np.float32)
    padded[:n] = noise / np.sqrt(np.sum(noise**2))
    return np.asarray(rfft(padded) * high_pass(frequencies(frames), 300.0, 4), np.complex64)


def echo(frames: int, beats: float, feedback: float) -> tuple[Spectrum, Spectrum]:
    """Ping-pong echoes of ``beats``, as (gain to the same side, gain to the other side), without the dry sound.

    The sound comes back on the other side first, ``feedback`` quieter and darker every time.
    """
    hz = frequencies(frames)
    turn = np.exp(-2j * np.pi * hz * np.float32(beats * frames / 8.0 / RATE)).astype(np.complex64)
    turn *= np.float32(feedback) * low_pass(hz, 5500.0) * high_pass(hz, 180.0)
    pair = turn * turn
    closed = np.complex64(1.0 / feedback) / (1.0 - pair)
    return pair * closed, turn * closed


def spectrum(loop: NDArray[np.float32]) -> Spectrum:
    """The spectra of a loop ``(…, frames)``."""
    return np.asarray(rfft(loop), np.complex64)


def loop_of(spectra: Spectrum, frames: int) -> NDArray[np.float32]:
    """Back from spectra to a loop ``(…, frames)``."""
    return np.asarray(irfft(spectra, n=frames), np.float32)
