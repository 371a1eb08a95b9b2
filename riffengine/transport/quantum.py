"""Quantum: the musical grid on which changes land."""

from __future__ import annotations

from riffengine.transport.grid import next_boundary

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


def boundary_after(beat: float, every_beats: float) -> float:
    """The first boundary strictly after ``beat``; with ``every_beats`` 0 it is ``beat`` itself."""
    boundary = next_boundary(beat, every_beats)
    # 1e-6 beats is next_boundary's own tolerance: half a microsecond at 120 bpm, far below one frame.
    return boundary + every_beats if boundary <= beat + 1e-6 else boundary
