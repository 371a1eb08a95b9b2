"""What the engine knows of the frames when one player takes the place of another."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.clock import VirtualClock
from riffengine.engine.stream_clock import StreamClock
from riffengine.output.callback import AudioCallback
from riffengine.playback.mixer import Mixer
from riffengine.processes.player_messages import Status
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.sync.frame_clock import FrameClock

RATE, BLOCK, BLOCK_NS = 48_000, 480, 10_000_000


def player(clock: VirtualClock, continues: tuple[int, int] | None = None) -> AudioCallback:
    mixer = Mixer(
        RATE, BeatGrid(RATE, 120.0), lambda ref: np.zeros((1, ref.frames, ref.channels), np.float32), ("a",), 1
    )
    return AudioCallback(mixer, None, clock, continues=continues)


def pull(callback: AudioCallback, clock: VirtualClock, blocks: int, frames: FrameClock) -> None:
    """A device that asks for a block every 10 ms."""
    for _ in range(blocks):
        callback.fill(np.zeros((BLOCK, 2), np.float32), False)
        status = callback.status()
        frames.mark(status.frame, status.host_ns)
        clock.advance_to(clock.now_ns() + BLOCK_NS)


@pytest.mark.parametrize("away_blocks", [1, 37, 900])
def test_seven_players_in_a_row_pull_every_frame_when_the_first_would_have(away_blocks: int) -> None:
    clock, frames = VirtualClock(), FrameClock(RATE)
    callback = player(clock)
    began_ns = clock.now_ns()
    for _ in range(7):
        pull(callback, clock, 50, frames)
        frame = callback.status().frame
        clock.advance_to(clock.now_ns() + away_blocks * BLOCK_NS)
        callback = player(clock, (frame, frames.pull_ns(frame, BLOCK)))
    passed = round((clock.now_ns() - began_ns) * RATE / 1e9)  # frames pulled by a player that never died
    pull(callback, clock, 1, frames)
    assert callback.status().frame == pytest.approx(passed + BLOCK, abs=7)  # each life may round by one


def test_the_counts_of_dead_players_are_not_forgotten() -> None:
    clock = StreamClock(RATE, BLOCK, VirtualClock())
    clock.report(Status(1000, 0, 3, 2, 0.0, 0.0))
    clock.player_lost()
    clock.report(Status(2000, 0, 0, 0, 0.0, 0.0))
    clock.report(Status(3000, 0, 1, 0, 0.0, 0.0))
    clock.player_lost()
    clock.report(Status(4000, 0, 0, 5, 0.0, 0.0))
    assert clock.anchor is not None
    assert (clock.underruns, clock.anchor.late_messages) == (4, 7)
