"""The MIDI clock source under jitter, lost and doubled ticks, and changes of tempo."""

from __future__ import annotations

import math

import numpy as np
import pytest

from riffengine.transport.sync.midi_clock import CLOCK, CONTINUE, START, STOP, MidiClock
from tests.transport.sync.clock_sender import SECOND, Sender

TICK = (CLOCK,)


def errors(sender: Sender, clock: MidiClock, jitter: float, lose=(), double=(), seed: int = 1):  # type: ignore[no-untyped-def]
    """(seconds, phase error in seconds, tempo) after every tick."""
    clock.take((START,), 0)
    found = []
    for tick, ns in sender.arrivals(jitter, seed):
        if tick not in lose:
            clock.take(TICK, ns)
        if tick in double:
            clock.take(TICK, ns + 300_000)
        position = clock.position(ns)
        if position is not None:
            found.append((ns / SECOND - 1.0, sender.error_seconds(position.beat, position.bpm, ns), position.bpm))
    return np.array(found)


@pytest.mark.parametrize("bpm", [20.0, 61.0, 120.0, 174.0, 300.0])
def test_one_millisecond_of_jitter_leaves_less_than_one_millisecond_of_error(bpm: float) -> None:
    found = errors(Sender.steady(bpm, 180.0), MidiClock(), 0.001)
    settled = found[found[:, 0] > 24 * 60 / bpm]
    assert np.abs(settled[:, 1]).max() < 0.001
    assert np.abs(settled[:, 2] / bpm - 1).max() < 0.001


def test_999_bpm_is_followed_although_its_ticks_are_as_close_as_the_jitter() -> None:
    found = errors(Sender.steady(999.0, 60.0), MidiClock(), 0.0002)
    assert np.abs(found[found[:, 0] > 2.0, 1]).max() < 0.001


def test_lost_ticks_are_counted_and_doubled_ones_are_dropped() -> None:
    clock = MidiClock()
    rng = np.random.default_rng(4)
    lose, double = (set(rng.integers(100, 5000, 50)) for _ in range(2))
    found = errors(Sender.steady(120.0, 110.0), clock, 0.001, lose, double - lose)
    assert np.abs(found[found[:, 0] > 4.0, 1]).max() < 0.001
    assert clock.counters.lost == len(lose)
    assert clock.counters.doubled == len(double - lose)
    assert clock.counters.relocks == 0


def test_a_stall_of_the_machine_loses_no_tick() -> None:
    clock, sender = MidiClock(), Sender.steady(120.0, 60.0)
    clock.take((START,), 0)
    worst = 0.0
    for tick, ns in sender.arrivals(0.0005):
        stalled = 20 * SECOND < ns < 20 * SECOND + 150_000_000
        clock.take(TICK, 20 * SECOND + 150_000_000 + tick if stalled else ns)
        position = clock.position(ns)
        if position is not None and tick > 96:
            worst = max(worst, abs(sender.error_seconds(position.beat, position.bpm, ns)))
    assert worst < 0.001


def test_a_ramp_is_followed_within_three_milliseconds() -> None:
    sender = Sender(lambda t: 120 + 8 * min(max(t - 20, 0) / 16, 1), 60.0)
    found = errors(sender, MidiClock(), 0.001)
    assert np.abs(found[found[:, 0] > 5.0, 1]).max() < 0.003
    assert found[-1, 2] == pytest.approx(128, rel=1e-3)


@pytest.mark.parametrize(("before", "after"), [(120.0, 90.0), (120.0, 60.0), (60.0, 150.0), (120.0, 121.0)])
def test_a_jump_of_tempo_is_found_within_a_beat_and_no_tick_is_lost(before: float, after: float) -> None:
    sender = Sender(lambda t: before if t < 20 else after, 60.0)
    found = errors(sender, MidiClock(), 0.001)
    beat = 60 / after
    calm = (found[:, 0] < 20) & (found[:, 0] > 8)
    later = found[found[:, 0] > 20 + beat]
    assert np.abs(found[calm, 1]).max() < 0.001
    assert np.abs(later[:, 1]).max() < 0.005
    assert np.abs(found[found[:, 0] > 20 + 8 * beat, 1]).max() < 0.0015
    assert found[-1, 2] == pytest.approx(after, rel=1e-3)


def test_only_the_tempo_is_known_until_start() -> None:
    clock = MidiClock()
    for number in range(100):
        clock.take(TICK, number * 20_000_000)
    position = clock.position(99 * 20_000_000)
    assert position is not None
    assert position.bpm == pytest.approx(125.0)
    assert (position.playing, position.phase_beats) == (False, 0.0)


