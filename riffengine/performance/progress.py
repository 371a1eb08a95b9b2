"""PerformanceProgress: how far each deck is with the requested change, for LEDs and displays. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from riffengine.processes.player_messages import LoopRef


class Phase(StrEnum):
    """How far a deck is with the requested change."""

    EMPTY = "empty"  # nothing is rendered or requested yet
    QUEUED = "queued"  # requested; the renderer has not started
    RENDERING = "rendering"
    READY = "ready"  # rendered; it waits for its landing beat
    PLAYING = "playing"  # the requested change is heard
    FAILED = "failed"  # it could not be rendered; the deck keeps its loops


@dataclass(frozen=True)
class DeckProgress:
    """One deck. ``sounding`` has ``prompt`` and ``to`` as heard now; they may lag behind the requested values.

    ``loop`` is the loop that is nearest to what is heard; from ``coming_frame`` on it will be ``coming``.
    """

    phase: Phase = Phase.EMPTY
    sounding: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    loop: LoopRef | None = None
    coming: LoopRef | None = None
    coming_frame: int = 0


@dataclass(frozen=True)
class PerformanceProgress:
    """All decks by name, the names of the setlist in order, the scene recalled last, and whether panic is on."""

    decks: Mapping[str, DeckProgress] = field(default_factory=lambda: MappingProxyType({}))
    scenes: tuple[str, ...] = ()
    scene: str = ""
    panicked: bool = False
