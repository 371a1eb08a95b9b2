"""Chords, scales and voice leading in the canonical key: every piece is written where the relative major is C."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from riffengine.renderer.bundled.score import STEPS

PITCH_CLASS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
DIATONIC = frozenset({0, 2, 4, 5, 7, 9, 11})
_FLATS = frozenset({3, 10})  # E flat and B flat; the other altered tones are sharps

# Semitones above the root, from the note that must sound to the one that may be left out.
QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "7": (4, 10, 0, 7),
    "maj7": (4, 11, 0, 7),
    "m7": (3, 10, 0, 7),
    "9": (4, 10, 2, 7, 0),
    "maj9": (4, 11, 2, 7, 0),
    "m9": (3, 10, 2, 7, 0),
    "13": (10, 4, 9, 0),
    "6": (4, 9, 0, 7),
    "m6": (3, 9, 0, 7),
    "add9": (0, 4, 7, 2),
    "madd9": (0, 3, 7, 2),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "7sus4": (5, 10, 0, 7),
    "dim": (0, 3, 6),
    "m7b5": (3, 10, 0, 6),
}
_CHORD = re.compile(r"([A-G])([#b]?)(.*)")


@dataclass(frozen=True)
class Chord:
    """A chord by name: ``root`` is a pitch class 0..11, ``tones`` its pitch classes, the telling ones first."""

    name: str
    root: int
    tones: tuple[int, ...]

    @property
    def third(self) -> int:
        """The pitch class of the third or its stand-in: fourth or second, in a power chord the third of the scale."""
        for interval in (3, 4, 5, 2):
            if (self.root + interval) % 12 in self.tones:
                return (self.root + interval) % 12
        return (self.root + (3 if (self.root + 3) % 12 in DIATONIC else 4)) % 12

    @property
    def fifth(self) -> int:
        """The pitch class of the fifth; diminished where the chord says so."""
        return (self.root + (6 if (self.root + 6) % 12 in self.tones else 7)) % 12

    @property
    def triad(self) -> tuple[int, ...]:
        """Root, third and fifth: the tones on which a melody rests."""
        return tuple(dict.fromkeys((self.root, self.third, self.fifth)))

    @property
    def rooted(self) -> Chord:
        """The same chord whose root may not be left out: for players without a bass."""
        return replace(self, tones=tuple(dict.fromkeys((self.root, *self.tones))))

    @property
    def seventh(self) -> int:
        """The pitch class of the seventh or sixth; the one that is diatonic where the chord has none."""
        for interval in (10, 11, 9):
            if (self.root + interval) % 12 in self.tones:
                return (self.root + interval) % 12
        return (self.root + 10) % 12 if (self.root + 10) % 12 in DIATONIC else (self.root + 11) % 12


@lru_cache(maxsize=512)
def chord(name: str) -> Chord:
    """Read a chord symbol such as ``Am7`` or ``G7sus4``; KeyError for a quality that is not in ``QUALITIES``."""
    match = _CHORD.fullmatch(name)
    if match is None:
        raise ValueError(f"no chord: {name!r}")
    letter, accidental, quality = match.groups()
    root = (PITCH_CLASS[letter] + {"": 0, "#": 1, "b": -1}[accidental]) % 12
    return Chord(name, root, tuple((root + interval) % 12 for interval in QUALITIES[quality]))


@dataclass(frozen=True)
class Harmony:
    """The chords under a loop: ``at[step]`` sounds on that sixteenth, ``changes`` are the steps where one begins.

    ``tonic`` is a pitch class and ``minor`` the mode; ``pentatonic`` holds the five safest pitch classes around the
    tonic.
    """

    at: tuple[Chord, ...]
    changes: tuple[int, ...]
    tonic: int
    minor: bool

    @property
    def pentatonic(self) -> tuple[int, ...]:
        """Five pitch classes around the tonic."""
        steps = (0, 3, 5, 7, 10) if self.minor else (0, 2, 4, 7, 9)
        return tuple((self.tonic + s) % 12 for s in steps)

    def scale_at(self, step: int) -> tuple[int, ...]:
        """The seven pitch classes under a sixteenth: a tone that the chord alters takes its neighbour's place."""
        scale = set(DIATONIC)
        for tone in self.at[step % STEPS].tones:
            if tone not in scale:
                scale.discard((tone + (1 if tone in _FLATS else -1)) % 12)
                scale.add(tone)
        return tuple(sorted(scale))

    @property
    def blue(self) -> int:
        """The blue note of the mode, usually outside the scale."""
        return (self.tonic + (6 if self.minor else 3)) % 12

    def next_change(self, step: int) -> int:
        """How many steps until the chord changes (the loop's end counts as a change)."""
        return min((c for c in (*self.changes, STEPS) if c > step), default=STEPS) - step


