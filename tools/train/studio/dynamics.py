"""Gain that moves: sidechain, compressor, transient shaper, saturation, all over a loop without a seam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from tools.train.studio import kernels
from tools.train.studio.kernels import RATE

Loop = NDArray[np.float32]
_STEP = 8  # the envelope of a compressor is followed on every eighth frame


def coefficient(seconds: float, step: int = 1) -> float:
    """Of a one-pole follower that covers 63 % of a step in ``seconds``."""
    return 1.0 - float(np.exp(-step / (seconds * RATE)))


def _followed(level: Loop, attack: float, release: float) -> Loop:
    out = np.empty_like(level)
    kernels.follow(level, coefficient(attack, _STEP), coefficient(release, _STEP), out)
    return out


def _peaks(loop: Loop) -> Loop:
    """The largest sample of every eight frames over all channels of ``(…, frames)``."""
    level = np.abs(loop).reshape(-1, loop.shape[-1]).max(axis=0)
    level = np.pad(level, (0, -len(level) % _STEP))
    return np.asarray(level.reshape(-1, _STEP).max(axis=1), np.float32)


def _stretched(gain: Loop, frames: int) -> Loop:
    """A gain of every eighth frame as one of every frame, by straight lines."""
    following = np.roll(gain, -1)
    ramp = np.arange(_STEP, dtype=np.float32) / np.float32(_STEP)
    return (gain[:, None] + (following - gain)[:, None] * ramp).reshape(-1)[:frames].astype(np.float32)


def compressor(key: Loop, threshold: float, ratio: float, attack: float, release: float) -> Loop:
    """The gain curve ``(frames,)`` of a compressor that listens to ``key``; 5 ms of look-ahead soften its attack."""
    level = _followed(_peaks(key), attack, release)
    over = np.maximum(level / np.float32(threshold), 1.0)
    gain = over ** np.float32(1.0 / ratio - 1.0)
    return _stretched(gain, key.shape[-1])


def sidechain(frames: int, kicks: list[tuple[int, float]], depth: float, release: float) -> Loop:
    """A gain that falls within 6 ms at every kick (frame, strength) and comes back in ``release`` frames."""
    pressed = np.zeros(frames, np.float32)
    fall = int(0.006 * RATE)
    shape = np.concatenate((
        np.linspace(0.0, 1.0, fall), np.cos(0.5 * np.pi * np.linspace(0.0, 1.0, max(int(release), 8))) ** 1.5,
    )).astype(np.float32)  # fmt: skip
    shape = shape[:frames]
    for start, strength in kicks:
        index = (start - fall // 2 + np.arange(len(shape))) % frames
        pressed[index] = np.maximum(pressed[index], np.float32(strength) * shape)
    return np.float32(1.0) - np.float32(depth) * pressed


def transients(loop: Loop, amount: float) -> Loop:
    """A gain curve that lifts attacks against what rings: a fast against a slow envelope, within 8 dB."""
    level = _peaks(loop) + np.float32(1e-5)
    fast = _followed(level, 0.0008, 0.02)
    slow = _followed(level, 0.025, 0.12)
    gain = np.clip((fast / (slow + 1e-6)) ** np.float32(amount), 0.4, 2.5)
    return _stretched(gain, loop.shape[-1])


def saturated(loop: Loop, drive: float, *, asymmetry: float = 0.0) -> Loop:
    """Bend ``(…, frames)`` by tanh at twice the rate; the level stays. ``drive`` 0 is clean, 1 a hot tape, 3 a fuzz."""
    level = float(np.sqrt(np.mean(loop**2)))
    if level < 1e-6:
        return loop
    frames = loop.shape[-1]
    double = irfft(rfft(loop), n=2 * frames) * np.float32(2.0)
    hot = double * np.float32(0.3 * (1.0 + 2.5 * drive) / level / 1.4)
    bent = np.tanh(hot + np.float32(asymmetry)) - np.float32(np.tanh(asymmetry))
    out = irfft(rfft(bent)[..., : frames // 2 + 1], n=frames) * np.float32(0.5)
    out -= out.mean(axis=-1, keepdims=True)
    return np.asarray(out * (level / (np.sqrt(np.mean(out**2)) + 1e-9)), np.float32)
