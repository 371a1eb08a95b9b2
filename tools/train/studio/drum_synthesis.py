"""Synthetic drums: each maker draws the parameters of one drum; the drum it returns renders strokes.

A drum is called with a velocity 0..1 and a random generator (no two strokes need be equal) and returns
``(2, frames) float32``. Level by velocity is the kit's business; the velocity here changes the colour only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from tools.train.studio import kernels
from tools.train.studio.kernels import RATE
from tools.train.studio.synth import faded

Samples = NDArray[np.float32]
Drum = Callable[[float, np.random.Generator], Samples]
Generator = np.random.Generator


def _time(seconds: float) -> NDArray[np.float32]:
    return np.arange(int(seconds * RATE), dtype=np.float32) / np.float32(RATE)


def _decay(time: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    """An exponential fall to -60 dB in ``seconds``."""
    return np.exp(-6.9 * time / seconds).astype(np.float32)


def _filtered(x: NDArray[np.floating], hz: float, kind: int, resonance: float = 0.1, stages: int = 1) -> Samples:
    """State-variable filter with a fixed cutoff: ``kind`` 0 low-pass, 1 band-pass, 2 high-pass."""
    out = np.ascontiguousarray(x, np.float32)
    for _ in range(stages):
        source, out = out, np.empty_like(out)
        kernels.state_variable(source, np.full(1, hz, np.float32), resonance, kind, 0.0, out)
    return out


def _both(mono: Samples) -> Samples:
    return faded(np.stack((mono, mono)))


def _swept_sine(time: NDArray[np.float32], base: float, sweep: float, seconds: float) -> NDArray[np.float32]:
    """A sine whose frequency falls from ``base + sweep`` to ``base`` hertz with time constant ``seconds``."""
    turns = base * time + sweep * seconds * (1.0 - np.exp(-time / seconds))
    return np.sin(2.0 * np.pi * turns).astype(np.float32)


def kick(rng: Generator, most_seconds: float, *, long: bool = False, hard: bool = False) -> Drum:
    """A kick of at most ``most_seconds``: a swept sine, bent, with a click. ``long`` booms, ``hard`` is driven."""
    base = rng.uniform(42.0, 52.0) if long else rng.uniform(46.0, 57.0)
    sweep, sweep_seconds = rng.uniform(60.0, 220.0), rng.uniform(0.004, 0.009)
    seconds = rng.uniform(0.9, 1.7) if long else rng.uniform(0.4, 0.75)
    seconds = min(seconds, most_seconds)
    drive = rng.uniform(1.5, 3.0) if hard else rng.uniform(0.6, 1.5)
    punch = rng.uniform(0.5, 1.2)
    click, click_hz = rng.uniform(0.05, 0.3) * (0.6 if long else 1.0), rng.uniform(1800.0, 5000.0)

    def stroke(velocity: float, rng: Generator) -> Samples:
        time = _time(seconds)
        body = _swept_sine(time, base, sweep * (0.6 + 0.4 * velocity), sweep_seconds) * _decay(time, seconds)
        body *= np.minimum(time / 0.0008, 1.0)
        body = np.tanh(drive * body) / np.tanh(drive) * (1.0 + punch * np.exp(-time / 0.018))
        body += 0.5 * punch * _swept_sine(time, 2.1 * base, sweep, 0.004) * np.exp(-time / 0.012)
        n = int(0.02 * RATE)
        snap = rng.standard_normal(n) * np.exp(-np.arange(n) / (0.0025 * RATE))
        body[:n] += click * velocity * _filtered(snap, click_hz, 1, 0.3)
        return _both(body)

    return stroke


def snare(rng: Generator, *, short: bool = False) -> Drum:
    """A snare: two falling modes of the head and wires of filtered noise."""
    base = rng.uniform(165.0, 230.0)
    ratio = rng.uniform(1.5, 1.85)
    tone_seconds, wire_seconds = rng.uniform(0.12, 0.24), rng.uniform(0.16, 0.3) if short else rng.uniform(0.22, 0.42)
    tone, low, air = rng.uniform(0.5, 1.0), rng.uniform(900.0, 2200.0), rng.uniform(0.4, 0.9)

    def stroke(velocity: float, rng: Generator) -> Samples:
        time = _time(wire_seconds + 0.05)
        head = _swept_sine(time, base, 90.0, 0.012) + 0.6 * _swept_sine(time, base * ratio, 60.0, 0.01)
        head *= _decay(time, tone_seconds) * tone * np.minimum(time / 0.0004, 1.0)
        out = np.stack((head, head)).astype(np.float32)
        crack = np.exp(-time / 0.006) * 0.9
        shared = rng.standard_normal(len(time))
        for channel in out:  # wires are wide, but less than two snares
            noise = 0.85 * shared + 0.5 * rng.standard_normal(len(time))
            noise = noise * (crack + air * _decay(time, wire_seconds))
            wires = _filtered(noise, low, 2, 0.15)
            channel += (0.45 + 0.35 * velocity) * _filtered(wires, 7000.0 + 9000.0 * velocity, 0, 0.0)
        return faded(np.tanh(1.2 * out).astype(np.float32))

    return stroke


def clap(rng: Generator) -> Drum:
    """Hands: bursts of band-passed noise a few milliseconds apart, then the room's tail; every hand in its place."""
    centre, gap = rng.uniform(900.0, 1700.0), rng.uniform(0.008, 0.013)
    seconds, hands = rng.uniform(0.16, 0.34), int(rng.integers(3, 5))

    def stroke(velocity: float, rng: Generator) -> Samples:
        time = _time(seconds + 0.06)
        out = np.zeros((2, len(time)), np.float32)
        shared = rng.standard_normal(len(time))
        for channel in out:
            noise = 0.7 * shared + 0.7 * rng.standard_normal(len(time))
            shape = np.zeros(len(time))
            for hand in range(hands):
                start = int((hand * gap + 0.0006 * rng.random()) * RATE)
                length = 0.0035 if hand < hands - 1 else seconds / 6.9
                shape[start:] += np.exp(-time[: len(time) - start] / length)
            band = _filtered(noise * shape, centre, 1, 0.45)
            channel += band + 0.25 * velocity * _filtered(noise * shape, 4500.0, 2)
        return faded(out)

    return stroke


