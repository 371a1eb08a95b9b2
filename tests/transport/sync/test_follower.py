"""The decisions of the follower for one grid and one source."""

from __future__ import annotations

import math

import pytest

from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.sync.follower import ChangeGrid, Follower, FollowPolicy, SetLoopTempo
from riffengine.transport.sync.source import BeatPosition, fold

RATE = 48000
GRID = BeatGrid(RATE, 120.0)


def change(
    follower: Follower, position: BeatPosition, frame: int = 48000, grid: BeatGrid = GRID, loops: float = 120.0
) -> ChangeGrid:
    found = [action for action in follower.decide(frame, grid, position, loops) if isinstance(action, ChangeGrid)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("bpm", "folded"), [(20.0, 80.0), (59.9, 119.8), (60.0, 60.0), (180.0, 180.0), (181.0, 90.5), (300.0, 150.0)]
)
def test_any_tempo_from_20_to_999_is_folded_into_the_range_of_loops(bpm: float, folded: float) -> None:
    assert bpm * fold(bpm) == pytest.approx(folded)
    assert 60 <= 999 * fold(999) <= 180


def test_a_tempo_that_varies_around_the_edge_keeps_its_multiple() -> None:
    follower = Follower(RATE, 8)
    for frame, bpm in enumerate((59.0, 60.5, 59.5, 61.0)):
        made = change(follower, BeatPosition(0.0, bpm, phase_beats=0.0), 48000 * (1 + frame))
        assert made.grid.bpm == pytest.approx(2 * bpm, rel=0.011)


def test_a_small_error_is_corrected_by_varispeed_without_a_jump() -> None:
    made = change(Follower(RATE, 8), BeatPosition(2.0 + 0.002, 120.0))  # 1 ms behind
    assert not made.jumps
    assert made.grid.beat_at(48000) == GRID.beat_at(48000)
    assert made.grid.bpm == pytest.approx(120.24)


@pytest.mark.parametrize("behind", [0.015, -0.015])
def test_varispeed_never_exceeds_one_per_cent(behind: float) -> None:
    follower = Follower(RATE, 8)
    change(follower, BeatPosition(2.0, 120.1))
    made = change(follower, BeatPosition(4.0 + behind * 2, 120.1), 96000)
    assert not made.jumps
    assert made.grid.bpm == pytest.approx(120 * (1 + math.copysign(0.01, behind)))


@pytest.mark.parametrize(("behind", "goes"), [(0.1, 0.1), (3.0, 3.0), (-0.1, -0.1), (-3.0, 5.0), (8.0, 0.0)])
def test_a_large_error_is_corrected_by_a_jump_and_the_beat_never_goes_far_back(behind: float, goes: float) -> None:
    follower = Follower(RATE, 8)
    made = change(follower, BeatPosition(2.0 + behind, 126.0))
    assert made.jumps == (goes != 0.0)
    assert made.grid.beat_at(48000) == pytest.approx(2.0 + goes)


def test_of_a_source_without_a_position_only_the_tempo_is_followed() -> None:
    made = change(Follower(RATE, 8), BeatPosition(2.7, 121.0, phase_beats=0.0))
    assert (made.jumps, made.grid.bpm) == (False, 121.0)


def test_link_peers_share_a_bar_not_a_song_position() -> None:
    follower = Follower(RATE, 8)
    assert not change(
        follower, BeatPosition(102.0, 120.5, phase_beats=4.0)
    ).jumps  # we are at 2: the same beat of the bar


def test_a_start_is_followed_at_once_and_to_two_milliseconds() -> None:
    follower = Follower(RATE, 8)
    change(follower, BeatPosition(2.01, 120.0), 48000)
    assert follower.decide(48100, GRID, BeatPosition(2.014, 120.0), 120.0) == []
    made = change(follower, BeatPosition(2.014, 120.0, epoch=1), 48100)
    assert made.jumps


def test_loops_are_rendered_again_beyond_one_per_cent_and_only_at_a_steady_tempo() -> None:
    follower = Follower(RATE, 8)
    assert SetLoopTempo(128.0) not in follower.decide(48000, GRID, BeatPosition(2.0, 128.03, steady=False), 120.0)
    assert SetLoopTempo(128.0) in follower.decide(48100, GRID, BeatPosition(2.0, 128.03), 120.0)
    assert not [a for a in follower.decide(60000, GRID, BeatPosition(2.0, 129.9), 120.0) if isinstance(a, SetLoopTempo)]


def test_loops_are_tuned_to_a_tempo_that_has_settled() -> None:
    follower, retuned = Follower(RATE, 8), []
    for second in range(20):
        actions = follower.decide(second * RATE, GRID, BeatPosition(2.0 * second, 120.84, phase_beats=0.0), 120.0)
        retuned += [(second, action.bpm) for action in actions if isinstance(action, SetLoopTempo)]
    assert retuned[0] == (8, 120.8)
    assert not Follower(RATE, 8).decide(0, GRID, None, 120.0)


def test_there_are_no_actions_when_nothing_needs_correction() -> None:
    follower = Follower(RATE, 8, FollowPolicy())
    assert follower.decide(48000, GRID, BeatPosition(2.0, 120.0), 120.0) == []
