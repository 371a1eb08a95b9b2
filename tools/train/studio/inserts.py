"""Insert effects of single tracks: amplifier, ensemble, turning speaker, tremolo, moving filter, wah, wooden body."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.train.studio import dynamics, kernels, space
from tools.train.studio.amplifier import Amplifier, amplified
from tools.train.studio.kernels import CONTROL, RATE

Loop = NDArray[np.float32]
Rng = np.random.Generator


def ensemble(loop: Loop, rng: Rng, depth_ms: float, share: float) -> Loop:
    """A chorus: each side is joined by a copy whose delay sways, the sides against each other, whole cycles a loop."""
    frames = loop.shape[1]
    cycles = max(round(rng.uniform(0.25, 0.8) * frames / RATE), 1)
    out = np.empty_like(loop)
    for channel, source, turn in zip(out, loop, (0.0, np.pi), strict=True):
        kernels.chorus(source, depth_ms * RATE / 1000.0, 0.012 * RATE, cycles, turn + rng.random(), channel)
    return (loop + np.float32(share) * out) / np.float32(1.0 + 0.5 * share)


def rotary(loop: Loop, rng: Rng) -> Loop:
    """A turning horn: pitch, level and side sway together, slowly or fast."""
    frames = loop.shape[1]
    hertz = float(rng.choice((0.8, 6.4)))
    cycles = max(round(hertz * frames / RATE), 1)
    turn = 2.0 * np.pi * (cycles * np.arange(frames, dtype=np.float32) / frames + rng.random())
    mono = loop.mean(axis=0)
    out = np.empty_like(loop)
    for channel, sign in zip(out, (1.0, -1.0), strict=True):
        kernels.chorus(mono, 0.00035 * RATE, 0.004 * RATE, cycles, float(turn[0]) + sign * 0.5 * np.pi, channel)
        channel *= (1.0 + sign * 0.3 * np.cos(turn)).astype(np.float32)
    return out


def tremolo_pan(loop: Loop, rng: Rng, depth: float) -> Loop:
    """The suitcase piano's vibrato: the level wanders from side to side, whole cycles a loop."""
    frames = loop.shape[1]
    cycles = max(round(rng.uniform(2.5, 5.5) * frames / RATE), 1)
    sway = depth * np.sin(2.0 * np.pi * (cycles * np.arange(frames) / frames + rng.random()))
    return loop * np.stack((1.0 + sway, 1.0 - sway)).astype(np.float32)


def moving_filter(loop: Loop, rng: Rng, low_hz: float, octaves: float, resonance: float, cycles: int) -> Loop:
    """A low-pass of 12 dB/octave that opens and closes ``cycles`` times a loop, from ``low_hz`` up by ``octaves``."""
    frames = loop.shape[1]
    turn = 2.0 * np.pi * (cycles * np.arange(0, frames, CONTROL) / frames + rng.random())
    cutoff = (low_hz * np.exp2(octaves * (0.5 - 0.5 * np.cos(turn)))).astype(np.float32)
    return _circular_filter(loop, cutoff, resonance, 0)


def wah(loop: Loop, low_hz: float, octaves: float) -> Loop:
    """A band-pass that follows the level: an envelope filter."""
    level = np.abs(loop).max(axis=0)
    level = np.ascontiguousarray(level[::CONTROL] / (level.max() + 1e-9), np.float32)
    followed = np.empty_like(level)
    kernels.follow(level, dynamics.coefficient(0.008, CONTROL), dynamics.coefficient(0.12, CONTROL), followed)
    cutoff = (low_hz * np.exp2(octaves * np.minimum(followed * 1.4, 1.0))).astype(np.float32)
    return np.float32(0.35) * loop + _circular_filter(loop, cutoff, 0.6, 1)


