"""BeatGrid: the straight line between frames and beats while one tempo holds."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class BeatGrid:
    """Maps frames to beats at a constant tempo.

    ``anchor_frame`` is the frame on which ``anchor_beat`` falls. Every conversion starts from the anchor and never
    from the previous loop, so rounding does not accumulate: after hours the error is still below one frame.
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
        """The beat that sounds at ``frame``."""
        return self.anchor_beat + (frame - self.anchor_frame) / self.frames_per_beat

    def frame_at(self, beat: float) -> int:
        """The first frame at or after ``beat``, to within half a frame."""
        return self.anchor_frame + round((beat - self.anchor_beat) * self.frames_per_beat)

    def with_tempo(self, bpm: float, at_frame: int) -> BeatGrid:
        """The grid that takes over at ``at_frame`` with no jump in beat."""
        return BeatGrid(self.sample_rate, bpm, at_frame, self.beat_at(at_frame))

    def loop_frames(self, beats: int) -> int:
        """Frames of a loop of ``beats`` beats, rounded to the nearest whole frame."""
        return round(beats * self.frames_per_beat)


@dataclass(frozen=True)
class Moment:
    """One instant, in every unit a caller may want."""

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