_METAL = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)  # the square waves of the analogue cymbal circuits, Hz


def _metal(time: NDArray[np.float32], scale: float, rng: Generator) -> NDArray[np.float32]:
    """Six inharmonic squares and what they make of each other: the brass of analogue hats."""
    out = np.zeros(len(time), np.float32)
    pair = None
    for hz in _METAL:
        wave = np.where((hz * scale * time + rng.random()) % 1.0 < 0.5, np.float32(1.0), np.float32(-1.0))
        out += wave
        pair = wave if pair is None else pair * wave
    return out + 1.5 * pair


def hat(rng: Generator, seconds: float, *, loose: float = 0.0) -> Drum:
    """A hat of ``seconds``: metal and noise above 6 to 9 kHz, up to 20 kHz. ``loose`` adds sizzle that swells."""
    scale, metal = rng.uniform(1.1, 2.2), rng.uniform(0.05, 0.3)
    corner, top = rng.uniform(4200.0, 7000.0), rng.uniform(8000.0, 13000.0)

    def stroke(velocity: float, rng: Generator) -> Samples:
        length = seconds * (0.65 + 0.45 * velocity)
        time = _time(length)
        shape = _decay(time, length) * np.minimum(time / 0.0003, 1.0) + loose * _decay(time, length * 0.4)
        brass = metal * _metal(time, scale, rng)
        shared = rng.standard_normal(len(time)).astype(np.float32)
        out = np.empty((2, len(time)), np.float32)
        for channel in out:
            noise = 0.8 * shared + 0.55 * rng.standard_normal(len(time)).astype(np.float32)
            channel[:] = _filtered((noise + brass) * shape, corner, 2, 0.2, 2)
        air = 1.0 - float(np.exp(-2.0 * np.pi * top * (0.5 + 0.5 * velocity) / RATE))  # 6 dB/octave above 8 to 13 kHz
        return faded(_one_pole(out, air))

    return stroke


def darker(sound: Samples, velocity: float) -> Samples:
    """What is struck softly has less treble: a low-pass of 6 dB/octave above 5 to 20 kHz."""
    if velocity > 0.85:
        return sound
    share = np.float32(1.0 - np.exp(-2.0 * np.pi * (4000.0 + 12000.0 * velocity) / RATE))
    return _one_pole(sound, share)


def _one_pole(sound: Samples, share: float) -> Samples:
    return np.asarray(lfilter([share], [1.0, share - 1.0], sound, axis=-1), np.float32)


def cymbal(rng: Generator, *, ride: bool = False) -> Drum:
    """A crash or ride: hundreds of modes of a plate, the high ones die first, and a noisy stroke."""
    modes = 150
    frequencies = np.sort(rng.uniform(3.0, 13.7, modes) ** 3.75)  # 60 Hz to 18 kHz, closer above
    frequencies = frequencies[(frequencies > (450.0 if ride else 280.0)) & (frequencies < 18500.0)]
    seconds = rng.uniform(0.7, 1.4) if ride else rng.uniform(1.2, 2.2)
    tilt = rng.uniform(0.2, 0.5)
    stick = rng.uniform(0.4, 0.9) if ride else 0.4

    def stroke(velocity: float, rng: Generator) -> Samples:
        n = int(seconds * RATE)
        out = np.zeros((2, n), np.float32)
        levels = (frequencies / 3000.0) ** tilt / np.sqrt(len(frequencies))
        levels = levels / (1.0 + (frequencies / (6000.0 + 14000.0 * velocity)) ** 2)
        decays = seconds * (1.0 - 0.55 * frequencies / 18500.0) * rng.uniform(0.7, 1.1, len(frequencies))
        phases = rng.uniform(0.0, 2 * np.pi, len(frequencies))
        side = rng.uniform(-0.7, 0.7, len(frequencies))
        kernels.modes(frequencies, levels * (1.0 - side), levels * (1.0 + side), decays, phases, out)
        time = np.arange(n, dtype=np.float32) / np.float32(RATE)
        swell = 1.0 if ride else np.minimum(0.35 + time / 0.03, 1.0)
        noise = rng.standard_normal((2, n)).astype(np.float32)
        noise = np.stack([_filtered(channel, 6500.0, 2) for channel in noise])
        out *= swell
        out += 0.35 * noise * _decay(time, seconds * 0.55) * (0.2 if ride else 0.5)
        out += stick * noise * np.exp(-time / 0.004)
        return faded(darker(out, velocity), 0.2)

    return stroke


