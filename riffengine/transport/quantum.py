"""Quantum: the musical grid on which changes land."""

from __future__ import annotations

# Beats between two boundaries, in 4/4. "loop" follows the length of the loops and stands in no table.
_BEATS = {"off": 0.0, "beat": 1.0, "bar": 4.0, "2bars": 8.0, "4bars": 16.0}


def quantum_beats(name: str, loop_beats: int) -> float:
    """Beats between two boundaries of the quantum called ``name``; 0 means that changes land at once.

    Raises ``ValueError`` for a name that is not off, beat, bar, 2bars, 4bars or loop.
    """
    if name == "loop":
        return float(loop_beats)
    try:
        return _BEATS[name]
    except KeyError:
        raise ValueError(f"no quantum is called {name!r}; use one of {', '.join((*_BEATS, 'loop'))}") from None
