"""Keys: what ``"A minor"`` means to a model that writes every tune in C major or A minor and then moves it."""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.errors import RendererError

_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}


@dataclass(frozen=True)
class Key:
    """``shift`` in semitones (-6..5) from the home key; ``mode`` is ``"major"``, ``"minor"`` or ``""``, not told."""

    shift: int
    mode: str

    @property
    def mode_sign(self) -> float:
        """+1 major, -1 minor, 0 not told."""
        return {"major": 1.0, "minor": -1.0, "": 0.0}[self.mode]


def parse_key(text: str) -> Key:
    """The key that ``text`` names, such as ``"F# minor"``; empty text is the home key, mode not told.

    Raises ``RendererError`` for anything else.
    """
    if not text.strip():
        return Key(0, "")
    tonic, _, mode = text.strip().partition(" ")
    mode = mode.strip().lower()
    natural, accidental = tonic[:1].upper(), tonic[1:]
    if natural not in _NATURALS or accidental not in _ACCIDENTALS or mode not in ("major", "minor"):
        raise RendererError(f"{text!r} is no key: a tonic and a mode are needed, such as 'A minor' or 'F# major'")
    relative_major = _NATURALS[natural] + _ACCIDENTALS[accidental] + (3 if mode == "minor" else 0)
    return Key((relative_major + 6) % 12 - 6, mode)
