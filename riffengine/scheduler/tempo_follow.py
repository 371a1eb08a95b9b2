"""TempoFollow: the beat grid follows an external source of tempo, and the Conductor does not work against it.

While a source outside sets the tempo, ``transport/tempo`` is the tempo that loops are rendered at, and the grid goes as
fast as the source. A launch then brings loops of another tempo without changing the grid, which is on the beat already.
"""

from __future__ import annotations

from riffengine.processes.player_messages import SetGrid
from riffengine.scheduler.actions import Action, ToPlayerMessage
from riffengine.scheduler.drift import DriftStepper
from riffengine.scheduler.landings import Landings
from riffengine.scheduler.state import SchedulerState
from riffengine.transport.beat_grid import BeatGrid


class TempoFollow:
    """What a tempo source may change. Belongs to the Conductor's thread; calls come in order of ``frame``."""

    def __init__(self, scheduler: SchedulerState, landings: Landings, drift: DriftStepper) -> None:
        self._scheduler, self._landings, self._drift = scheduler, landings, drift

    def free_at(self, frame: int) -> bool:
        """Whether a new grid may be announced: one at a time, and a change of tempo in progress is completed first."""
        self._scheduler.timeline.settle(frame)
        return self._scheduler.timeline.upcoming is None

    def grid_at(self, frame: int) -> BeatGrid:
        """The grid that would rule at ``frame`` without a correction."""
        self._scheduler.timeline.settle(frame)
        return self._scheduler.timeline.latest

    def follow(self, grid: BeatGrid, jumps: bool, frame: int) -> list[Action]:
        """``grid`` rules from its anchor frame; when the beat ``jumps``, landings are estimated again."""
        scheduler = self._scheduler
        scheduler.externally_timed = True
        scheduler.timeline.settle(frame)
        scheduler.timeline.announce(grid)
        if jumps:
            self._after_jump(frame)
        return [ToPlayerMessage(SetGrid(grid, grid.anchor_frame))]

    def placed(self, grid: BeatGrid, jumps: bool, standing: bool, frame: int) -> None:
        """The player has placed the music on ``grid`` by itself, as its host demands; it is not sent back.

        While the host is ``standing`` the beat of the anchor does not pass: changes land at once.
        """
        scheduler = self._scheduler
        scheduler.externally_timed, scheduler.standing = True, standing
        scheduler.timeline.announce(grid)
        scheduler.timeline.settle(frame)
        if jumps:
            self._after_jump(frame)

    def take_over(self, frame: int) -> list[Action]:
        """The player's host has gone: the beat goes on from where it was."""
        self._scheduler.timeline.settle(frame)
        grid = self._scheduler.timeline.latest
        return [ToPlayerMessage(SetGrid(grid, max(frame, grid.anchor_frame)))]

    def release(self, at_frame: int) -> list[Action]:
        """No source sets the tempo any more: from ``at_frame`` the grid has the tempo of the parameter again."""
        scheduler = self._scheduler
        scheduler.externally_timed = scheduler.standing = False
        timeline, bpm = scheduler.timeline, scheduler.state.number("transport/tempo")
        if timeline.latest.bpm == bpm or timeline.upcoming is not None:
            return []
        grid = timeline.latest.with_tempo(bpm, at_frame)
        timeline.announce(grid)
        return [ToPlayerMessage(SetGrid(grid, at_frame))]

    def silence(self, silent: bool) -> list[Action]:
        """Fade out when the source stops, and in when it starts again; a panic stays one."""
        fade = self._scheduler.master_fade
        return [ToPlayerMessage(message) for message in (fade.stop() if silent else fade.go_on())]

    def _after_jump(self, frame: int) -> None:
        self._drift.restart()  # or it would take all steps that were jumped over at once
        self._scheduler.renders.end_pauses()
        self._landings.estimate_again(frame)
