"""Drum patterns, read from ``beats.yaml``, and the drums they are played on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import yaml

# Lane → (column of the score, General MIDI key).
LANES: dict[str, tuple[str, int]] = {
    "kick": ("kick", 36), "snare": ("snare", 38), "snare2": ("snare", 40), "rim": ("snare", 37), "clap": ("clap", 39),
    "hat": ("closed hat", 42), "pedal": ("closed hat", 44), "open": ("open hat", 46),
    "tom1": ("tom", 50), "tom2": ("tom", 47), "tom3": ("tom", 43), "crash": ("cymbal", 49), "ride": ("cymbal", 51),
    "shaker": ("percussion", 70), "tamb": ("percussion", 54), "conga": ("percussion", 63), "conga2": ("percussion", 64),
    "bongo": ("percussion", 60), "cowbell": ("percussion", 56), "clave": ("percussion", 75),
    "agogo": ("percussion", 67), "agogo2": ("percussion", 68), "guiro": ("percussion", 73),
    "cabasa": ("percussion", 69), "timbale": ("percussion", 65), "timbale2": ("percussion", 66),
    "triangle": ("percussion", 81),
}  # fmt: skip

# How hard each sign of a pattern is struck, 0..1.
STROKE = {"X": 1.0, "x": 0.8, "o": 0.55, "g": 0.36}

# Lanes that a sparse piece drops first, and ghost strokes with them.
ORNAMENTS = (
    "shaker", "tamb", "conga", "conga2", "bongo", "cowbell", "agogo", "agogo2", "cabasa", "triangle",
)  # fmt: skip


@dataclass(frozen=True)
class Beat:
    """One drum pattern: sixteenths by lane, and ``word``, what a listener would call it (or nothing)."""

    lanes: dict[str, str]
    word: str = ""


def _read(table: Mapping[str, Sequence[Mapping[str, str]]]) -> dict[str, tuple[Beat, ...]]:
    beats = {}
    for genre, patterns in table.items():
        beats[genre] = tuple(
            Beat({lane: row for lane, row in pattern.items() if lane != "word"}, pattern.get("word", ""))
            for pattern in patterns
        )
    return beats


BEATS: dict[str, tuple[Beat, ...]] = _read(
    yaml.safe_load(resources.files(__package__).joinpath("beats.yaml").read_text(encoding="utf-8"))
)
