"""TempoFollow: the grid follows somebody else, and the Conductor does not fight it.

While somebody leads, ``transport/tempo`` is the tempo that loops are rendered at, and the grid goes as fast as its
leader. A launch then brings loops of another tempo without touching the grid, which is on the beat already.
"""

from __future__ import annotations

from riffengine.processes.player_messages import SetGrid
from riffengine.scheduler.actions import Action, ToPlayerMessage
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.targets import LandingTargets
from riffengine.transport.beat_grid import BeatGrid


class TempoFollow:
    """What a leader may do to the timeline. Belongs to the Conductor's thread; calls come in order of ``frame``."""

    def __init__(self, scheduler: SchedulerState, aiming: LandingTargets) -> None:
        self._scheduler = scheduler
        self._aiming = aiming

    def free_at(self, frame: int) -> bool:
        """Whether a new grid may be announced: one at a time, and a change of tempo under way is let finish."""
        self._scheduler.timeline.settle(frame)
        return self._scheduler.timeline.upcoming is None

    def grid_at(self, frame: int) -> BeatGrid:
        """The grid that would rule at ``frame`` if nobody interfered."""
        self._scheduler.timeline.settle(frame)
        return self._scheduler.timeline.latest

    def follow(self, grid: BeatGrid, jumps: bool, frame: int) -> list[Action]:
        """``grid`` rules from its anchor frame; when the beat ``jumps``, what waits for a beat is reckoned anew."""
        scheduler = self._scheduler
        scheduler.led = True
        scheduler.timeline.settle(frame)
        scheduler.timeline.announce(grid)
        if jumps:
            for part in scheduler.decks.values():
                part.step_beat = None  # or the walk would take all steps that were jumped over at once
            self._aiming.estimate_anew(frame)
        return [ToPlayerMessage(SetGrid(grid, grid.anchor_frame))]

    def release(self, at_frame: int) -> list[Action]:
        """Nobody leads any more: from ``at_frame`` the grid has the tempo of the parameter again."""
        scheduler = self._scheduler
        scheduler.led = False
        timeline, bpm = scheduler.timeline, scheduler.state.number("transport/tempo")
        if timeline.latest.bpm == bpm or timeline.upcoming is not None:
            return []
        grid = timeline.latest.with_tempo(bpm, at_frame)
        timeline.announce(grid)
        return [ToPlayerMessage(SetGrid(grid, at_frame))]

    def hush(self, silent: bool) -> list[Action]:
        """The leader has stopped or starts again: fade as a panic does."""
        console = self._scheduler.mixer_controls
        if not silent:
            return [ToPlayerMessage(message) for message in console.restore(0)]
        return [] if console.panicked else [ToPlayerMessage(message) for message in console.panic(0)]
