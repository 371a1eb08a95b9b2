"""Keys: parses key names. The model writes every score in C major or A minor, which is then transposed."""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.errors import RendererError
from riffengine.performance.chords import ACCIDENTALS, NATURALS


@dataclass(frozen=True)
class Key:
    """``shift`` in semitones (-6..5) from the home key; ``mode`` is ``"major"``, ``"minor"`` or ``""`` (unknown)."""

    shift: int
    mode: str

    @property
    def mode_sign(self) -> float:
        """+1 major, -1 minor, 0 unknown."""
        return {"major": 1.0, "minor": -1.0, "": 0.0}[self.mode]


def parse_key(text: str) -> Key:
    """The key with the name ``text``, such as ``"F# minor"``. Empty text is the home key with an unknown mode.

    Raises ``RendererError`` for anything else.
    """
    if not text.strip():
        return Key(0, "")
    tonic, _, mode = text.strip().partition(" ")
    mode = mode.strip().lower()
    natural, accidental = tonic[:1].upper(), tonic[1:]
    if natural not in NATURALS or accidental not in ACCIDENTALS or mode not in ("major", "minor"):
        raise RendererError(f"{text!r} is not a key: a tonic and a mode are needed, such as 'A minor' or 'F# major'")
    relative_major = NATURALS[natural] + ACCIDENTALS[accidental] + (3 if mode == "minor" else 0)
    return Key((relative_major + 6) % 12 - 6, mode)
