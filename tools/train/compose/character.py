"""Character: what the mood words of a piece ask of its notes and of its sound."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

MOODS = (
    "calm", "driving", "dark", "bright", "sparse", "dense", "warm", "punchy", "dreamy", "lo-fi", "echo", "spacious",
    "dry", "aggressive", "soft", "happy", "sad", "hypnotic", "arpeggio", "staccato", "legato", "syncopated", "pumping",
    "filtered", "distorted", "solo",
)  # fmt: skip

# Words that contradict each other, or that one loop cannot show at once.
_CONFLICTS = (
    {"calm", "driving", "aggressive"}, {"dark", "bright"}, {"sparse", "dense"}, {"dry", "dreamy", "spacious", "echo"},
    {"staccato", "legato"}, {"soft", "aggressive", "driving", "punchy"}, {"happy", "sad"}, {"happy", "dark"},
    {"happy", "aggressive"}, {"sad", "bright"}, {"calm", "punchy"}, {"calm", "distorted"}, {"soft", "distorted"},
    {"solo", "pumping"}, {"solo", "dense"}, {"filtered", "bright"}, {"filtered", "lo-fi"}, {"filtered", "dark"},
    {"legato", "arpeggio"}, {"legato", "punchy"}, {"warm", "bright"}, {"warm", "filtered"}, {"sparse", "arpeggio"},
    {"lo-fi", "bright"}, {"aggressive", "distorted"}, {"dreamy", "punchy"}, {"dreamy", "staccato"}, {"lo-fi", "dark"},
    {"filtered", "soft"}, {"lo-fi", "soft"}, {"dark", "warm"}, {"calm", "dense"},
)  # fmt: skip


@dataclass
class Sound:
    """What is done to the mixed loop, always circularly: frequencies in Hz, gains in dB, times in seconds or beats."""

    lowpass_hz: float = 0.0
    lowpass_order: float = 2.0
    highpass_hz: float = 0.0
    low_shelf_db: float = 0.0
    high_shelf_db: float = 0.0
    drive: float = 0.0
    crush_bits: int = 0
    reverb_seconds: float = 0.0
    reverb_wet: float = 0.0
    echo_beats: float = 0.0
    echo_feedback: float = 0.0
    echo_wet: float = 0.0
    punch: float = 0.0
    pump: float = 0.0
    room: float = 0.35


@dataclass
class Character:
    """How a piece behaves. ``density`` and ``energy`` are 0..1, octaves are whole, ``articulation`` scales lengths."""

    moods: tuple[str, ...]
    density: float = 0.5
    energy: float = 0.5
    octave: int = 0
    articulation: float = 1.0
    syncopation: float = 0.3
    minor: bool | None = None
    static_harmony: bool = False
    arpeggio: bool = False
    solo: bool = False
    contour: str = ""
    sound: Sound = field(default_factory=Sound)

    def __contains__(self, mood: str) -> bool:
        return mood in self.moods


def fitting(moods: Sequence[str]) -> bool:
    """Whether these mood words can be true of one loop."""
    return all(len(clash & set(moods)) < 2 for clash in _CONFLICTS)


def choose_moods(rng: random.Random, liked: Sequence[str], disliked: Sequence[str]) -> tuple[str, ...]:
    """Up to three mood words: usually one or two; ``liked`` ones come three times as often, ``disliked`` never."""
    wanted = rng.choices((0, 1, 2, 3), (0.12, 0.38, 0.40, 0.10))[0]
    pool = [mood for mood in MOODS if mood not in disliked] + [mood for mood in liked for _ in range(2)]
    chosen: list[str] = []
    for _ in range(12):
        mood = rng.choice(pool)
        if len(chosen) < wanted and mood not in chosen and fitting([*chosen, mood]):
            chosen.append(mood)
    return tuple(sorted(chosen, key=MOODS.index))


def character(rng: random.Random, moods: Sequence[str], density: float, energy: float) -> Character:
    """Turn mood words into a character, starting from the genre's own ``density`` and ``energy``."""
    c = Character(tuple(moods), density=density + rng.uniform(-0.12, 0.12), energy=energy + rng.uniform(-0.1, 0.1))
    for mood in moods:
        _CHANGES[mood](c, rng)
    c.density = min(max(c.density, 0.0), 1.0)
    c.energy = min(max(c.energy, 0.05), 1.0)
    return c


def _calm(c: Character, rng: random.Random) -> None:
    c.energy = min(c.energy, 0.3) * 0.6
    c.density = min(c.density, 0.4) * 0.8
    c.articulation *= 1.3


def _driving(c: Character, rng: random.Random) -> None:
    c.energy = max(c.energy, 0.7) + 0.25
    c.density += 0.2
    c.sound.punch += 0.2