def test_start_stop_continue_and_song_position() -> None:
    clock = MidiClock()
    now = 0

    def ticks(count: int) -> None:
        nonlocal now
        for _ in range(count):
            now += 20_000_000
            clock.take(TICK, now)

    def beat() -> float:
        position = clock.position(now)
        assert position is not None
        return position.beat

    ticks(30)
    clock.take((START,), now + 1)
    ticks(1)
    assert beat() == pytest.approx(0.0, abs=1e-9)
    ticks(48)
    assert beat() == pytest.approx(2.0)
    first = clock.position(now)
    clock.take((STOP,), now + 1)
    ticks(11)
    assert clock.position(now).playing is False  # type: ignore[union-attr]
    clock.take((CONTINUE,), now + 1)
    ticks(1)
    assert beat() == pytest.approx(2.0 + 1 / 24)  # the tick after the last one that was played
    clock.take((STOP,), now + 1)
    clock.take((0xF2, 0x10, 0x02), now + 2)  # (2·128 + 16) sixteenths = beat 68
    ticks(3)
    clock.take((CONTINUE,), now + 1)
    ticks(1)
    assert beat() == pytest.approx(68.0)
    assert clock.position(now).epoch == first.epoch + 2  # type: ignore[union-attr]


def test_a_stopped_clock_has_no_pace_and_may_come_back() -> None:
    clock = MidiClock()
    clock.take((START,), 0)
    for number in range(100):
        clock.take(TICK, number * 20_000_000)
    end = 99 * 20_000_000
    assert clock.position(end + 400_000_000) is not None
    assert clock.position(end + 600_000_000) is None
    for number in range(30):
        clock.take(TICK, end + 5 * SECOND + number * 25_000_000)
    assert clock.position(end + 5 * SECOND + 29 * 25_000_000).bpm == pytest.approx(100.0)  # type: ignore[union-attr]


@pytest.mark.parametrize("message", [(), (0x90, 1, 2), (0xF2, 1), (0xFE,), (0xFF,)])
def test_other_messages_are_ignored(message: tuple[int, ...]) -> None:
    clock = MidiClock()
    clock.take(message, 5)
    assert clock.position(5) is None


def on_grid(at_ns: float, frames: int, rate: int, delay: float) -> int:
    """When a tick that was sent at ``at_ns`` is delivered: at the end of its period, and ``delay`` seconds later."""
    period = frames * 1e9 / rate
    return round((math.ceil(at_ns / period - 0.3) + 0.3) * period + delay * 1e9)


def errors_on_grid(sender: Sender, clock: MidiClock, frames: int, rate: int, lose=()):  # type: ignore[no-untyped-def]
    """As ``errors``, of a sender whose ticks arrive once a period of ``frames`` at ``rate``."""
    clock.take((START,), 0)
    rng, found = np.random.default_rng(2), []
    for tick, ns in sender.arrivals(0.0):
        if tick in lose:
            continue
        arrived = on_grid(ns, frames, rate, abs(rng.normal(0.0, 0.0001)))
        clock.take(TICK, arrived)
        if (position := clock.position(arrived)) is not None:
            error = sender.error_seconds(position.beat, position.bpm, arrived)
            found.append((ns / SECOND - 1.0, error, position.bpm))
    return np.array(found)


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("frames", [256, 512, 1024, 2048])
@pytest.mark.parametrize(
    "bpm", [60.0, 75.0, 90.0, 112.0, 118.0, 120.0, 123.0, 124.0, 128.0, 140.0, 160.0, 174.0, 180.0]
)
def test_ticks_that_arrive_once_a_period_give_the_right_tempo_and_beat(bpm: float, frames: int, rate: int) -> None:
    found = errors_on_grid(Sender.steady(bpm, 30.0), MidiClock(), frames, rate)
    settled = found[found[:, 0] > 10.0]
    assert len(settled) > 400
    assert np.abs(settled[:, 1]).max() < 0.005
    assert np.abs(settled[:, 2] / bpm - 1).max() < 0.005


@pytest.mark.parametrize("frames", [256, 512, 1024])
@pytest.mark.parametrize(("before", "after"), [(120.0, 90.0), (120.0, 60.0), (120.0, 124.0)])
def test_a_jump_of_tempo_is_found_on_a_grid(before: float, after: float, frames: int) -> None:
    found = errors_on_grid(Sender(lambda t: before if t < 20 else after, 60.0), MidiClock(), frames, 48000)
    settled = ((found[:, 0] > 8) & (found[:, 0] < 20)) | (found[:, 0] > 20 + 8 * 60 / after)
    assert np.abs(found[settled, 1]).max() < 0.005
    assert found[-1, 2] == pytest.approx(after, rel=1e-3)


def test_ticks_that_are_lost_on_a_grid_are_counted() -> None:
    clock, lose = MidiClock(), set(np.random.default_rng(3).integers(200, 2400, 20))
    found = errors_on_grid(Sender.steady(126.0, 60.0), clock, 256, 48000, lose)
    assert np.abs(found[found[:, 0] > 8.0, 1]).max() < 0.005
    assert clock.counters.lost == len(lose)
