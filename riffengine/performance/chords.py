"""Chords as a performer writes them and as pitches: ``Am7 F C/E G``, or the notes themselves, ``A2+C4+E4``.

Pure text and numbers. A chord of pitches begins with its bass; the others follow from below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from riffengine.performance.text_format import TextFormat

MOST_CHORDS = 8  # one on every beat of a loop
MOST_NOTES = 10
FOLLOW, OFF = "", "off"
"""A deck's chords are its own, those of the session (``""``), or none at all (``off``)."""

Pitches = tuple[int, ...]

NATURALS: Mapping[str, int] = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS: Mapping[str, int] = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_NOTE = re.compile(r"([A-G])([#♯b♭]?)(-?\d)?")
_ROOT = re.compile(r"([A-G][#♯b♭]?)(.*)")

# What follows the root, and the semitones above it. The first spelling of a chord is the one it is written back in.
_QUALITIES: Mapping[str, tuple[int, ...]] = {
    "": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "m7": (0, 3, 7, 10),
    "dim": (0, 3, 6), "m7b5": (0, 3, 6, 10), "dim7": (0, 3, 6, 9), "aug": (0, 4, 8), "sus2": (0, 2, 7),
    "sus4": (0, 5, 7), "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9), "mmaj7": (0, 3, 7, 11), "5": (0, 7),
    "9": (0, 4, 7, 10, 14), "m9": (0, 3, 7, 10, 14), "maj9": (0, 4, 7, 11, 14), "add9": (0, 4, 7, 14),
    "madd9": (0, 3, 7, 14), "7sus4": (0, 5, 7, 10), "69": (0, 4, 7, 9, 14), "7b9": (0, 4, 7, 10, 13),
    "7#9": (0, 4, 7, 10, 15), "11": (0, 4, 7, 10, 14, 17), "m11": (0, 3, 7, 10, 14, 17), "13": (0, 4, 7, 10, 14, 21),
}  # fmt: skip
_SPELLINGS: Mapping[str, str] = {
    "maj": "", "M": "", "min": "m", "-": "m", "M7": "maj7", "Δ": "maj7", "Δ7": "maj7", "min7": "m7", "-7": "m7",
    "°": "dim", "o": "dim", "°7": "dim7", "o7": "dim7", "ø": "m7b5", "ø7": "m7b5", "+": "aug", "sus": "sus4",
    "min6": "m6", "mM7": "mmaj7", "min9": "m9", "M9": "maj9", "6/9": "69", "7sus": "7sus4", "min11": "m11",
}  # fmt: skip


@lru_cache(maxsize=256)
def parse_chords(text: str) -> tuple[Pitches, ...]:
    """The chords of ``text``, apart by spaces, commas or bars; ``ValueError`` says which of them is none.

    ``""`` and ``"off"`` are no chords. The bass of a named chord lies in C2..B2, its tones from C3 up.
    """
    if text.strip().lower() in (FOLLOW, OFF):
        return ()
    names = re.split(r"[\s,|]+", text.strip(" ,|\t"))
    if len(names) > MOST_CHORDS:
        raise ValueError(f"{len(names)} chords are too many; a loop has room for {MOST_CHORDS}")
    return tuple(_chord(name) for name in names)


def chord_text(pitches: Iterable[int]) -> str:
    """What ``parse_chords`` reads as this chord: its name where it has one, else its notes; ``""`` for no pitch.

    Names forget in which octave a chord is held: two ways to hold one chord are one chord.
    """
    held = sorted(set(pitches))[:MOST_NOTES]
    if not held:
        return ""
    bass, classes = held[0] % 12, {pitch % 12 for pitch in held}
    if len(classes) == 1:
        return f"{_NAMES[bass]}3"  # in an octave whose number makes no chord of it, as C6 and C7 are
    for root in [bass, *sorted(classes - {bass})]:
        for quality, steps in _QUALITIES.items():
            if {(root + step) % 12 for step in steps} == classes:
                return _NAMES[root] + quality + ("" if root == bass else f"/{_NAMES[bass]}")
    return "+".join(f"{_NAMES[pitch % 12]}{pitch // 12 - 1}" for pitch in held)


def transposed(chords: tuple[Pitches, ...], semitones: int) -> tuple[Pitches, ...]:
    """Every chord moved by ``semitones``."""
    return tuple(tuple(pitch + semitones for pitch in chord) for chord in chords)


CHORDS = TextFormat(f"at most {MOST_CHORDS} chords such as Am7 F C/E G or A+C+E", parse_chords)


def _chord(name: str) -> Pitches:
    notes = name.split("+")
    if len(notes) > 1 and all(_NOTE.fullmatch(note) for note in notes):
        if len(notes) > MOST_NOTES:
            raise ValueError(f"{name!r} has {len(notes)} notes; a chord has {MOST_NOTES} at most")
        return _upwards(notes)
    if (one := _NOTE.fullmatch(name)) and one[3] and name not in _all_names():  # C4, a bass note alone; C7 is a chord
        return _upwards([name])
    found = _ROOT.fullmatch(name)
    quality, bass_name = _split_bass(found[2]) if found else ("", "")
    quality = _SPELLINGS.get(quality, quality)
    bass = _NOTE.fullmatch(bass_name) if bass_name else None
    if found is None or quality not in _QUALITIES or (bass_name and (bass is None or bass[3])):
        raise ValueError(
            f"{name[:20]!r} is not a chord; write names such as Am7, F#, Bbmaj7, C/G (qualities: "
            f"{' '.join(q for q in _QUALITIES if q)}), or notes joined by +, such as A+C+E"
        )
    root = _class_of(found[1])
    lowest = 36 + (_class_of(bass_name) if bass_name else root)
    return (lowest, *(48 + root + step for step in _QUALITIES[quality]))


@lru_cache(maxsize=1)
def _all_names() -> frozenset[str]:
    return frozenset(note + accidental + q for note in NATURALS for accidental in ACCIDENTALS for q in _QUALITIES)


def _split_bass(rest: str) -> tuple[str, str]:
    """Quality and bass of what follows a root: ``m7/E`` → ``m7``, ``E``; the slash of ``6/9`` is its own."""
    if rest in _SPELLINGS:
        return rest, ""
    quality, _, bass = rest.rpartition("/")
    return (quality, bass) if "/" in rest else (rest, "")


def _class_of(note: str) -> int:
    return (NATURALS[note[0]] + ACCIDENTALS[note[1:]]) % 12


def _upwards(notes: list[str]) -> Pitches:
    """Notes as pitches; one without an octave is the next above the one before, the first in the bass."""
    pitches: list[int] = []
    for note in notes:
        found = _NOTE.fullmatch(note)
        assert found is not None
        name = NATURALS[found[1]] + ACCIDENTALS[found[2]]
        if found[3] is not None:
            pitch = name + 12 * (int(found[3]) + 1)
        else:
            above = pitches[-1] if pitches else 35
            pitch = above + 1 + (name - above - 1) % 12
        if not 0 <= pitch <= 127:
            raise ValueError(f"{note!r} is out of range; allowed is C-1 to G9")
        pitches.append(pitch)
    return tuple(sorted(set(pitches)))
