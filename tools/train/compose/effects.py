"""Effects on a finished loop, every one of them circular: what leaves at the end comes in at the beginning."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter, sosfilt

from tools.train.compose.character import Sound

Samples = NDArray[np.float32]

TARGET_LOUDNESS_DB = -17.0  # K-weighted mean square, mono, dB re full scale: leaves drums about 14 dB for their peaks
KNEE = 0.7  # samples above this are bent, below it they are untouched
CEILING = 0.97


def _frequencies(frames: int, sample_rate: int) -> NDArray[np.float32]:
    return np.arange(frames // 2 + 1, dtype=np.float32) * np.float32(sample_rate / frames)


def _shelf(hz: NDArray[np.float32], corner: float, gain_db: float, *, high: bool) -> NDArray[np.float32]:
    """A zero-phase shelf of 12 dB/octave at most, half its gain (in dB) at ``corner``."""
    ratio = (np.maximum(hz, 1.0) / corner) ** (2.0 if high else -2.0)
    return np.asarray(10.0 ** (gain_db / 20.0 * ratio / (1.0 + ratio)), np.float32)


@lru_cache(maxsize=4)
def _reverb_noise(frames: int, sample_rate: int) -> Samples:
    rng = np.random.default_rng(20221215)
    return rng.standard_normal(frames).astype(np.float32)


@lru_cache(maxsize=48)
def _reverb(frames: int, sample_rate: int, seconds: float) -> NDArray[np.complex64]:
    """The spectrum of an exponentially decaying, darkening noise tail folded onto the loop, at unit energy."""
    length = int(min(seconds * 1.2, 6.0) * sample_rate)
    noise = _reverb_noise(6 * sample_rate, sample_rate)[:length]
    time = np.arange(length, dtype=np.float32) / sample_rate
    tail = noise * np.exp(-6.9 * time / seconds) * np.minimum(time / 0.012, 1.0)
    folded = np.zeros(frames, np.float32)
    for start in range(0, length, frames):
        part = tail[start : start + frames]
        folded[: len(part)] += part
    folded /= np.sqrt(np.sum(tail**2)) + 1e-9
    spectrum = rfft(folded)
    return np.asarray(spectrum / (1.0 + (_frequencies(frames, sample_rate) / 5500.0) ** 2), np.complex64)


def _transfer(frames: int, sample_rate: int, sound: Sound, frames_per_beat: float) -> NDArray[np.complex64] | None:
    hz = _frequencies(frames, sample_rate)
    gain: NDArray[np.complex64] | NDArray[np.float32] | None = None

    def times(factor: NDArray[np.complex64] | NDArray[np.float32]) -> None:
        nonlocal gain
        gain = factor if gain is None else gain * factor

    if sound.echo_wet:
        # A feedback echo: y = x + wet * (f z^-D + f^2 z^-2D + ...), whose sum is closed.
        turn = np.exp(-2j * np.pi * hz * (sound.echo_beats * frames_per_beat / sample_rate)).astype(np.complex64)
        turn *= (sound.echo_feedback / (1.0 + (hz / 6000.0) ** 2)).astype(np.float32)
        times(1.0 + sound.echo_wet / sound.echo_feedback * turn / (1.0 - turn))
    if sound.reverb_wet or sound.room:
        wet, seconds = (sound.reverb_wet, sound.reverb_seconds) if sound.reverb_wet else (0.3 * sound.room, 0.9)
        above_bass = hz**2 / (hz**2 + 250.0**2)  # a bass in a hall is mud
        times((1.0 - 0.6 * wet) + wet * above_bass * _reverb(frames, sample_rate, seconds))
    if sound.low_shelf_db:
        times(_shelf(hz, 220.0, sound.low_shelf_db, high=False))
    if sound.high_shelf_db:
        times(_shelf(hz, 2600.0, sound.high_shelf_db, high=True))
    if sound.highpass_hz:
        ratio = (hz / sound.highpass_hz) ** 2
        times(ratio / (1.0 + ratio))
    if sound.lowpass_hz:
        times(1.0 / (1.0 + (hz / sound.lowpass_hz) ** (2.0 * sound.lowpass_order)))
    return None if gain is None else np.asarray(gain, np.complex64)


def _smooth(values: Samples, frames: int) -> Samples:
    """A circular moving average over ``frames`` samples, centred."""
    padded = np.concatenate((values[-frames:], values, values[:frames]))
    sums = np.cumsum(padded, dtype=np.float64)
    start = frames // 2 + frames
    mean = (sums[start : start + len(values)] - sums[start - frames : start - frames + len(values)]) / frames
    return np.asarray(mean, np.float32)


def _punch(samples: Samples, amount: float, sample_rate: int) -> Samples:
    """Lift attacks against what rings: gain from a fast against a slow envelope, within 9 dB."""
    level = np.abs(samples)
    fast = _smooth(level, int(0.006 * sample_rate)) + 1e-4
    slow = _smooth(level, int(0.12 * sample_rate)) + 1e-4
    return samples * np.clip((fast / slow) ** amount, 0.35, 2.8)


def apply(samples: Samples, sound: Sound, frames_per_beat: float, sample_rate: int = 44100) -> Samples:
    """Apply ``sound`` to a mono loop ``(frames,) float32``; the length is kept and the loop stays seamless."""
    frames = len(samples)
    if sound.drive:
        level = float(np.sqrt(np.mean(samples**2))) + 1e-6
        hot = samples * np.float32(0.22 * (1.0 + 3.0 * sound.drive) / level)
        samples = np.tanh(hot) * np.float32(level)
    if sound.punch:
        samples = _punch(samples, 0.55 * sound.punch, sample_rate)
    transfer = _transfer(frames, sample_rate, sound, frames_per_beat)
    if transfer is not None:
        samples = irfft(rfft(samples) * transfer, n=frames)
    if sound.crush_bits:
        peak = float(np.max(np.abs(samples))) + 1e-6
        levels = 2.0 ** (sound.crush_bits - 1)
        held = samples[np.arange(frames) // 4 * 4]  # every fourth sample: 11 kHz
        samples = (np.round(held / peak * levels) / levels * peak).astype(np.float32)
        wipe = _frequencies(frames, sample_rate)
        samples = irfft(rfft(samples) / (1.0 + (wipe / 5000.0) ** 6), n=frames)
    return np.asarray(samples, np.float32)


def loudness_db(samples: Samples, sample_rate: int = 44100) -> float:
    """Mean square of a loop in dB with a K-like weighting: less below 60 Hz, +4 dB above 1.5 kHz."""
    frames = len(samples)
    size = next_fast_len(frames, real=True)
    power = np.abs(rfft(samples, n=size)) ** 2
    hz = _frequencies(size, sample_rate)[: len(power)]
    weight = _shelf(hz, 1700.0, 4.0, high=True) ** 2 * (hz**2 / (hz**2 + 38.0**2)) ** 2
    mean_square = 2.0 * float(np.sum(power * weight)) / size / frames
    return 10.0 * float(np.log10(mean_square + 1e-12))


def active_loudness_db(samples: Samples, sample_rate: int = 44100) -> float:
    """Loudness of a part while it plays: 50 ms blocks more than 20 dB below the loudest do not count.

    A melody of three notes is then as loud as one of thirty. Below 60 Hz counts less, as in ``loudness_db``.
    """
    heard = sosfilt(_rumble_filter(sample_rate), samples)
    size = int(0.05 * sample_rate)
    power = np.mean(heard[: len(heard) // size * size].reshape(-1, size) ** 2, axis=1)
    return 10.0 * float(np.log10(np.mean(power[power >= 0.01 * power.max()]) + 1e-12))


@lru_cache(maxsize=4)
def _rumble_filter(sample_rate: int) -> NDArray[np.float32]:
    return np.asarray(butter(2, 60.0, "highpass", fs=sample_rate, output="sos"), np.float32)


def levelled(stems: Samples, sample_rate: int = 44100) -> Samples:
    """Stems ``(n, frames)`` by one gain that brings their sum to ``TARGET_LOUDNESS_DB``.

    Peaks of the sum are bent softly below ``CEILING``, and every stem by the same gain, so that the stems still add up;
    a silent loop stays silent.
    """
    mix = stems.sum(axis=0)
    now = loudness_db(mix, sample_rate)
    if now < -80.0:
        return stems
    gain = np.float32(10.0 ** ((TARGET_LOUDNESS_DB - now) / 20.0))
    size = np.abs(mix) * gain
    room = CEILING - KNEE
    over = size > KNEE
    bent = np.ones_like(size)
    bent[over] = (KNEE + room * np.tanh((size[over] - KNEE) / room)) / size[over]
    return (stems * (gain * bent)).astype(np.float32)
