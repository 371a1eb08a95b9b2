"""Notes: what a loop plays, small enough to travel beside its samples. Pure; no torch, and any process may use it."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

STEPS_PER_BEAT = 4
PARTS = ("drums", "bass", "comp", "lead")
STEM_OF = {"drums": "drums", "bass": "bass", "comp": "harmony", "lead": "harmony"}

# Channels from 0, four to a deck: the drums of the first on MIDI's own drum channel (10 for people), then as they lie.
_CHANNELS = ((9, 0, 1, 2), (10, 3, 4, 5), (11, 6, 7, 8), (15, 12, 13, 14))

_ONE = struct.Struct("<BBHHB")


@dataclass(frozen=True)
class LoopNote:
    """One note or stroke of a loop: it begins on the sixteenth ``start_step`` and rings for ``steps``, round the end.

    ``part`` is one of ``PARTS``, ``pitch`` is MIDI (for drums General MIDI's percussion key), ``velocity`` 1..127.
    """

    part: str
    pitch: int
    start_step: int
    steps: int
    velocity: int

    @property
    def stem(self) -> str:
        """The stem that it sounds in."""
        return STEM_OF[self.part]


def channel_of(part: str, deck: int = 0) -> int:
    """The MIDI channel (0..15) of ``part`` on the ``deck``-th deck: no two of four decks share one."""
    return _CHANNELS[deck % len(_CHANNELS)][PARTS.index(part)]


def pack(notes: Iterable[LoopNote]) -> bytes:
    """Seven bytes a note."""
    return b"".join(
        _ONE.pack(PARTS.index(note.part), note.pitch, note.start_step, note.steps, note.velocity) for note in notes
    )


def unpack(packed: bytes) -> tuple[LoopNote, ...]:
    """The notes that ``pack`` was given. ``ValueError`` for half ones, or a part that there is not."""
    if len(packed) % _ONE.size:
        raise ValueError(f"{len(packed)} bytes are no whole number of notes; every one has {_ONE.size}")
    rows = tuple(_ONE.iter_unpack(packed))
    if any(part >= len(PARTS) for part, *_ in rows):
        raise ValueError("these are no notes: they name a part that there is not")
    return tuple(LoopNote(PARTS[part], *rest) for part, *rest in rows)
