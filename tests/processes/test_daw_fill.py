"""What the engine writes next: a host that stands, starts, jumps, loops and changes its tempo, on simulated time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from riffengine.processes.daw_fill import VARISPEED, Fill, FillPlan
from riffengine.processes.daw_ring import HostTime
from tests.processes.test_daw_ring import host_time

RATE, BLOCK, AHEAD = 48000, 256, 2048
PER_FRAME = 120.0 / 60.0 / RATE


class Ring:
    """Counts what was written, as the ring does."""

    def __init__(self) -> None:
        self.plan = FillPlan(RATE)
        self.written = 0
        self.fills: list[Fill] = []

    def fill(self, host: HostTime, most: int = 100) -> list[Fill]:
        made = []
        while len(made) < most and (fill := self.plan.next(host, BLOCK, AHEAD)) is not None:
            self.plan.wrote(fill, self.written, host)
            self.written += fill.frames
            made.append(fill)
        self.fills += made
        return made


def rolling(beat: float, **other: object) -> HostTime:
    bpm = float(other.get("bpm", 120.0))  # type: ignore[arg-type]  # a number
    return host_time(beat, **{"wanted": beat + BLOCK * bpm / 60.0 / RATE, **other})


def test_a_host_that_stands_has_music_before_and_after_its_place() -> None:
    ring = Ring()
    stands = host_time(8.0, rolling=False, playing=False, wanted=8.0 - 1024 * PER_FRAME)
    made = ring.fill(stands)
    assert made[0].beat == 8.0 - 1024 * PER_FRAME
    assert not made[0].continues
    assert all(fill.continues for fill in made[1:])
    assert made[-1].beat + BLOCK * PER_FRAME == pytest.approx(8.0 + AHEAD * PER_FRAME)
    assert ring.fill(stands) == []


def test_while_it_rolls_blocks_follow_each_other_at_exactly_its_tempo() -> None:
    ring = Ring()
    for block in range(2000):
        ring.fill(rolling(block * BLOCK * PER_FRAME, read=(block - 1) * BLOCK))
    assert ring.plan.next(rolling(2000 * BLOCK * PER_FRAME, read=1999 * BLOCK), BLOCK, AHEAD) is not None
    assert {fill.run for fill in ring.fills} == {1}
    assert {fill.bpm for fill in ring.fills} == {120.0}
    beats = [fill.beat for fill in ring.fills]
    assert beats == pytest.approx([beats[0] + n * BLOCK * PER_FRAME for n in range(len(beats))], abs=1e-9)


def test_a_jump_and_a_step_of_the_tempo_begin_a_run_where_the_host_is() -> None:
    ring = Ring()
    ring.fill(rolling(0.0))
    jumped = ring.fill(rolling(16.0, jumps=1))
    assert (jumped[0].run, jumped[0].continues) == (2, False)
    assert jumped[0].beat == 16.0 + BLOCK * PER_FRAME
    stepped = ring.fill(rolling(16.0 + BLOCK * PER_FRAME, jumps=1, bpm=174.0))
    assert (stepped[0].run, stepped[0].bpm) == (3, 174.0)


def test_a_slow_ramp_goes_on_in_its_run() -> None:
    ring = Ring()
    beat, read = 0.0, -BLOCK  # the first block was silent
    for block in range(400):  # 10 bpm a second
        bpm = 120.0 + block * BLOCK / RATE * 10.0
        ring.fill(rolling(beat, bpm=bpm, read=read))
        beat += BLOCK * bpm / 60.0 / RATE
        read += BLOCK
    assert {fill.run for fill in ring.fills} == {1}
    assert ring.fills[-1].bpm == pytest.approx(bpm, rel=2 * VARISPEED)


def test_an_engine_that_was_late_goes_on_where_the_host_is_now() -> None:
    ring = Ring()
    ring.fill(rolling(0.0))
    late = ring.fill(rolling(1.0))
    assert late[0].beat == pytest.approx(1.0 + BLOCK * PER_FRAME)
    assert late[0].run == 2


def test_a_loop_range_is_written_round_before_the_host_gets_there() -> None:
    ring = Ring()
    beat, read = 3.5, -BLOCK
    for _ in range(300):
        ring.fill(rolling(beat, loop=(0.0, 4.0), read=read))
        beat += BLOCK * PER_FRAME
        read += BLOCK
        if beat >= 4.0:
            beat -= 4.0
    assert {fill.run for fill in ring.fills} == {1}
    turns = [fill for fill in ring.fills[1:] if not fill.continues]
    assert [round(fill.beat, 4) for fill in turns] == [0.0]
    for before, after in zip(ring.fills, ring.fills[1:], strict=False):
        end = before.beat + before.frames * PER_FRAME
        assert after.beat == pytest.approx(end if after.continues else end - 4.0, abs=1e-9)


def test_a_small_error_is_caught_up_within_a_percent() -> None:
    ring = Ring()
    beat, read = 0.0, -BLOCK  # the first block was silent
    for block in range(600):
        host = rolling(beat + (0.001 if block > 20 else 0.0), read=read)
        ring.fill(host)
        beat += BLOCK * PER_FRAME
        read += BLOCK
    assert {fill.run for fill in ring.fills} == {1}
    assert max(fill.bpm for fill in ring.fills) <= 120.0 * (1 + VARISPEED) + 1e-9
    assert max(fill.bpm for fill in ring.fills) > 120.0
    assert abs(ring.fills[-1].beat - (beat + 0.001) - (AHEAD - BLOCK) * PER_FRAME) < 2 * BLOCK * PER_FRAME


def test_nothing_is_written_for_a_host_without_a_tempo() -> None:
    plan = FillPlan(RATE)
    assert plan.next(replace(host_time(), bpm=0.0), BLOCK, AHEAD) is None
