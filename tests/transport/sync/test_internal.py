"""Taps, nudges and ramps on simulated time, and the frame clock."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.transport.sync.frame_clock import FrameClock
from riffengine.transport.sync.internal import InternalSource, TapTempo

MS = 1_000_000


def tapped(*gaps_ms: float) -> float | None:
    taps, now = TapTempo(), 10_000 * MS
    bpm = taps.tap(now)
    for gap in gaps_ms:
        now += round(gap * MS)
        bpm = taps.tap(now)
    return bpm


def test_three_taps_are_a_tempo_and_two_are_not() -> None:
    assert tapped(500) is None
    assert tapped(500, 500) == pytest.approx(120.0)


def test_an_outlier_is_left_out() -> None:
    assert tapped(500, 500, 510, 490, 800, 500) == pytest.approx(120.0)


def test_two_similar_outliers_are_a_new_tempo() -> None:
    assert tapped(500, 500, 500, 800, 800, 800) == pytest.approx(75.0)


def test_a_bounced_tap_and_a_pause_have_no_effect() -> None:
    assert tapped(500, 500, 20, 480) == pytest.approx(120.0)
    assert tapped(500, 500, 5000) is None


@pytest.mark.parametrize(("gap", "bpm"), [(2000, 60.0), (200, 150.0)])
def test_slow_and_fast_taps_are_folded(gap: float, bpm: float) -> None:
    assert tapped(gap, gap, gap) == pytest.approx(bpm)


def test_a_ramp_takes_the_given_number_of_beats() -> None:
    source = InternalSource()
    source.begin(0, 32.0, 120.0)
    source.ramp(1000 * MS, 90.0, 16.0)
    end = 1000 * MS + round(16 * 60e9 / 105)
    arrived = source.position(end)
    assert arrived is not None
    assert arrived.beat == pytest.approx(34.0 + 16.0, abs=1e-6)
    assert arrived.bpm == pytest.approx(90.0)
    assert source.ramps(end - MS)
    assert not source.ramps(end + MS)
    middle = source.position((1000 * MS + end) // 2)
    assert middle is not None
    assert middle.bpm == pytest.approx(105.0)


def test_the_frame_clock_finds_the_rate_of_the_device_through_its_jitter() -> None:
    clock, rng = FrameClock(48000, 0.01), np.random.default_rng(7)
    period = 1e9 / 48000.0 * (1 - 80e-6)
    worst = 0.0
    for mark in range(1, 3000):
        frame = mark * 1600
        late = 0.001 * rng.standard_normal() + (0.03 if mark % 97 == 0 else 0.0)  # some are 30 ms late
        clock.mark(frame, round(frame * period + late * 1e9))
        if mark > 240:
            worst = max(worst, abs(clock.heard_ns(frame) - frame * period - 10 * MS))
    assert worst < 0.5 * MS


def test_the_frame_clock_restarts_when_the_device_has_lost_time() -> None:
    clock = FrameClock(48000)
    for mark in range(1, 400):
        lost = 200 * MS if mark > 200 else 0
        clock.mark(mark * 1600, round(mark * 1600 * 1e9 / 48000) + lost)
    assert clock.heard_ns(400 * 1600) == pytest.approx(400 * 1600 * 1e9 / 48000 + 200 * MS, abs=MS)
    assert clock.frame_heard_at(clock.heard_ns(1234)) == pytest.approx(1234, abs=0.01)
