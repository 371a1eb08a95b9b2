"""Follower: decides how our beat grid changes so that it stays on a source's beat. Pure decisions.

There were two designs. In one the grid never leaves the tempo its loops were rendered at by more than 1 %, so after a
large change it is off the beat until new loops are ready, and then jumps. In the other, used here, the grid is always
on the source's beat: loops are read as much faster or slower as that needs, and new ones, rendered at the new tempo,
replace them in phase within a bar. This bends the pitch for that bar (as a turntable does), but it is never off the
beat, not even when the renderer is dead.
"""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.sync.source import FASTEST_BPM, SLOWEST_BPM, BeatPosition, fold


@dataclass(frozen=True)
class ChangeGrid:
    """Change to ``grid`` at its anchor frame; ``jumps`` says that the beat does not continue from where it was."""

    grid: BeatGrid
    jumps: bool


@dataclass(frozen=True)
class SetLoopTempo:
    """Render loops at ``bpm``."""

    bpm: float


FollowAction = ChangeGrid | SetLoopTempo

_SMALL_STEP_BACK_BEATS = 0.5


@dataclass(frozen=True)
class FollowPolicy:
    """The limits of the follower."""

    varispeed: float = 0.01  # the most that loops are read faster or slower to catch up: 17 cents
    catch_up_seconds: float = 0.5  # an error of 1 ms bends the pitch by 3 cents
    jump_seconds: float = 0.02  # a larger error is corrected by a jump: at 1 % it would be heard for 2 s
    start_jump_seconds: float = 0.002  # after Start and Song Position, where a jump is expected
    every_seconds: float = 0.25  # between two changes of the grid
    retune_share: float = 0.01  # the source is this far from the loops' tempo: render again
    rest_share: float = 0.002  # … or this far for a long time: 3 cents
    rest_seconds: float = 8.0
    retune_every_seconds: float = 1.0
    still_seconds: float = 2e-5
    still_share: float = 2e-6  # 7 ms in an hour


class Follower:
    """Compares our grid with a source at frames still to come. One thread.

    ``loop_beats``: shifts by whole loops do not count.
    """

    def __init__(self, sample_rate: int, loop_beats: int, policy: FollowPolicy | None = None) -> None:
        self._rate = sample_rate
        self._loop_beats = loop_beats
        self._policy = policy or FollowPolicy()
        self._fold = 1.0
        self.reset()

    def reset(self) -> None:
        """Forget the last source: another one is followed."""
        self.error_seconds = 0.0  # how far we were behind the source at the last decision
        self._epoch: int | None = None
        self._next_grid = 0
        self._next_retune = 0
        self._rest_bpm = 0.0
        self._rest_frame = 0

    def decide(
        self, at_frame: int, grid: BeatGrid, position: BeatPosition | None, loops_bpm: float
    ) -> list[FollowAction]:
        """What to do at ``at_frame``, where ``grid`` is ours and ``position`` the source's; nothing without one.

        ``loops_bpm`` is the tempo that loops are rendered at.
        """
        if position is None:
            return []
        self._fold = fold(position.bpm, self._fold)
        bpm = position.bpm * self._fold
        actions: list[FollowAction] = [*self.retune(at_frame, bpm, loops_bpm, position.steady)]
        moved, self._epoch = self._epoch != position.epoch, position.epoch
        if at_frame < self._next_grid and not moved:
            return actions
        policy = self._policy
        behind, round_beats = self._behind(at_frame, grid, position)
        self.error_seconds = behind * 60.0 / bpm
        allowed = policy.start_jump_seconds if moved else policy.jump_seconds
        if abs(self.error_seconds) > allowed:
            # Beats only increase: a change that lands on a beat may come early, but no beat comes twice.
            ahead = behind if behind >= -_SMALL_STEP_BACK_BEATS else behind + round_beats
            change = ChangeGrid(BeatGrid(self._rate, bpm, at_frame, grid.beat_at(at_frame) + ahead), jumps=True)
        else:
            wanted = self._clipped(bpm * (1.0 + self.error_seconds / policy.catch_up_seconds), bpm, loops_bpm)
            still = abs(self.error_seconds) < policy.still_seconds
            if still and abs(wanted / grid.bpm - 1.0) < policy.still_share:
                return actions
            change = ChangeGrid(grid.with_tempo(wanted, at_frame), jumps=False)
        self._next_grid = at_frame + round(policy.every_seconds * self._rate)
        return [change, *actions]

    def _behind(self, at_frame: int, grid: BeatGrid, position: BeatPosition) -> tuple[float, float]:
        """How many beats we are behind, and the number of beats after which positions repeat."""
        round_beats = min(position.phase_beats * self._fold, float(self._loop_beats))
        if round_beats <= 0.0:
            return 0.0, 0.0
        behind = (position.beat * self._fold - grid.beat_at(at_frame)) % round_beats
        return (behind - round_beats if behind > round_beats / 2 else behind), round_beats

    def _clipped(self, wanted: float, source_bpm: float, loops_bpm: float) -> float:
        reach = self._policy.varispeed
        middle = loops_bpm if abs(source_bpm / loops_bpm - 1.0) <= reach else source_bpm
        return min(max(wanted, middle * (1.0 - reach)), middle * (1.0 + reach))

    def retune(self, at_frame: int, bpm: float, loops_bpm: float, steady: bool = True) -> list[SetLoopTempo]:
        """Whether loops must be rendered again for a source of ``bpm``, which lies in our range; ``decide`` asks it."""
        policy = self._policy
        away = abs(bpm / loops_bpm - 1.0)
        if self._rest_bpm == 0.0 or abs(bpm / self._rest_bpm - 1.0) > policy.rest_share / 2:
            self._rest_bpm, self._rest_frame = bpm, at_frame
        rests = at_frame - self._rest_frame >= policy.rest_seconds * self._rate
        far = away > policy.retune_share or (rests and away > policy.rest_share)
        if not far or not steady or at_frame < self._next_retune:
            return []
        self._next_retune = at_frame + round(policy.retune_every_seconds * self._rate)
        # A tenth of a bpm is 3 cents at most, and with rounded tempos earlier loops are found again.
        return [SetLoopTempo(min(max(round(bpm, 1), SLOWEST_BPM), FASTEST_BPM))]
