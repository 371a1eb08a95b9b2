"""The mixer is never silent or interrupted by a message, and answers or counts every message."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.playback.mixer import MIX_AHEAD_FRAMES
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import (
    FADE,
    Audible,
    BankLanded,
    FreeLoop,
    LaunchBank,
    LoopFreed,
    PlaceLoop,
    RemoveLoop,
    SetControl,
    StopPlayer,
)
from tests.playback.loops import LoopRack, pull_all, rms_db


def test_nothing_is_heard_before_the_fade_is_raised(rack: LoopRack) -> None:
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, rack.noise(1)), LaunchBank("a", 0, 0, 0), fade=0.0)
    assert not pull_all(mixer, 5000).any()
    mixer.schedule(SetControl(FADE, 1.0, 6000, 1000))
    heard = pull_all(mixer, 10_000)
    assert not heard[:1000].any()
    assert np.array_equal(heard[2000:], rack.loops[0][0, 7000:10_000])


def test_a_launch_lands_on_the_frame_it_was_asked_for(rack: LoopRack) -> None:
    mixer = rack.mixer(PlaceLoop("a", 7, 0.0, rack.noise(1)), LaunchBank("a", 7, 3210, 0))
    heard = pull_all(mixer, 5000)
    assert not heard[:3210].any()
    assert heard[3210].any()
    assert mixer.reports() == [BankLanded("a", 7, 3210, 3210)]
    assert mixer.reports() == []


def test_an_empty_or_unknown_bank_is_refused_and_the_music_continues(rack: LoopRack) -> None:
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, rack.noise(1)), LaunchBank("a", 0, 0, 0), LaunchBank("a", 5, 1000))
    assert np.array_equal(pull_all(mixer, 4000), rack.loops[0][0, :4000])
    assert mixer.counters.refused_messages == 1


def test_the_last_loop_of_a_playing_bank_stays(rack: LoopRack) -> None:
    loop = rack.noise(1)
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0), RemoveLoop("a", 0, 0.0, 1000), FreeLoop(loop.loop)
    )
    assert np.array_equal(pull_all(mixer, 4000), rack.loops[0][0, :4000])
    assert not [report for report in mixer.reports() if isinstance(report, LoopFreed)]


def test_a_loop_is_freed_only_after_its_last_sample(rack: LoopRack) -> None:
    old, new = rack.noise(1), rack.noise(2)
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, old), LaunchBank("a", 0, 0, 0))
    pull_all(mixer, 1000)
    mixer.schedule(PlaceLoop("a", 1, 0.0, new))
    mixer.schedule(LaunchBank("a", 1, 2000, 3000))
    mixer.schedule(FreeLoop(old.loop))
    while not (freed := [report for report in mixer.reports() if isinstance(report, LoopFreed)]):
        mixer.pull(64)
        assert mixer.frame < 6000
    assert mixer.frame + MIX_AHEAD_FRAMES >= 5000
    assert freed == [LoopFreed(old.loop, old.slot)]
    rack.loops[old.slot][:] = np.nan  # the slot is written again: it must not be heard
    assert np.isfinite(pull_all(mixer, 30_000)).all()
    assert mixer.counters.damaged_frames == 0


def test_a_loop_that_never_sounded_is_freed_at_once_and_cannot_be_placed_again(rack: LoopRack) -> None:
    sounding, spare = rack.noise(1), rack.noise(2)
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, sounding),
        LaunchBank("a", 0, 0, 0),
        PlaceLoop("a", 3, 0.0, spare),
        PlaceLoop("a", 0, 0.5, spare, 2000),
        FreeLoop(spare.loop),
        FreeLoop(4711),
    )
    mixer.pull(64)
    assert LoopFreed(spare.loop, spare.slot) in mixer.reports()
    assert np.array_equal(pull_all(mixer, 9000), rack.loops[0][0, 64:9000])
    assert mixer.counters.refused_messages == 1  # 4711 is unknown


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e30])
def test_a_damaged_loop_is_never_heard(rack: LoopRack, poison: float) -> None:
    good, bad = rack.noise(1), rack.noise(2)
    rack.loops[bad.slot][0, 12_345, 0] = poison
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, good), LaunchBank("a", 0, 0, 0), PlaceLoop("a", 1, 0.0, bad), LaunchBank("a", 1, 1000, 0)
    )
    assert np.array_equal(pull_all(mixer, 22_050), rack.loops[0][0])
    assert mixer.counters.unusable_loops == 1
    assert mixer.counters.refused_messages == 2  # the loop, and then the launch of a bank that stayed empty
    mixer.reports()
    mixer.schedule(FreeLoop(bad.loop))
    mixer.pull(64)
    assert mixer.reports() == [LoopFreed(bad.loop, bad.slot)]  # its slot is not lost


def test_a_loop_of_another_shape_than_announced_is_refused(rack: LoopRack) -> None:
    loop = rack.noise(1)
    rack.loops[loop.slot] = rack.loops[loop.slot][:, :-1]
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, loop))
    mixer.pull(64)
    assert (mixer.counters.unusable_loops, mixer.counters.refused_messages) == (1, 1)


def test_controls_reach_their_value_and_reverse_without_a_jump(rack: LoopRack) -> None:
    ones = rack.add(np.full((1, 22_050, 2), 0.5, np.float32))
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, ones),
        LaunchBank("a", 0, 0, 0),
        SetControl(parse_path("deck/a/gain"), 0.0, 1000, 1000),
        SetControl(parse_path("deck/a/gain"), 1.5, 1500, 1000),
    )
    level = pull_all(mixer, 5000)[:, 0] / 0.5
    assert level[1000] == 1.0
    assert level[1500] == pytest.approx(0.5)
    assert np.all(level[2500:] == 1.5)
    assert np.abs(np.diff(level)).max() == pytest.approx(1 / 1000, rel=1e-3)


def test_what_is_muted_before_the_fade_is_never_heard(rack: LoopRack) -> None:
    begin = (
        SetControl(parse_path("deck/a/mute"), 1, None, 0),
        PlaceLoop("a", 0, 0.0, rack.noise(1)),
        LaunchBank("a", 0, None, 0),
    )
    mixer = rack.mixer(*begin, SetControl(FADE, 1.0, None, 20), fade=0.0)
    assert not pull_all(mixer, 5000).any()


def test_mute_takes_five_milliseconds_for_any_requested_ramp(rack: LoopRack) -> None:
    ones = rack.add(np.full((1, 22_050, 2), 0.5, np.float32))
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, ones),
        LaunchBank("a", 0, 0, 0),
        SetControl(parse_path("deck/a/mute"), 1, 1000, 0),
        SetControl(parse_path("deck/a/mute"), 0, 3000, 44_100),
    )
    level = pull_all(mixer, 5000)[:, 0]
    assert level[1000] == 0.5
    assert level[1000 + 219] > 0
    assert not level[1000 + 220 : 3000].any()
    assert np.all(level[3220:] == 0.5)


def test_stems_have_their_own_gain_and_mono_sounds_on_both_sides(rack: LoopRack) -> None:
    samples = np.random.default_rng(3).standard_normal((2, 22_050, 1)).astype(np.float32) * 0.1
    loop = rack.add(samples, 1, ("drums", "bass"))
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, loop),
        LaunchBank("a", 0, 0, 0),
        SetControl(parse_path("deck/a/stem/drums/gain"), 0.0, 2000, 0),
    )
    heard = pull_all(mixer, 4000)
    assert np.array_equal(heard[:, 0], heard[:, 1])
    assert np.array_equal(heard[:2000, 0], samples[0, :2000, 0] + samples[1, :2000, 0])
    assert np.array_equal(heard[2000:, 0], samples[1, 2000:4000, 0])


@pytest.mark.parametrize("bpm", [120.0, 121.3])
def test_a_stem_gain_is_the_same_while_it_moves_and_when_it_rests(bpm: float) -> None:
    rack = LoopRack(44100, bpm)
    loop = rack.noise(1, stems=3)
    quiet = rack.mixer(PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0))
    moving = rack.mixer(
        PlaceLoop("a", 0, 0.0, loop),
        LaunchBank("a", 0, 0, 0),
        SetControl(parse_path("deck/a/stem/stem1/gain"), 1 - 1e-9, 1000, 9000),
    )
    assert np.abs(pull_all(quiet, 12_000) - pull_all(moving, 12_000)).max() < 1e-6


@pytest.mark.parametrize(
    "message",
    [
        SetControl(parse_path("deck/a/reverb"), 1.0, 0),
        SetControl(parse_path("deck/z/gain"), 1.0, 0),
        SetControl(parse_path("deck"), 1.0, 0),
        SetControl(parse_path("master/gain"), float("nan"), 0),
        LaunchBank("z", 0, 0),
        RemoveLoop("a", 0, 0.5, 0),
        StopPlayer(),
    ],
)
def test_a_message_that_cannot_be_carried_out_is_counted_and_changes_nothing(rack: LoopRack, message) -> None:  # type: ignore[no-untyped-def]
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, rack.noise(1)), LaunchBank("a", 0, 0, 0), message)
    assert np.array_equal(pull_all(mixer, 3000), rack.loops[0][0, :3000])
    assert mixer.counters.refused_messages == 1


def test_a_late_message_acts_at_once_and_its_frame_is_reported(rack: LoopRack) -> None:
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, rack.noise(1)))
    pull_all(mixer, 4096)
    mixer.schedule(LaunchBank("a", 0, 100, 0))
    mixer.pull(512)
    assert mixer.reports() == [BankLanded("a", 0, 4096 + MIX_AHEAD_FRAMES, 100)]
    assert mixer.counters.late_messages == 1


def test_a_gesture_with_a_time_stamp_is_reported_when_audible(rack: LoopRack) -> None:
    mixer = rack.mixer(SetControl(parse_path("crossfader"), 1.0, 700, stamp_ns=99))
    mixer.pull(512)
    assert mixer.reports() == []
    mixer.pull(512)
    assert mixer.reports() == [Audible(parse_path("crossfader"), 99, 700, 0)]


def test_the_fade_out_ends_in_silence(rack: LoopRack) -> None:
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, rack.noise(1)), LaunchBank("a", 0, 0, 0), SetControl(FADE, 0.0, 5000, 3000)
    )
    heard = pull_all(mixer, 7990)
    assert rms_db(heard[4000:5000]) > -21
    assert not mixer.fade_ended()
    mixer.pull(10)
    assert mixer.fade_ended()
    assert not mixer.pull(512).any()
