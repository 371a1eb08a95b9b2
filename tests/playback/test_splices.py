"""Crossfades have no click, dip or bump, for any pair of loops and however fast changes follow."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.playback.deck import MAX_FADES
from riffengine.playback.ramp import equal_power
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import BankLanded, LaunchBank, PlaceLoop, RemoveLoop, SetControl, SetGrid
from riffengine.transport.beat_grid import BeatGrid
from tests.playback.loops import LoopRack, pull_all, rms_db


def largest_step(samples: np.ndarray) -> float:  # type: ignore[type-arg]
    return float(np.abs(np.diff(samples, axis=0)).max())


def test_the_power_law_keeps_power_for_every_correlation() -> None:
    x = np.linspace(0, 1, 101)
    for r in (0.0, 0.3, 0.7, 1.0):
        out, into = equal_power(x, r)
        assert np.allclose(out**2 + into**2 + 2 * r * out * into, 1.0)
        assert (out[0], into[0], out[-1], into[-1]) == (1.0, 0.0, 0.0, 1.0)
        scalars = [equal_power(float(v), r) for v in x]
        assert [s[0] for s in scalars] == list(out)  # one at a time or many at once: the same bits
        assert [s[1] for s in scalars] == list(into)


@pytest.mark.parametrize("bpm", [120.0, 121.3])
def test_a_launch_of_an_identical_loop_is_not_heard_at_all(bpm: float) -> None:
    rack = LoopRack(44100, bpm)
    first, twin = rack.noise(1), rack.noise(1)
    plain = pull_all(rack.mixer(PlaceLoop("a", 0, 0.0, first), LaunchBank("a", 0, 0, 0)), 20_000)
    both = rack.mixer(
        PlaceLoop("a", 0, 0.0, first),
        LaunchBank("a", 0, 0, 0),
        PlaceLoop("a", 1, 0.0, twin),
        LaunchBank("a", 1, 5000, 4096),
    )
    assert np.abs(pull_all(both, 20_000) - plain).max() < 1e-6


@pytest.mark.parametrize("bpm", [120.0, 121.3])
@pytest.mark.parametrize("mixed", [0.0, 0.5, 0.9])
def test_the_level_is_constant_while_banks_are_crossfaded(bpm: float, mixed: float) -> None:
    rack = LoopRack(44100, bpm)
    frames = rack.grid.loop_frames(8)
    rng = np.random.default_rng(5)
    one, other = rng.standard_normal((2, 1, frames, 2)) * 0.1
    first = rack.add(one, 8)
    second = rack.add(mixed * one + np.sqrt(1 - mixed**2) * other, 8)
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, first),
        LaunchBank("a", 0, 0, 0),
        PlaceLoop("a", 1, 0.0, second),
        LaunchBank("a", 1, 30_000, 60_000),
    )
    heard = pull_all(mixer, 110_000)
    levels = [rms_db(heard[at : at + 6000]) for at in range(0, 104_000, 3000)]
    assert max(levels) - min(levels) < 0.5


def test_the_level_is_constant_along_alpha() -> None:
    rack = LoopRack()
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, rack.noise(1, 8)),
        PlaceLoop("a", 0, 1.0, rack.noise(2, 8)),
        LaunchBank("a", 0, 0, 0),
        SetControl(parse_path("deck/a/alpha"), 1.0, 10_000, 80_000),
    )
    heard = pull_all(mixer, 100_000)
    levels = [rms_db(heard[at : at + 5000]) for at in range(0, 95_000, 2500)]
    assert max(levels) - min(levels) < 0.5
    assert np.array_equal(heard[:10_000], rack.loops[0][0, :10_000])
    assert np.array_equal(heard[91_000:], rack.loops[1][0, 91_000:100_000])


def test_the_crossfader_keeps_the_level_between_decks() -> None:
    rack = LoopRack()
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, rack.noise(1, 8)),
        LaunchBank("a", 0, 0, 0),
        PlaceLoop("b", 0, 0.0, rack.noise(2, 8)),
        LaunchBank("b", 0, 0, 0),
        SetControl(parse_path("crossfader"), 1.0, 10_000, 80_000),
        decks=("a", "b"),
    )
    heard = pull_all(mixer, 100_000)
    levels = [rms_db(heard[at : at + 5000]) for at in range(0, 95_000, 2500)]
    assert max(levels) - min(levels) < 0.5
    assert np.array_equal(heard[:10_000], rack.loops[0][0, :10_000])
    assert np.array_equal(heard[91_000:], rack.loops[1][0, 91_000:100_000])


@pytest.mark.parametrize("bpm", [120.0, 121.3])
def test_crossfades_have_no_larger_steps_than_the_loops(bpm: float) -> None:
    rack = LoopRack(44100, bpm)
    tones = [rack.tone(cycles, 2, phase=phase) for cycles, phase in ((110, 0.0), (220, 0.3), (165, 0.6), (330, 0.1))]
    inside = max(largest_step(loop[0]) for loop in rack.loops)
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, tones[0]), LaunchBank("a", 0, 0, 2048))
    for change in range(60):  # every 700 frames, with fades of 2048: three are always running
        mixer.schedule(PlaceLoop("a", change + 1, 0.0, tones[change % 4], 0))
        mixer.schedule(LaunchBank("a", change + 1, 5000 + 700 * change))
        mixer.schedule(PlaceLoop("a", change + 1, 0.5, tones[(change + 1) % 4], 5300 + 700 * change))
        mixer.schedule(SetControl(parse_path("deck/a/alpha"), (change % 3) / 2, 5100 + 700 * change, 441))
    heard = pull_all(mixer, 60_000)
    # unrelated loops at equal power step up to √2 as far; fades move 0.25 by at most 1.5 in 441 frames; a click is 0.2
    assert largest_step(heard) < 2**0.5 * inside + 4 * 0.25 * 1.5 / 441


def test_many_fast_launches_keep_the_number_of_voices_bounded_and_the_last_one_lands() -> None:
    rack = LoopRack()
    loops = [rack.noise(seed, 1) for seed in range(8)]
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, loops[0]), LaunchBank("a", 0, 0, 0))
    for change in range(200):
        mixer.schedule(PlaceLoop("a", change + 1, 0.0, loops[change % 8], 0))
        mixer.schedule(LaunchBank("a", change + 1, 1000 + 100 * change, 44_100))
    deck = mixer._decks["a"]
    most = 0
    heard = []
    while mixer.frame < 80_000:
        heard.append(mixer.pull(64))
        most = max(most, len(deck._layers))
    landings = [report for report in mixer.reports() if isinstance(report, BankLanded)]
    assert most <= MAX_FADES + 1
    assert landings[-1].bank == 200
    assert 0 <= landings[-1].frame - landings[-1].asked_frame <= 256  # type: ignore[operator]
    assert mixer.counters.refused_messages == 0
    assert np.array_equal(np.concatenate(heard)[-4096:], rack.loops[7][0, (np.arange(80_000 - 4096, 80_000)) % 22050])
    assert min(rms_db(block) for block in heard) > -24.0  # the loops have −20 dBFS
    assert mixer.sounding("a") == 200
    assert len(deck.banks) == 1


def test_returning_to_the_old_bank_in_the_middle_of_a_fade() -> None:
    rack = LoopRack()
    low, high = rack.tone(100, 1), rack.tone(210, 1, phase=0.4)
    inside = max(largest_step(loop[0]) for loop in rack.loops)
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, low),
        LaunchBank("a", 0, 0, 0),
        PlaceLoop("a", 1, 0.0, high),
        LaunchBank("a", 1, 3000, 4000),
        LaunchBank("a", 0, 5000, 4000),
    )
    heard = pull_all(mixer, 15_000)
    assert largest_step(heard) < 2**0.5 * inside + 2 * 0.25 * 1.5 / 4000
    assert np.array_equal(heard[9000:], rack.loops[0][0, 9000:15_000])
    assert mixer.sounding("a") == 0


def test_a_refined_loop_replaces_its_draft_in_phase() -> None:
    rack = LoopRack()
    draft, fine = rack.noise(1), rack.noise(2)
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.5, draft), LaunchBank("a", 0, 0, 0), PlaceLoop("a", 0, 0.5, fine, 6000, 2048)
    )
    heard = pull_all(mixer, 12_000)
    assert np.array_equal(heard[:6000], rack.loops[0][0, :6000])
    assert np.array_equal(heard[8048:], rack.loops[1][0, 8048:12_000])


def test_placing_and_removing_a_loop_that_does_not_sound_is_inaudible() -> None:
    rack = LoopRack()
    near, far, third = rack.noise(1), rack.noise(2), rack.noise(3)
    mixer = rack.mixer(
        PlaceLoop("a", 0, 0.0, near),
        LaunchBank("a", 0, 0, 0),
        PlaceLoop("a", 0, 1.0, far, 2000),
        PlaceLoop("a", 0, 0.5, third, 3000),
        RemoveLoop("a", 0, 0.5, 4000),
    )
    heard = pull_all(mixer, 9000)
    assert np.array_equal(heard, rack.loops[0][0, :9000])
    assert mixer.counters.refused_messages == 0


def test_a_grid_that_continues_is_inaudible_and_one_that_jumps_is_crossfaded() -> None:
    rack = LoopRack()
    loop = rack.tone(100, 1)
    inside = largest_step(rack.loops[0][0])
    smooth = rack.mixer(
        PlaceLoop("a", 0, 0.0, loop),
        LaunchBank("a", 0, 0, 0),
        SetGrid(rack.grid.with_tempo(120.6, 4000), 4000),
        SetGrid(rack.grid.with_tempo(120.6, 4000).with_tempo(120.0, 9000), 9000),
    )
    assert largest_step(pull_all(smooth, 15_000)) < 1.6 * inside  # the return to whole samples may skip half a sample
    jump = rack.mixer(
        PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0), SetGrid(BeatGrid(44100, 120.0, 4000, 0.0), 4000)
    )
    heard = pull_all(jump, 15_000)
    assert largest_step(heard) < inside + 2 * 0.25 * 1.5 / 2048
    assert np.array_equal(heard[7000:], rack.loops[0][0, 3000:11_000])