def _circular_filter(loop: Loop, cutoff: Loop, resonance: float, kind: int) -> Loop:
    """A state-variable filter whose state at the start is that of the loop's end: 0.2 s are played before it."""
    frames = loop.shape[1]
    lead = min(550 * CONTROL, frames // CONTROL * CONTROL)
    cutoffs = np.concatenate((cutoff[len(cutoff) - lead // CONTROL :], cutoff))
    out = np.empty_like(loop)
    for channel, source in zip(out, loop, strict=True):
        longer = np.concatenate((source[frames - lead :], source))
        filtered = np.empty_like(longer)
        kernels.state_variable(longer, cutoffs, resonance, kind, 0.0, filtered)
        channel[:] = filtered[lead:]
    return out


def wooden_body(loop: Loop, rng: Rng) -> Loop:
    """The resonances of a guitar's air and top."""
    frames = loop.shape[1]
    hz = space.frequencies(frames)
    gain = space.bell(hz, rng.uniform(95, 115), 5.0, 0.5) * space.bell(hz, rng.uniform(190, 230), 4.0, 0.5)
    gain = gain * space.bell(hz, rng.uniform(380, 450), 3.0, 0.5) * space.bell(hz, rng.uniform(1800, 2600), 3.0, 1.5)
    return space.loop_of(space.spectrum(loop) * gain, frames)


def amplifier_for(word: str, genre: str, rng: Rng) -> Amplifier:
    """The amplifier of a guitar word in a genre."""
    cabinet = int(rng.integers(6))
    if word == "distorted guitar":
        heavy = genre in ("metal", "dubstep", "drum and bass", "techno")
        return Amplifier(
            rng.uniform(6.0, 11.0) if heavy else rng.uniform(3.1, 6.0), 100.0 if heavy else 85.0,
            rng.uniform(-7.0, -3.0) if heavy else rng.uniform(-2.0, 1.5), rng.uniform(1.0, 3.5), cabinet,
            0.7 if heavy else 0.55,
        )  # fmt: skip
    dirt = {"blues": 2.0, "rock": 2.4, "country": 0.9, "dub": 1.0}.get(genre, 0.5)
    return Amplifier(dirt * rng.uniform(0.7, 1.5), 75.0, rng.uniform(-3.0, 1.0), rng.uniform(3.0, 7.0), cabinet)


def guitar(takes: list[Loop], amplifier: Amplifier) -> Loop:
    """One take in the middle, or two as a pair: each has its own loudspeaker and its own side."""
    if len(takes) == 1:
        mono = amplified(takes[0].mean(axis=0), amplifier)
        return np.stack((mono, mono))
    other = Amplifier(**{**amplifier.__dict__, "cabinet": (amplifier.cabinet + 3) % 6, "gain": amplifier.gain * 0.9})
    left, right = amplified(takes[0].mean(axis=0), amplifier), amplified(takes[1].mean(axis=0), other)
    right *= np.sqrt(np.mean(left**2) / (np.mean(right**2) + 1e-12))
    return np.stack((left + 0.18 * right, right + 0.18 * left)).astype(np.float32)


AMPLIFIED = frozenset({"electric guitar", "muted guitar", "distorted guitar"})


def effects(loop: Loop, word: str, genre: str, rng: Rng, *, synthetic: bool, electronic: bool) -> Loop:
    """What stands between an instrument and the mixer; drawn by seed."""
    chance = rng.random()
    if word == "organ":
        loop = rotary(loop, rng) if synthetic else ensemble(loop, rng, 1.0, 0.5)
    elif word == "electric piano":
        loop = tremolo_pan(loop, rng, rng.uniform(0.15, 0.4)) if chance < 0.4 else ensemble(loop, rng, 1.5, 0.5)
    elif word in ("pad", "synth strings", "choir") or (word == "strings" and electronic):
        loop = ensemble(loop, rng, rng.uniform(1.5, 3.5), 0.8)
    elif word in ("acoustic guitar", "banjo", "pizzicato") and synthetic:
        loop = wooden_body(loop, rng)
    elif word == "clavinet" and chance < 0.5:
        loop = wah(loop, rng.uniform(350.0, 600.0), rng.uniform(1.5, 2.5))
    elif word == "electric guitar" and chance < 0.4 and genre not in ("blues", "rock", "metal"):
        loop = ensemble(loop, rng, 2.0, 0.6)
    elif word in ("electric bass", "slap bass", "fretless bass"):
        loop = dynamics.saturated(loop, 0.3)
    if (
        electronic
        and word in ("pad", "synth chords", "synth pluck", "synth strings", "saw lead")
        and rng.random() < 0.4
    ):
        cycles = int(rng.choice((1, 1, 2)))
        loop = moving_filter(loop, rng, rng.uniform(500.0, 1400.0), rng.uniform(1.5, 3.5), 0.35, cycles)
    return loop