def _dark(c: Character, rng: random.Random) -> None:
    c.octave -= 1
    c.sound.high_shelf_db -= 12.0
    c.sound.low_shelf_db += 2.0
    c.minor = True if rng.random() < 0.8 else c.minor


def _bright(c: Character, rng: random.Random) -> None:
    c.octave += 1
    c.sound.high_shelf_db += 9.0
    c.sound.low_shelf_db -= 2.0
    c.minor = False if rng.random() < 0.6 else c.minor


def _sparse(c: Character, rng: random.Random) -> None:
    c.density = 0.05


def _dense(c: Character, rng: random.Random) -> None:
    c.density = 1.0


def _warm(c: Character, rng: random.Random) -> None:
    c.sound.low_shelf_db += 5.0
    c.sound.high_shelf_db -= 6.0
    c.sound.drive = max(c.sound.drive, 0.25)


def _punchy(c: Character, rng: random.Random) -> None:
    c.sound.punch += 0.8
    c.articulation *= 0.75
    c.energy += 0.15


def _dreamy(c: Character, rng: random.Random) -> None:
    c.sound.reverb_seconds, c.sound.reverb_wet = 4.5, 0.62
    c.sound.high_shelf_db -= 3.0
    c.articulation *= 1.3
    c.energy *= 0.7


def _lofi(c: Character, rng: random.Random) -> None:
    c.sound.lowpass_hz, c.sound.lowpass_order = rng.uniform(2800, 3800), 4.0
    c.sound.highpass_hz = 130.0
    c.sound.crush_bits = 7
    c.sound.drive = max(c.sound.drive, 0.35)


def _echo(c: Character, rng: random.Random) -> None:
    c.sound.echo_beats = rng.choice((0.75, 0.75, 0.5))
    c.sound.echo_feedback, c.sound.echo_wet = 0.55, 0.6
    c.density *= 0.75


def _spacious(c: Character, rng: random.Random) -> None:
    c.sound.reverb_seconds, c.sound.reverb_wet = 2.2, 0.42
    c.sound.room = 0.7


def _dry(c: Character, rng: random.Random) -> None:
    c.sound.room = 0.0
    c.articulation *= 0.8


def _aggressive(c: Character, rng: random.Random) -> None:
    c.energy = 1.0
    c.density += 0.15
    c.sound.drive = max(c.sound.drive, 0.8)
    c.sound.punch += 0.3


def _soft(c: Character, rng: random.Random) -> None:
    c.energy = min(c.energy, 0.35) * 0.5
    c.sound.lowpass_hz, c.sound.lowpass_order = 5200.0, 2.0


def _happy(c: Character, rng: random.Random) -> None:
    c.minor = False
    c.contour = "rising"
    c.density += 0.15
    c.articulation *= 0.8
    c.octave += 1 if rng.random() < 0.3 else 0


def _sad(c: Character, rng: random.Random) -> None:
    c.minor = True
    c.contour = "falling"
    c.density *= 0.6
    c.energy *= 0.6
    c.articulation *= 1.25


def _hypnotic(c: Character, rng: random.Random) -> None:
    c.static_harmony = True


def _arpeggio(c: Character, rng: random.Random) -> None:
    c.arpeggio = True


def _staccato(c: Character, rng: random.Random) -> None:
    c.articulation *= 0.35


def _legato(c: Character, rng: random.Random) -> None:
    c.articulation *= 1.8
    c.density *= 0.75


def _syncopated(c: Character, rng: random.Random) -> None:
    c.syncopation = 0.9


def _pumping(c: Character, rng: random.Random) -> None:
    c.sound.pump = rng.uniform(0.75, 0.9)


def _filtered(c: Character, rng: random.Random) -> None:
    c.sound.lowpass_hz, c.sound.lowpass_order = rng.uniform(650, 1100), 3.0


def _distorted(c: Character, rng: random.Random) -> None:
    c.sound.drive = 1.6
    c.sound.high_shelf_db -= 2.0


def _solo(c: Character, rng: random.Random) -> None:
    c.solo = True


_CHANGES = {
    "calm": _calm, "driving": _driving, "dark": _dark, "bright": _bright, "sparse": _sparse, "dense": _dense,
    "warm": _warm, "punchy": _punchy, "dreamy": _dreamy, "lo-fi": _lofi, "echo": _echo, "spacious": _spacious,
    "dry": _dry, "aggressive": _aggressive, "soft": _soft, "happy": _happy, "sad": _sad, "hypnotic": _hypnotic,
    "arpeggio": _arpeggio, "staccato": _staccato, "legato": _legato, "syncopated": _syncopated, "pumping": _pumping,
    "filtered": _filtered, "distorted": _distorted, "solo": _solo,
}  # fmt: skip
