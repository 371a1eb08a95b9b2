"""BeatGrid: frames and beats at one constant tempo, and the quantum on whose boundaries changes land."""

from __future__ import annotations

import math
from dataclasses import dataclass

BEATS_PER_BAR = 4

# Beats between two boundaries, in 4/4. "loop" depends on the length of the loops and is not in this table.
_QUANTUM_BEATS = {"off": 0.0, "beat": 1.0, "bar": 4.0, "2bars": 8.0, "4bars": 16.0}


def rounded(number: float) -> str:
    """A beat or a tempo as a person reads it: at most two digits behind the point, none where they are 0."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class BeatGrid:
    """Maps frames to beats at a constant tempo.

    ``anchor_frame`` is the frame of ``anchor_beat``. Every conversion starts from the anchor and not from the previous
    loop, so rounding does not accumulate: after hours the error is still below one frame.
    """

    sample_rate: int
    bpm: float
    anchor_frame: int = 0
    anchor_beat: float = 0.0

    @property
    def frames_per_beat(self) -> float:
        """Frames in one beat, not rounded."""
        return self.sample_rate * 60.0 / self.bpm

    def beat_at(self, frame: float) -> float:
        """The beat at ``frame``."""
        return self.anchor_beat + (frame - self.anchor_frame) / self.frames_per_beat

    def frame_at(self, beat: float) -> int:
        """The first frame at or after ``beat``, to within half a frame."""
        return self.anchor_frame + round((beat - self.anchor_beat) * self.frames_per_beat)

    def with_tempo(self, bpm: float, at_frame: int) -> BeatGrid:
        """The grid that continues at ``at_frame`` with another tempo and without a jump in beat."""
        return BeatGrid(self.sample_rate, bpm, at_frame, self.beat_at(at_frame))

    def loop_frames(self, beats: int) -> int:
        """Frames of a loop of ``beats`` beats, rounded to the nearest whole frame."""
        return round(beats * self.frames_per_beat)


@dataclass(frozen=True)
class Moment:
    """One instant in frames, seconds and beats, with the tempo at that time."""

    frame: int
    seconds: float
    beat: float
    bpm: float

    @classmethod
    def on(cls, grid: BeatGrid, frame: int) -> Moment:
        """The moment of ``frame`` on ``grid``."""
        return cls(frame, frame / grid.sample_rate, grid.beat_at(frame), grid.bpm)


def next_boundary(beat: float, every_beats: float, tolerance_beats: float = 1e-6) -> float:
    """The first multiple of ``every_beats`` at or after ``beat``; ``every_beats <= 0`` means at once."""
    if every_beats <= 0:
        return beat
    return math.ceil((beat - tolerance_beats) / every_beats) * every_beats


def quantum_beats(name: str, loop_beats: int) -> float:
    """Beats between two boundaries of the quantum called ``name``; 0 means that changes land at once.

    Raises ``ValueError`` for a name that is not off, beat, bar, 2bars, 4bars or loop.
    """
    if name == "loop":
        return float(loop_beats)
    try:
        return _QUANTUM_BEATS[name]
    except KeyError:
        raise ValueError(f"no quantum is called {name!r}; use one of {', '.join((*_QUANTUM_BEATS, 'loop'))}") from None
