"""Genres: tempo, harmony, instruments and playing habits of each genre word, read from ``genres.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from tools.train.compose.dynamics import Touch


@dataclass(frozen=True)
class Style:
    """The habits of one genre.

    ``bpm`` is the lowest and the highest tempo. ``major`` and ``minor`` are progressions as in ``theory.harmony``,
    ``minor_share`` how often minor is taken. ``lead``, ``comp``, ``bass``, ``kits`` are instrument words;
    ``basslines``, ``comping`` and ``melodies`` name entries of the pattern tables; a repeated entry is taken more
    often. ``present`` is how often drums, bass, comp and lead play. ``swing8`` and ``swing16`` are where the second of
    two eighths (sixteenths) falls, from 0.5 straight to 0.67 triplet. ``human_ms`` is the spread of the players'
    timing, ``late_ms`` how far backbeat, bass, comp and lead are behind the beat on average. ``push`` is how often the
    chords come an eighth early. ``depth``, ``offbeats`` and ``ghosts`` are the habits of ``dynamics.Touch``, and
    ``answers`` is how often lead and comp take turns. ``liked`` and ``disliked`` are mood words, ``guests`` instruments
    that are not usual here and still plausible.
    """

    bpm: tuple[int, int]
    minor_share: float
    major: tuple[str, ...]
    minor: tuple[str, ...]
    lead: tuple[str, ...]
    comp: tuple[str, ...]
    bass: tuple[str, ...]
    kits: tuple[str, ...]
    basslines: tuple[str, ...]
    comping: tuple[str, ...]
    melodies: tuple[str, ...]
    present: tuple[float, float, float, float] = (0.93, 0.92, 0.9, 0.78)
    density: float = 0.5
    energy: float = 0.5
    swing8: float = 0.5
    swing16: float = 0.5
    human_ms: float = 3.0
    late_ms: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    push: float = 0.0
    depth: float = 1.0
    offbeats: float = 0.0
    ghosts: float = 0.0
    answers: float = 0.12
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    guests: tuple[str, ...] = ()

    @property
    def machine(self) -> bool:
        """Whether a sequencer plays: no human timing to speak of, and little chance in the velocities."""
        return self.human_ms <= 1.5

    @property
    def touch(self) -> Touch:
        """The dynamics of its players."""
        return Touch(self.depth, 0.02 if self.machine else 0.05, self.offbeats, self.ghosts)


def _expanded(names: Sequence[str], shared: Mapping[str, Sequence[str]]) -> list[str]:
    return [entry for name in names for entry in (shared[name[1:]] if name.startswith("@") else [name])]


def _read(table: Mapping[str, Any]) -> dict[str, Style]:
    styles = {}
    for genre, rows in table["genres"].items():
        habits = {name: tuple(value) if isinstance(value, list) else value for name, value in rows.items()}
        for mode in ("major", "minor"):
            habits[mode] = tuple(_expanded(habits[mode], table["progressions"]))
        styles[genre] = Style(**habits)
    return styles


GENRES: dict[str, Style] = _read(
    yaml.safe_load(resources.files(__package__).joinpath("genres.yaml").read_text(encoding="utf-8"))
)