def harmony(progression: str, *, minor: bool, push: bool = False) -> Harmony:
    """Spread ``"Am F C G"`` over the loop, evenly (three chords as 2 + 1 + 1); ``"D|Dm7 G7"`` names another tonic.

    ``push`` lets every chord but the first come an eighth early.
    """
    tonic_name, _, names = progression.rpartition("|")
    tonic = PITCH_CLASS[tonic_name] if tonic_name else (9 if minor else 0)
    chords = [chord(name) for name in names.split()]
    starts = {1: [0], 2: [0, 16], 3: [0, 16, 24], 4: [0, 8, 16, 24]}[len(chords)]
    if push:
        starts = [0, *(start - 2 for start in starts[1:])]
    at = [max(i for i, start in enumerate(starts) if start <= step) for step in range(STEPS)]
    return Harmony(tuple(chords[i] for i in at), tuple(starts), tonic, minor)


def dominant(rng: random.Random, *, minor: bool, plain: bool) -> Chord:
    """The chord that leads home; a ``plain`` one stays in the scale and is a triad."""
    if plain:
        return chord(rng.choice(("Em", "G") if minor else ("G",)))
    return chord(rng.choice(("E7", "E7", "Em") if minor else ("G7", "G7", "G", "G7sus4")))


def with_last_chord(chords: Harmony, last: Chord) -> Harmony:
    """``chords`` with the chord of their last two beats replaced."""
    changes = tuple(sorted({*chords.changes, STEPS - 8}))
    return replace(
        chords, at=(*chords.at[: STEPS - 8], *[last] * 8), changes=tuple(c for c in changes if c <= STEPS - 8)
    )


def nearest(pitch_class: int, to: int) -> int:
    """The pitch of this class that lies closest to ``to``; the lower of two equally near ones."""
    return to - 6 + (pitch_class - (to - 6)) % 12


def scale_step(pitch: int, steps: int, classes: tuple[int, ...] | frozenset[int]) -> int:
    """Move ``steps`` places along the pitches whose class is in ``classes`` (a pitch outside first falls inside)."""
    members = frozenset(classes)
    while pitch % 12 not in members:
        pitch -= 1
    direction = 1 if steps > 0 else -1
    for _ in range(abs(steps)):
        pitch += direction
        while pitch % 12 not in members:
            pitch += direction
    return pitch


def voice(harmonic: Chord, centre: int, size: int, before: tuple[int, ...] = ()) -> tuple[int, ...]:
    """``size`` pitches of a chord near ``centre``, low to high, moving as little as possible from ``before``.

    Sizes above the number of tones double the lowest tones an octave up. Of all inversions the one with the smallest
    motion wins, with a small pull back to ``centre`` so that repeated changes do not creep.
    """
    tones = harmonic.tones[: max(size, 2)]
    best: tuple[float, tuple[int, ...]] | None = None
    for bottom in sorted({nearest(tone, centre + shift) for tone in tones for shift in (-9, -5, -1, 3)}):
        pitches = [bottom]
        rest = sorted({(tone - bottom) % 12 for tone in tones} - {0})
        pitches += [bottom + interval for interval in rest]
        octave = 12
        while len(pitches) < size:
            pitches.append(pitches[len(pitches) - len(tones)] + octave)
        pitches = sorted(pitches[:size])
        mean = sum(pitches) / len(pitches)
        cost = 0.35 * abs(mean - centre)
        if before:
            cost += sum(min(abs(p - q) for q in before) for p in pitches)
        if min(pitches) < 53 and any(b - a < 3 for a, b in pairwise(pitches)):
            cost += 4.0  # seconds below F3 are mud
        if best is None or cost < best[0]:
            best = (cost, tuple(pitches))
    assert best is not None
    return best[1]
