"""Drum kits: which drum plays each General MIDI key, how loud, where, and how it changes from soft to hard strokes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.train.studio import drum_synthesis as synthesis
from tools.train.studio import samples
from tools.train.studio.drum_synthesis import Drum
from tools.train.studio.kernels import RATE
from tools.train.studio.soundfont import SoundFont

Samples = NDArray[np.float32]
Generator = np.random.Generator


@dataclass(frozen=True)
class Placing:
    """Where a drum is in the mix: the role it has, dB against the kick, -1 left .. 1 right, reverb send."""

    role: str
    level_db: float
    pan: float
    send: float


# Panning from the audience's side: hats right of the middle, toms from left to right, ride left.
PLACES: dict[int, Placing] = {
    35: Placing("kick", 0.0, 0.0, 0.04), 36: Placing("kick", 0.0, 0.0, 0.04),
    38: Placing("snare", -2.5, 0.02, 0.5), 40: Placing("snare", -3.0, -0.03, 0.5),
    37: Placing("rim", -9.0, -0.15, 0.5), 39: Placing("clap", -4.5, 0.0, 0.6),
    42: Placing("hat", -14.0, 0.32, 0.12), 44: Placing("pedal", -16.0, 0.32, 0.12),
    46: Placing("open", -12.0, 0.3, 0.2),
    50: Placing("tom", -5.0, -0.42, 0.5), 48: Placing("tom", -5.0, -0.3, 0.5), 47: Placing("tom", -5.0, -0.1, 0.5),
    45: Placing("tom", -5.0, 0.15, 0.5), 43: Placing("tom", -4.5, 0.35, 0.5), 41: Placing("tom", -4.5, 0.45, 0.5),
    49: Placing("crash", -13.0, -0.45, 0.4), 57: Placing("crash", -13.5, 0.5, 0.4),
    55: Placing("crash", -14.0, 0.4, 0.4),
    52: Placing("crash", -13.0, 0.55, 0.4), 51: Placing("ride", -18.0, -0.42, 0.25),
    59: Placing("ride", -17.5, -0.42, 0.25), 53: Placing("ride", -18.0, -0.42, 0.25),
    70: Placing("shaker", -21.0, -0.55, 0.3), 54: Placing("tamb", -20.0, 0.6, 0.35),
    63: Placing("conga", -9.0, -0.5, 0.4), 64: Placing("conga", -8.5, -0.32, 0.4),
    62: Placing("conga", -9.5, -0.5, 0.4),
    60: Placing("bongo", -11.0, 0.5, 0.4), 61: Placing("bongo", -11.0, 0.4, 0.4),
    56: Placing("cowbell", -14.0, 0.4, 0.3), 75: Placing("clave", -14.0, -0.5, 0.6),
    67: Placing("agogo", -14.0, 0.52, 0.4), 68: Placing("agogo", -14.0, 0.42, 0.4),
    73: Placing("guiro", -15.0, -0.6, 0.4), 74: Placing("guiro", -15.0, -0.6, 0.4),
    69: Placing("shaker", -21.0, 0.55, 0.3),
    65: Placing("timbale", -8.0, -0.4, 0.5), 66: Placing("timbale", -8.0, -0.25, 0.5),
    81: Placing("triangle", -18.0, 0.6, 0.6), 80: Placing("triangle", -19.0, 0.6, 0.5),
}  # fmt: skip
_CREST = np.float32(4.5)
ELSEWHERE = Placing("other", -13.0, -0.4, 0.4)


def sampled(name: str, rng: Generator, *, punch: float = 0.0) -> Drum | None:
    """A one-shot, tuned by up to a semitone and a half by seed; darker when soft; ``punch`` lifts its start."""
    sound = samples.load(name, 1.5)
    if sound is None:
        return None
    tuning = 2.0 ** (rng.uniform(-1.5, 1.5) / 12.0)
    length = int(sound.shape[1] / tuning)
    places = np.arange(length) * tuning
    whole = np.minimum(places.astype(np.int64), sound.shape[1] - 2)
    part = (places - whole).astype(np.float32)
    tuned = sound[:, whole] * (1.0 - part) + sound[:, whole + 1] * part
    decay = rng.uniform(0.35, 1.0)

    def stroke(velocity: float, rng: Generator) -> Samples:
        time = np.arange(tuned.shape[1], dtype=np.float32) / np.float32(RATE)
        shaped = tuned * np.exp(-np.maximum(time - 0.1, 0.0) * (1.0 - decay) * 14.0)
        shaped *= 1.0 + punch * np.exp(-time / 0.018)
        return synthesis.darker(np.asarray(shaped, np.float32), velocity)

    return stroke


def _from_soundfont(font: SoundFont, program: int, key: int) -> Drum:
    def stroke(velocity: float, rng: Generator) -> Samples:
        return font.one_shot(program, key, int(min(max(round(velocity * 16) * 8, 8), 127)))

    return stroke


def _toms(key: int) -> float:
    return {41: 75.0, 43: 88.0, 45: 105.0, 47: 122.0, 48: 140.0, 50: 165.0}.get(key, 110.0)


def _hand_percussion(key: int, rng: Generator) -> Drum:
    """Small percussion, synthetic; the same for all electronic kits."""
    block, conga = synthesis.block, synthesis.conga
    makers: dict[int, Callable[[], Drum]] = {
        37: lambda: block(rng, 1700.0, 0.06, (1.0, 0.47, 2.1), 0.35),
        54: lambda: synthesis.shaker(rng, jingles=True),
        56: lambda: block(rng, 545.0, 0.28, (1.0, 1.48, 2.9, 4.4), 0.1),
        60: lambda: conga(rng, 420.0), 61: lambda: conga(rng, 300.0),
        62: lambda: conga(rng, 270.0), 63: lambda: conga(rng, 215.0), 64: lambda: conga(rng, 165.0),
        65: lambda: block(rng, 420.0, 0.35, (1.0, 1.6, 2.3, 3.1), 0.3),
        66: lambda: block(rng, 310.0, 0.4, (1.0, 1.6, 2.3, 3.1), 0.3),
        67: lambda: block(rng, 900.0, 0.35, (1.0, 2.4, 3.9), 0.05),
        68: lambda: block(rng, 660.0, 0.4, (1.0, 2.4, 3.9), 0.05),
        69: lambda: synthesis.shaker(rng, seconds=0.07), 70: lambda: synthesis.shaker(rng),
        73: lambda: synthesis.guiro(rng), 74: lambda: synthesis.guiro(rng),
        75: lambda: block(rng, 2450.0, 0.09, (1.0, 1.93), 0.05),
        80: lambda: block(rng, 4200.0, 0.2, (1.0, 2.3, 3.6), 0.02),
        81: lambda: block(rng, 4200.0, 1.6, (1.0, 1.52, 2.31, 3.1, 4.0), 0.02),
    }  # fmt: skip
    return makers.get(key, lambda: block(rng, 1200.0, 0.08))()


def _one_of(rng: Generator, names: tuple[str, ...], *, punch: float = 0.0) -> Drum | None:
    return sampled(names[int(rng.integers(len(names)))], rng, punch=punch)


def _electronic(key: int, rng: Generator, kick_seconds: float, *, boom: bool, hard: bool) -> Drum:
    """A drum of a machine: synthetic or, for four in ten, a CC0 one-shot."""
    role = PLACES.get(key, ELSEWHERE).role
    sample = rng.random() < 0.4
    found: Drum | None = None
    if role == "kick":
        found = _one_of(rng, samples.LONG_KICKS if boom else samples.KICKS, punch=0.8) if sample else None
        return found or synthesis.kick(rng, kick_seconds, long=boom, hard=hard)
    if role == "snare":
        found = _one_of(rng, samples.SNARES) if sample else None
        return found or synthesis.snare(rng, short=boom)
    if role == "clap":
        found = _one_of(rng, samples.CLAPS) if rng.random() < 0.15 else None
        return found or synthesis.clap(rng)
    if role in ("hat", "pedal"):
        found = sampled("drum_cymbal_closed", rng) if rng.random() < 0.15 else None
        return found or synthesis.hat(rng, rng.uniform(0.035, 0.09) if role == "hat" else 0.06)
    if role == "open":
        found = _one_of(rng, samples.OPEN_HATS) if rng.random() < 0.15 else None
        return found or synthesis.hat(rng, rng.uniform(0.16, 0.38), loose=0.2)
    if role == "tom":
        return synthesis.tom(rng, _toms(key))
    if role in ("crash", "ride"):
        return synthesis.cymbal(rng, ride=role == "ride")
    if role in ("cowbell", "clave", "agogo", "bongo", "rim") and rng.random() < 0.3:
        found = _one_of(rng, ("drum_cowbell",) if role == "cowbell" else samples.PERCUSSION)
    return found or _hand_percussion(key, rng)


class Kit:
    """The drums of one loop. Strokes are rendered once for each key, velocity band and variant, and used again."""

    def __init__(self, word: str, program: int, rng: Generator, font: SoundFont, *, kick_seconds: float = 0.5,
                 hard: bool = False, hybrid: float = 0.0) -> None:  # fmt: skip
        self._word, self._program, self._font, self._hard = word, program, font, hard
        self._seed = int(rng.integers(2**31))
        self._hybrid, self._kick_seconds = hybrid, kick_seconds
        self._drums: dict[int, Drum] = {}
        self._strokes: dict[tuple[int, int, int], Samples] = {}

    def _drum(self, key: int) -> Drum:
        if key not in self._drums:
            role = PLACES.get(key, ELSEWHERE).role
            # Both kicks, or both snares, are tuned from one seed: the same machine.
            rng = np.random.default_rng([self._seed, key])
            if self._word in ("electronic drums", "808 drums"):
                boom = self._word == "808 drums"
                self._drums[key] = _electronic(key, rng, self._kick_seconds, boom=boom, hard=self._hard)
            elif role in ("kick", "snare", "hat") and np.random.default_rng([self._seed, 999]).random() < self._hybrid:
                self._drums[key] = _electronic(key, rng, self._kick_seconds, boom=False, hard=self._hard)
            else:
                self._drums[key] = _from_soundfont(self._font, self._program, key)
        return self._drums[key]

    def stroke(self, key: int, velocity: float, variant: int) -> Samples:
        """A stroke ``(2, frames)``: the loudest 50 ms of a full stroke have RMS 1 whatever the drum."""
        band = min(int(velocity * 8.0), 7)
        variant = 0 if PLACES.get(key, ELSEWHERE).role in ("crash", "ride") else variant % 3
        name = (key, band, variant)
        if name not in self._strokes:
            rng = np.random.default_rng([self._seed, key, band, variant])
            sound = self._drum(key)((band + 0.5) / 8.0, rng)
            # Every band has one loudness here; the level by velocity is added where it is played. Peaks more than 13 dB
            # above it are bent, as by a clipper on the drum bus: one tap would else decide how loud the loop can be.
            sound = sound / (_loudest(sound) + 1e-6)
            self._strokes[name] = (_CREST * np.tanh(sound / _CREST)).astype(np.float32)
        return self._strokes[name]


def _loudest(sound: Samples, seconds: float = 0.05) -> float:
    """RMS of the loudest window of both channels."""
    power = np.mean(sound**2, axis=0)
    n = int(seconds * RATE)
    sums = np.cumsum(np.concatenate((np.zeros(n), power)))
    return float(np.sqrt(np.max(sums[n:] - sums[:-n]) / n)) if len(power) else 0.0
