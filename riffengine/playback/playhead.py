"""Playhead: the position in a loop at an absolute frame, exact for days.

The position follows the beat: ``((beat mod loop.beats) / loop.beats) × loop.frames``. It is a function of the frame
alone, so every loop of a grid is in phase with every other, whatever the size of the block.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from riffengine.playback.interpolator import Span, taps_at
from riffengine.playback.ramp import frame_count
from riffengine.transport.beat_grid import BeatGrid

STRETCH_FRAMES = 1 << 20
"""Positions are counted from an exact rational every 2^20 frames (22 s): float64 then errs by less than 1e-9 frames."""

_WHOLE = 2.0**-44  # a ratio this close to 1 moves 0.0003 frames in 24 h: read it sample by sample


class Playhead:
    """The reading position of all loops of ``frames`` samples and ``beats`` beats on one grid."""

    def __init__(self, grid: BeatGrid, frames: int, beats: int) -> None:
        self.frames = frames
        self._grid = grid
        # 1 beat = 60 · rate / bpm frames, as an exact fraction of the float that bpm is
        self._ideal = Fraction(60 * grid.sample_rate * beats) / Fraction(grid.bpm)
        self._phase = Fraction(grid.anchor_beat) / beats
        self._rate = frames / self._ideal
        self.step = float(self._rate)
        self.whole = abs(float(self._rate - 1)) < _WHOLE
        self._offset = round(frames * (self._phase % 1)) - grid.anchor_frame
        self._stretch = -1
        self._base = 0.0
        self._last: tuple[int, int, Span] | None = None

    def exact(self, frame: int) -> Fraction:
        """The position at ``frame`` as a rational, in samples from the start of the loop."""
        laps = self._phase + Fraction(frame - self._grid.anchor_frame) / self._ideal
        return (laps % 1) * self.frames

    def position(self, frame: int) -> float:
        """The position that is read at ``frame``, in samples, in ``[0, frames)``."""
        if self.whole:
            return float((frame + self._offset) % self.frames)
        return (self._base_of(frame) + (frame % STRETCH_FRAMES) * self.step) % self.frames

    def span(self, frame: int, frames: int) -> Span:
        """What to read for ``frames`` frames from ``frame``, all in one stretch."""
        last = self._last
        if last is not None and last[0] == frame and last[1] == frames:
            return last[2]
        if self.whole:
            span = Span((frame + self._offset) % self.frames, frames, frames - 1, None, None)
        else:
            positions = self._base_of(frame) + (frame_count(frames) + (frame % STRETCH_FRAMES)) * self.step
            floors = np.floor(positions)
            taps = taps_at(positions - floors)
            start, reach = int(floors[0]), int(floors[-1] - floors[0])
            steps = None if reach == frames - 1 else (floors - floors[0]).astype(np.int64)
            span = Span(start % self.frames, frames, reach, taps, steps)
        self._last = (frame, frames, span)
        return span

    def _base_of(self, frame: int) -> float:
        stretch = frame // STRETCH_FRAMES
        if stretch != self._stretch:
            self._base = float(self.exact(stretch * STRETCH_FRAMES))
            self._stretch = stretch
        return self._base


class Playheads:
    """The playheads of one grid, one for each length of loop. Compared by identity: a new grid makes a new object."""

    def __init__(self, grid: BeatGrid) -> None:
        self.grid = grid
        self._of: dict[tuple[int, int], Playhead] = {}

    def of(self, frames: int, beats: int) -> Playhead:
        """The playhead for loops of ``frames`` samples and ``beats`` beats."""
        playhead = self._of.get((frames, beats))
        if playhead is None:
            playhead = self._of[frames, beats] = Playhead(self.grid, frames, beats)
        return playhead

    def in_phase(self, other: Playheads, frame: int, frames: int, beats: int) -> bool:
        """Whether both grids read such a loop within one sample of each other at ``frame``."""
        apart = abs(self.of(frames, beats).position(frame) - other.of(frames, beats).position(frame))
        return min(apart, frames - apart) <= 1.0
