"""What following sounds like: the real Mixer plays a tone while its grid is corrected, bent, and moved."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.processes.player_messages import LaunchBank, PlaceLoop, SetGrid
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.sync.follower import ChangeGrid, Follower
from riffengine.transport.sync.source import BeatPosition
from tests.playback.loops import LoopRack

RATE = 44100


def played(source, seconds: float):  # type: ignore[no-untyped-def]
    """The sound of a tone that follows ``source(seconds) -> BeatPosition``, and the grids that were sent."""
    rack = LoopRack(RATE, 120.0)
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, rack.tone(1760, 8)), LaunchBank("a", 0, 0, 0))
    follower, grid, sent, heard = Follower(RATE, 8), rack.grid, [], []
    for frame in range(0, round(seconds * RATE), 882):
        at_frame = frame + 2205
        if not sent or sent[-1].grid.anchor_frame <= frame:
            for action in follower.decide(at_frame, grid, source(at_frame / RATE), 120.0):
                if isinstance(action, ChangeGrid):
                    grid = action.grid
                    sent.append(action)
                    mixer.schedule(SetGrid(grid, grid.anchor_frame))
        heard.append(mixer.pull(882))
    return rack, np.concatenate(heard), sent


def largest_step(samples) -> float:  # type: ignore[no-untyped-def]
    return float(np.abs(np.diff(samples[:, 0])).max())


def test_following_a_wavering_tempo_makes_no_step_larger_than_those_inside_the_loop() -> None:
    def source(t: float) -> BeatPosition:
        return BeatPosition(2 * t + 0.01 * np.sin(2 * t), 120 * (1 + 0.01 * np.cos(2 * t)))

    rack, heard, sent = played(source, 8.0)
    assert len(sent) > 20
    assert not any(action.jumps for action in sent)
    inside = largest_step(rack.loops[0][0])
    # read up to 2 % faster, a tone steps up to 2 % further
    assert largest_step(heard) < 1.021 * inside


@pytest.mark.parametrize("jump", [0.05, 1.3, -0.7, 3.9])
def test_a_jump_is_crossfaded_without_a_click(jump: float) -> None:
    def source(t: float) -> BeatPosition:
        return BeatPosition(2 * t + (jump if t > 2 else 0.0), 120.0, epoch=int(t > 2))

    rack, heard, sent = played(source, 4.0)
    assert [action.jumps for action in sent].count(True) == 1
    inside = largest_step(rack.loops[0][0])
    assert largest_step(heard) < 2**0.5 * inside + 0.001  # two strangers at equal power


def test_a_large_move_of_tempo_bends_the_loop_and_stays_on_the_beat() -> None:
    def source(t: float) -> BeatPosition:
        beat = 2 * t if t < 2 else 4 + (t - 2) * 1.5
        return BeatPosition(beat, 120.0 if t < 2 else 90.0)

    rack, heard, sent = played(source, 6.0)
    grid: BeatGrid = sent[-1].grid
    assert grid.beat_at(6 * RATE) == pytest.approx(source(6.0).beat, abs=0.002)
    assert largest_step(heard) < 1.011 * largest_step(rack.loops[0][0])
