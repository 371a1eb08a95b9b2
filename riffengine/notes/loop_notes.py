"""LoopNote: the notes of a loop, packed small enough to travel beside its samples. Pure, no torch; any process."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

STEPS_PER_BEAT = 4
PARTS = ("drums", "bass", "comp", "lead")
STEM_OF = {"drums": "drums", "bass": "bass", "comp": "harmony", "lead": "harmony"}

# MIDI channels counted from 0, four for each deck. The first deck's drums use the General MIDI drum channel (9 here,
# 10 for people); the other decks take the channels that are left.
_CHANNELS = ((9, 0, 1, 2), (10, 3, 4, 5), (11, 6, 7, 8), (15, 12, 13, 14))

_PACKED_NOTE = struct.Struct("<BBHHB")


@dataclass(frozen=True)
class LoopNote:
    """One note or drum stroke of a loop.

    It begins on the sixteenth ``start_step`` and lasts ``steps`` sixteenths, past the loop's end into its start if need
    be. ``part`` is one of ``PARTS``, ``pitch`` is MIDI (a General MIDI percussion key for drums), ``velocity`` 1..127.
    """

    part: str
    pitch: int
    start_step: int
    steps: int
    velocity: int

    @property
    def stem(self) -> str:
        """The stem that contains this note's sound."""
        return STEM_OF[self.part]


def channel_of(part: str, deck: int = 0) -> int:
    """The MIDI channel (0..15) of ``part`` on deck number ``deck``. Four decks use sixteen different channels."""
    return _CHANNELS[deck % len(_CHANNELS)][PARTS.index(part)]


def pack(notes: Iterable[LoopNote]) -> bytes:
    """The notes as bytes, seven for each note."""
    return b"".join(
        _PACKED_NOTE.pack(PARTS.index(note.part), note.pitch, note.start_step, note.steps, note.velocity)
        for note in notes
    )


def unpack(packed: bytes) -> tuple[LoopNote, ...]:
    """The inverse of ``pack``. Raises ``ValueError`` for an incomplete note or an unknown part."""
    if len(packed) % _PACKED_NOTE.size:
        raise ValueError(f"{len(packed)} bytes are not a whole number of notes; each note has {_PACKED_NOTE.size}")
    rows = tuple(_PACKED_NOTE.iter_unpack(packed))
    if any(part >= len(PARTS) for part, *_ in rows):
        raise ValueError(f"the bytes are not packed notes: a part number is {len(PARTS)} or higher")
    return tuple(LoopNote(PARTS[part], *rest) for part, *rest in rows)
