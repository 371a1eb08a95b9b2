"""The playhead stays on the beat for an hour and for a day, at any tempo."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from riffengine.playback.mixer import Mixer
from riffengine.playback.playhead import Playhead
from riffengine.processes.player_messages import FADE, LaunchBank, PlaceLoop
from riffengine.transport.beat_grid import BeatGrid
from tests.playback.loops import LoopRack, pull_all

TEMPOS = [60 + 0.5 * step for step in range(241)] + [61.803, 119.99, 120.01, 133.37, 174.6]


def ideal(rate: int, bpm: float, frame: int, frames: int, beats: int) -> Fraction:
    beat = Fraction(frame) * Fraction(bpm) / (60 * rate)
    return (beat / beats) % 1 * frames


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("hours", [1, 24])
def test_after_hours_the_playhead_is_still_on_the_exact_beat_at_every_tempo(rate: int, hours: int) -> None:
    for bpm in TEMPOS:
        grid = BeatGrid(rate, bpm)
        playhead = Playhead(grid, grid.loop_frames(8), 8)
        for frame in (hours * 3600 * rate - 1, hours * 3600 * rate, hours * 3600 * rate + 12_345):
            apart = abs(Fraction(playhead.position(frame)) - ideal(rate, bpm, frame, playhead.frames, 8))
            apart = min(apart, playhead.frames - apart)
            assert apart < (Fraction(1, 1000) if playhead.whole else Fraction(1, 10**6)), bpm


def test_at_most_tempos_loops_are_not_whole_frames_but_within_a_hundred_thousandth_of_natural_speed() -> None:
    heads = [Playhead(BeatGrid(44100, bpm), BeatGrid(44100, bpm).loop_frames(8), 8) for bpm in TEMPOS]
    assert 10 < sum(head.whole for head in heads) < len(heads) / 2
    assert all(abs(head.step - 1) < 1e-5 for head in heads)


@pytest.mark.parametrize("bpm", [120.0, 121.3, 66.6])
def test_after_an_hour_the_sound_itself_is_on_the_beat(bpm: float) -> None:
    rack = LoopRack(48000, bpm)
    hour = 3600 * 48000
    cycles = 64
    loop = rack.tone(cycles, beats=8)
    # The grid began an hour before the first frame that is pulled.
    mixer = Mixer(48000, BeatGrid(48000, bpm, -hour, 0.0), lambda ref: rack.loops[ref.slot], ("a",))
    rack.grid = BeatGrid(48000, bpm)
    for message in rack_messages(loop):
        mixer.schedule(message)
    heard = pull_all(mixer, 9600)[:, 0]
    start = ideal(48000, bpm, hour, 1, 8)
    beats_per_frame = bpm / (60 * 48000) / 8
    wanted = 0.25 * np.sin(2 * np.pi * cycles * (float(start) + np.arange(9600) * beats_per_frame))
    # one frame of this tone moves at most 0.25 · 2π · 64 / 192000; a tenth of that is a tenth of a frame
    frame_step = 0.25 * 2 * np.pi * cycles * beats_per_frame
    assert np.abs(heard - wanted).max() < 0.1 * frame_step


def rack_messages(loop):  # type: ignore[no-untyped-def]
    from riffengine.processes.player_messages import SetControl

    return PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0), SetControl(FADE, 1.0, 0, 0)


def test_a_loop_longer_or_shorter_than_the_grid_by_a_percent_is_read_faster_or_slower_and_stays_in_phase() -> None:
    for factor in (0.99, 1.01):
        rack = LoopRack(44100, 120.0)
        loop = rack.tone(100, beats=1)
        rack.grid = BeatGrid(44100, 120.0 * factor)
        heard = pull_all(rack.mixer(PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0)), 22050)[:, 0]
        wanted = 0.25 * np.sin(2 * np.pi * 100 * np.arange(22050) * factor / 22050)
        assert np.abs(heard - wanted).max() < 1e-4


def test_loops_of_whole_frames_are_read_unchanged() -> None:
    rack = LoopRack(44100, 120.0)
    loop = rack.noise(1, beats=1)
    heard = pull_all(rack.mixer(PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0)), 3 * 22050)
    assert heard.tobytes() == np.tile(rack.loops[0][0], (3, 1)).tobytes()


def test_the_interpolator_is_flat_to_18_khz() -> None:
    rack = LoopRack(44100, 120.0)
    top = round(18_000 / 2)  # cycles in half a second
    loop = rack.tone(top)
    rack.grid = BeatGrid(44100, 120.0, 0, 0.5 / 22050)  # half a sample late, the worst case
    rack.grid = BeatGrid(44100, 120.0 * 1.0001, 0, 0.5 / 22050)
    heard = pull_all(rack.mixer(PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0)), 22050)[:, 0]
    level = np.sqrt(np.mean(heard[1000:-1000].astype(np.float64) ** 2)) / (0.25 / np.sqrt(2))
    assert abs(20 * np.log10(level)) < 0.2
