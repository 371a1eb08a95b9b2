"""What a number can hear in noise and strokes: buzz at a frame rate, rise times, level before strokes, distance.

Everything is circular: a loop ``(frames,)`` at 44.1 kHz in, figures out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 44100
SNARE_HZ = 1000.0, 5000.0
HAT_HZ = 7000.0, np.inf

Loop = NDArray[np.float32]


def band(loop: Loop, low: float, high: float = np.inf) -> NDArray[np.float64]:
    """A loop between two frequencies in Hz, by a circular filter without delay."""
    hz = np.maximum(np.fft.rfftfreq(len(loop), 1 / RATE), 1e-3)
    gain = 1 / np.sqrt(1 + (low / hz) ** 12) / np.sqrt(1 + (hz / high) ** 12)
    return np.fft.irfft(np.fft.rfft(loop) * gain, len(loop))


def level(signal: NDArray[np.floating], seconds: float) -> NDArray[np.float64]:
    """The level of a loop around every sample, through a window of ``seconds``."""
    width = int(seconds * RATE)
    window = np.zeros(len(signal))
    window[:width] = np.hanning(width + 2)[1:-1] / np.hanning(width + 2).sum()
    power = np.fft.irfft(np.fft.rfft(signal**2) * np.fft.rfft(np.roll(window, -(width // 2))), len(signal))
    return np.sqrt(np.maximum(power, 1e-14))


def buzz_db(loop: Loop, frame_hz: float) -> float:
    """The spectral line of the envelope above 5 kHz at the codec's frame rate, above the median of its neighbours."""
    envelope = np.abs(band(loop, 5000.0))
    spectrum = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(len(loop))))
    line = round(frame_hz * len(loop) / RATE)
    near = np.concatenate([spectrum[line - 60 : line - 8], spectrum[line + 9 : line + 61]])
    return float(20 * np.log10(spectrum[line - 2 : line + 3].max() / np.median(near)))


def spectral_distance(one: Loop, other: Loop) -> float:
    """The log-spectral distance of two loops up to 16 kHz, in dB."""
    starts = np.arange(0, len(one) - 2048, 512)[:, None] + np.arange(2048)
    levels = [
        10 * np.log10(np.abs(np.fft.rfft(x[starts] * np.hanning(2048)))[:, :744] ** 2 + 1e-6) for x in (one, other)
    ]
    return float(np.sqrt(((levels[0] - levels[1]) ** 2).mean(axis=1)).mean())


def strokes(original: Loop, low: float, high: float = np.inf) -> list[int]:
    """Frames of the strong strokes of a band: within 18 dB of the loudest, 10 dB above what was 5 to 30 ms before."""
    decibels = 20 * np.log10(level(band(original, low, high), 0.002) + 1e-6)
    before = np.minimum.reduce([np.roll(decibels, shift) for shift in range(220, 1323, 220)])
    found: list[int] = []
    taken = np.zeros(len(original), bool)
    for frame in np.argsort(-decibels)[::20]:
        if decibels[frame] < decibels.max() - 18.0:
            break
        if not taken[frame]:
            taken[np.arange(frame - 3969, frame + 3969) % len(original)] = True
            if decibels[frame] - before[frame] > 10.0:
                found.append(int(frame))
    return found


def rises_ms(loop: Loop, at: list[int], low: float, high: float = np.inf) -> list[float]:
    """The time from 10 to 90 % of the highest level around each stroke."""
    levels, found = level(band(loop, low, high), 0.001), []
    for frame in at:
        piece = levels[np.arange(frame - 1764, frame + 1102) % len(loop)]
        until_top = piece[: piece.argmax() + 1]
        first, last = (np.flatnonzero(until_top < share * piece.max()) for share in (0.1, 0.9))
        found.append((max(last, default=0) - max(first, default=0)) / RATE * 1000)
    return found


def pre_echo_db(loop: Loop, original: Loop, at: list[int]) -> list[float]:
    """The level from 26 to 6 ms before each stroke, above 200 Hz, over that of the original."""
    powers = [band(x, 200.0) ** 2 + 1e-10 for x in (loop, original)]
    before = [np.arange(frame - 1146, frame - 264) % len(loop) for frame in at]
    return [float(10 * np.log10(powers[0][where].mean() / powers[1][where].mean())) for where in before]
