"""PerformanceProgress: how far the music has come with what is wanted, as lamps and pages show it. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Phase(StrEnum):
    """How far a deck has come with what is wanted of it."""

    EMPTY = "empty"  # nothing has been rendered yet, nor is it
    QUEUED = "queued"  # wanted; the renderer has not begun
    RENDERING = "rendering"
    READY = "ready"  # rendered; it waits for its beat
    PLAYING = "playing"  # what is wanted is what sounds
    FAILED = "failed"  # it would not render; the deck keeps what it has


@dataclass(frozen=True)
class DeckProgress:
    """One deck. ``sounding`` has ``prompt`` and ``to`` as they are heard now, which may lag what is wanted."""

    phase: Phase = Phase.EMPTY
    sounding: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class PerformanceProgress:
    """All decks by name, the setlist by name in its order, the scene recalled last, and whether all is silenced."""

    decks: Mapping[str, DeckProgress] = field(default_factory=lambda: MappingProxyType({}))
    scenes: tuple[str, ...] = ()
    scene: str = ""
    panicked: bool = False
