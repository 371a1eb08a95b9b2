"""Guitar amplifiers: two bent stages with filters between them, and a loudspeaker cabinet of our own design."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from tools.train.studio import dynamics, kernels, space
from tools.train.studio.kernels import RATE

Loop = NDArray[np.float32]


@dataclass(frozen=True)
class Amplifier:
    """``gain`` of the first stage against the strings' level while they play (1: breaks up, 12: high gain).

    ``tight_hz`` cuts the lows before they are bent; ``scoop_db`` is the mid of the tone stack, ``presence_db`` its
    treble; ``cabinet`` numbers one of the loudspeakers.
    ``touch`` is how much of the strings' own dynamics stays: bent stages level strokes and what rings between them.
    """

    gain: float
    tight_hz: float = 110.0
    scoop_db: float = -3.0
    presence_db: float = 3.0
    cabinet: int = 0
    touch: float = 0.45


def amplified(strings: Loop, amplifier: Amplifier) -> Loop:
    """The loop ``(frames,)`` of dry strings through the amplifier, bent at two or four times the rate; circular."""
    frames = len(strings)
    hz = space.frequencies(frames)
    level = float(np.sqrt(np.mean(strings**2) / max(np.mean(np.abs(strings) > 0.05 * np.abs(strings).max()), 0.05)))
    if level < 1e-7:
        return strings
    before = rfft(strings) * space.high_pass(hz, amplifier.tight_hz, 2) * space.bell(hz, 800.0, 5.0, 2.0)
    factor = 4 if amplifier.gain > 3.0 else 2
    hot = irfft(before, n=factor * frames) * np.float32(factor * amplifier.gain / level / 2.5)
    first = np.tanh(hot + np.float32(0.25)) - np.float32(np.tanh(0.25))
    if amplifier.gain > 3.0:
        between = rfft(first)
        over = space.frequencies(factor * frames) * np.float32(factor)
        between *= space.high_pass(over, 80.0) * space.low_pass(over, 5500.0)
        first = irfft(between, n=factor * frames)
        first = np.tanh(np.float32(1.8) * first - np.float32(0.15)) + np.float32(np.tanh(0.15))
    after = rfft(first)[: frames // 2 + 1]
    after *= space.bell(hz, 480.0, amplifier.scoop_db, 1.6) * space.shelf(hz, 2600.0, amplifier.presence_db, high=True)
    after *= _cabinet_response(frames, amplifier.cabinet)
    after[0] = 0.0
    return np.asarray(irfft(after, n=frames) * _dynamics(strings, amplifier.touch), np.float32) / np.float32(factor)


def _dynamics(strings: Loop, touch: float) -> Loop:
    """The strings' envelope to the power ``touch``, 1 at a strong stroke."""
    level = np.empty_like(strings)
    kernels.follow(np.abs(strings), dynamics.coefficient(0.002), dynamics.coefficient(0.045), level)
    return np.clip(level / (np.percentile(level, 97) + 1e-9), 0.01, 1.5) ** np.float32(touch)


@lru_cache(maxsize=8)
def _cabinet_impulse(number: int) -> Loop:
    """A minimum-phase impulse response: low resonance, a dip, the cone's peak at 2 to 4 kHz, little above 6 kHz."""
    rng = np.random.default_rng([1959, number])
    size = 8192
    hz = np.maximum(np.arange(size // 2 + 1, dtype=np.float32) * np.float32(RATE / size), 1.0)
    gain = space.high_pass(hz, rng.uniform(70.0, 95.0), 4) * space.low_pass(hz, rng.uniform(4200.0, 5400.0), 8)
    gain = gain * space.bell(hz, rng.uniform(95.0, 130.0), rng.uniform(3.0, 6.0), 0.9)
    gain = gain * space.bell(hz, rng.uniform(350.0, 520.0), rng.uniform(-5.0, -2.0), 1.2)
    gain = gain * space.bell(hz, rng.uniform(2200.0, 3400.0), rng.uniform(4.0, 7.0), 1.0)
    for _ in range(7):  # the cone breaks up into modes
        gain = gain * space.bell(hz, rng.uniform(900.0, 6000.0), rng.uniform(-4.0, 3.0), rng.uniform(0.15, 0.4))
    log = np.log(np.maximum(gain, 1e-5)).astype(np.float64)
    cepstrum = np.fft.irfft(log, size)
    cepstrum[1 : size // 2] *= 2.0
    cepstrum[size // 2 + 1 :] = 0.0
    impulse = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)[:3000]
    impulse[2000:] *= np.linspace(1.0, 0.0, 1000)
    return np.asarray(impulse, np.float32)


@lru_cache(maxsize=4)
def _cabinet_response(frames: int, number: int) -> NDArray[np.complex64]:
    impulse = _cabinet_impulse(number)
    padded = np.zeros(frames, np.float32)
    padded[: len(impulse)] = impulse
    return np.asarray(rfft(padded), np.complex64)
