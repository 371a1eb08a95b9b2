"""Timeline: the current beat grid, and one that replaces it at a frame still to come."""

from __future__ import annotations

from riffengine.transport.beat_grid import BeatGrid, Moment, next_boundary


class Timeline:
    """Converts between frames and beats across one announced change of tempo."""

    def __init__(self, grid: BeatGrid) -> None:
        self.grid = grid
        self.upcoming: BeatGrid | None = None

    @property
    def latest(self) -> BeatGrid:
        """The announced grid, or the current one where none is announced."""
        return self.upcoming or self.grid

    def announce(self, grid: BeatGrid) -> None:
        """``grid`` becomes the current one at its anchor frame."""
        self.upcoming = grid

    def settle(self, frame: int) -> None:
        """Change to the announced grid once its frame has come."""
        if self.upcoming is not None and frame >= self.upcoming.anchor_frame:
            self.grid, self.upcoming = self.upcoming, None

    def beat_at(self, frame: float) -> float:
        """The beat at ``frame``."""
        return self._grid_at(frame).beat_at(frame)

    def frame_of(self, beat: float) -> int:
        """The frame on which ``beat`` falls."""
        if self.upcoming is not None and beat >= self.upcoming.anchor_beat:
            return self.upcoming.frame_at(beat)
        return self.grid.frame_at(beat)

    def moment(self, frame: int) -> Moment:
        """``frame`` in every unit."""
        return Moment.on(self._grid_at(frame), frame)

    def boundary(self, from_frame: int, every_beats: float) -> float:
        """The beat of the first boundary whose frame is not before ``from_frame``."""
        beat = self.beat_at(from_frame)
        if every_beats <= 0:
            return beat
        boundary = next_boundary(beat, every_beats)
        return boundary if self.frame_of(boundary) >= from_frame else boundary + every_beats

    def _grid_at(self, frame: float) -> BeatGrid:
        if self.upcoming is not None and frame >= self.upcoming.anchor_frame:
            return self.upcoming
        return self.grid
