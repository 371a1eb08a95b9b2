"""Messages between the engine and the process that listens to captured bars."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Listen:
    """Hear ``beats`` beats of the sound file ``path``; the chords of its first ``chord_beats`` are wanted."""

    number: int
    path: str
    beats: int
    chord_beats: int
    bpm: float


@dataclass(frozen=True)
class StopListening:
    """End the process."""


@dataclass(frozen=True)
class HeardBars:
    """What was heard. ``key`` is ``""`` where nothing has a pitch; certainties are 0 to 1.

    ``chords`` share the first ``Listen.chord_beats`` beats equally; ``""`` where they have none. ``drive`` grows by 1
    where energy does, from an unknown zero.
    """

    number: int
    key: str
    key_certainty: float
    chords: str
    chord_certainty: float
    drive: float


@dataclass(frozen=True)
class NotHeard:
    """The file could not be heard; -1 for ``number`` means that the listener itself could not be loaded."""

    number: int
    reason: str


ToListener = Listen | StopListening
FromListener = HeardBars | NotHeard