def tom(rng: Generator, hz: float) -> Drum:
    """A tom: a falling sine with a second mode and a soft stroke."""
    sweep, seconds = rng.uniform(0.3, 0.9) * hz, rng.uniform(0.35, 0.7)
    skin = rng.uniform(0.1, 0.3)

    def stroke(velocity: float, rng: Generator) -> Samples:
        time = _time(seconds)
        body = _swept_sine(time, hz, sweep * velocity, 0.03) * _decay(time, seconds)
        body += 0.3 * _swept_sine(time, 1.59 * hz, sweep, 0.02) * _decay(time, seconds * 0.5)
        noise = _filtered(rng.standard_normal(len(time)) * np.exp(-time / 0.008), 1800.0, 1)
        return _both(np.tanh(1.3 * (body * np.minimum(time / 0.0008, 1.0) + skin * 3.0 * velocity * noise)))

    return stroke


def block(rng: Generator, hz: float, seconds: float, ratios: tuple[float, ...] = (1.0,), slap: float = 0.1) -> Drum:
    """Wood, rim, cowbell, agogo, conga: a few modes at ``hz`` with a short slap of noise."""
    hz = hz * rng.uniform(0.93, 1.07)
    seconds = seconds * rng.uniform(0.8, 1.25)

    def stroke(velocity: float, rng: Generator) -> Samples:
        n = int(seconds * RATE)
        out = np.zeros((2, n), np.float32)
        at = np.array([hz * ratio for ratio in ratios])
        levels = np.array([0.8**k for k in range(len(ratios))]) * np.where(at > hz, 0.5 + 0.5 * velocity, 1.0)
        kernels.modes(at, levels, levels, np.full(len(at), seconds), np.full(len(at), 0.5), out)
        short = int(0.01 * RATE)
        noise = rng.standard_normal(short) * np.exp(-np.arange(short) / (0.002 * RATE))
        out[:, :short] += slap * velocity * 2.0 * noise[:n].astype(np.float32)
        out *= np.minimum(np.arange(n, dtype=np.float32) / (0.0004 * RATE), 1.0)
        return faded(out)

    return stroke


def conga(rng: Generator, hz: float) -> Drum:
    """A hand drum: a mode that falls a little, a higher one and the slap of the hand."""
    seconds = rng.uniform(0.18, 0.4)

    def stroke(velocity: float, rng: Generator) -> Samples:
        time = _time(seconds)
        body = _swept_sine(time, hz, 0.12 * hz * velocity, 0.02) * _decay(time, seconds)
        body += 0.35 * _swept_sine(time, 2.3 * hz, 0.0, 0.02) * _decay(time, seconds * 0.35)
        noise = _filtered(rng.standard_normal(len(time)) * np.exp(-time / 0.005), 2600.0, 1)
        return _both((body * np.minimum(time / 0.0006, 1.0) + 0.8 * velocity * noise).astype(np.float32))

    return stroke


def shaker(rng: Generator, *, jingles: bool = False, seconds: float = 0.11) -> Drum:
    """Beads: noise above 4 kHz that swells for 10 to 25 ms. ``jingles`` adds the little cymbals of a tambourine."""
    corner, swell = rng.uniform(3800.0, 6500.0), rng.uniform(0.006, 0.02) * (0.3 if jingles else 1.0)
    bells = rng.uniform(4200.0, 14000.0, 14)

    def stroke(velocity: float, rng: Generator) -> Samples:
        length = seconds * (1.8 if jingles else 1.0)
        time = _time(length)
        shape = np.minimum(time / swell, 1.0) * _decay(time, length * 0.9)
        noise = _filtered(rng.standard_normal(len(time)) * shape, corner, 2, 0.3)
        if jingles:
            noise *= 0.5
            ring, levels = np.zeros((2, len(time)), np.float32), rng.uniform(0.1, 0.3, 14)
            kernels.modes(bells, levels, levels, np.full(14, length), rng.uniform(0, 6.28, 14), ring)
            noise += ring[0] * np.minimum(time / swell, 1.0)
        return _both(darker(noise, velocity))

    return stroke


def guiro(rng: Generator) -> Drum:
    """A scraped gourd: ticks that come faster and faster."""
    rate = rng.uniform(60.0, 110.0)

    def stroke(velocity: float, rng: Generator) -> Samples:
        time = _time(0.2)
        ticks = np.exp(-((rate * time * (1.0 + time)) % 1.0) * 6.0)
        noise = _filtered(rng.standard_normal(len(time)) * ticks, 3400.0, 1, 0.5)
        return _both(noise * np.minimum(time / 0.02, 1.0) * _decay(time, 0.5))

    return stroke
