"""A host that places the music: hard jumps to the frame, time that passes in silence, decks and stems by themselves."""

from __future__ import annotations

import numpy as np

from riffengine.playback.mixer import MIX_AHEAD_FRAMES
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import BankLanded, LaunchBank, PlaceLoop, SetControl, SetGrid
from riffengine.transport.beat_grid import BeatGrid
from tests.playback.loops import LoopRack, pull_all


def music(rack: LoopRack, beat: float, frames: int) -> np.ndarray:
    loop = rack.loops[0].sum(axis=0)
    return loop[(round(beat * 22050) + np.arange(frames)) % len(loop)]


def test_the_next_frame_is_the_beat_that_the_host_names_even_in_a_crossfade(rack: LoopRack) -> None:
    first, second = rack.noise(1, beats=2), rack.noise(2, beats=2)
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, first), LaunchBank("a", 0, 0, 0))
    mixer.pull(5000)
    mixer.place(BeatGrid(44100, 120.0, mixer.horizon, 1.25))
    np.testing.assert_array_equal(mixer.pull(3000), music(rack, 1.25, 3000))
    mixer.schedule(PlaceLoop("a", 1, 0.0, second))
    mixer.schedule(LaunchBank("a", 1, None, 4000))
    mixer.pull(1000)
    mixer.place(BeatGrid(44100, 120.0, mixer.horizon, 0.5))
    mixer.pull(4000)
    loop = rack.loops[1][0]
    np.testing.assert_array_equal(mixer.pull(500), loop[(11025 + 4000 + np.arange(500)) % len(loop)])


def test_what_is_due_while_time_passes_happens_on_its_frame(rack: LoopRack) -> None:
    loop = rack.noise(1)
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, loop))
    mixer.schedule(LaunchBank("a", 0, 30_000, 0))
    mixer.schedule(SetControl(parse_path("deck/a/gain"), 0.5, 40_000, 100))
    mixer.pass_to(50_000)
    assert mixer.reports() == [BankLanded("a", 0, 30_000, 30_000)]
    assert mixer.frame == mixer.horizon == 50_000
    assert not mixer.moving
    np.testing.assert_array_equal(mixer.pull(1000), 0.5 * rack.loops[0][0][(50_000 + np.arange(1000)) % 22050])
    assert mixer.frame == 51_000
    assert mixer.horizon == 51_000 + MIX_AHEAD_FRAMES


def test_the_engines_grid_rules_only_while_no_host_does(rack: LoopRack) -> None:
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, rack.noise(1)), LaunchBank("a", 0, 0, 0))
    mixer.place(BeatGrid(44100, 120.0, 0, 0.0))
    mixer.schedule(SetGrid(BeatGrid(44100, 90.0, 0, 0.0), 0))
    mixer.pull(100)
    assert mixer.grid.bpm == 120.0
    mixer.release_grid()
    mixer.schedule(SetGrid(BeatGrid(44100, 90.0, 200, 0.0), 200))
    mixer.pull(300)
    assert mixer.grid.bpm == 90.0


def test_taps_hold_what_decks_and_stems_add_to_the_master_for_every_size_of_block(rack: LoopRack) -> None:
    loops = rack.noise(1, beats=2, stems=2), rack.noise(2, beats=2, stems=2)
    found = []
    for blocks in ((512,), (64, 333, 17)):
        mixer = rack.mixer(
            *(PlaceLoop(deck, 0, 0.0, loop) for deck, loop in zip("ab", loops, strict=True)),
            *(LaunchBank(deck, 0, 0, 0) for deck in "ab"),
            SetControl(parse_path("crossfader"), 0.3, 1000, 5000),
            SetControl(parse_path("deck/a/stem/stem1/gain"), 0.25, 2000, 3000),
            SetControl(parse_path("deck/b/filter"), 0.6, 3000, 2000),
            SetGrid(BeatGrid(44100, 97.0, 8000, 0.4), 8000),
            decks=("a", "b"),
        )
        mixer.taps.want("ab", [(deck, f"stem{stem}") for deck in "ab" for stem in range(2)])
        master = pull_all(mixer, 20_000, blocks)
        decks = [mixer.taps.deck(deck).read(0, 20_000) for deck in "ab"]  # type: ignore[union-attr]  # wanted
        stems = [[mixer.taps.stem(deck, f"stem{n}").read(0, 20_000) for n in range(2)] for deck in "ab"]  # type: ignore[union-attr]
        np.testing.assert_allclose(decks[0] + decks[1], master, atol=2e-6)
        for deck, parts in zip(decks, stems, strict=True):
            np.testing.assert_allclose(parts[0] + parts[1], deck, atol=2e-6)
        found.append(np.concatenate([*decks, *stems[0], *stems[1]]))
    np.testing.assert_array_equal(found[0], found[1])


def test_a_tap_does_not_change_the_master(rack: LoopRack) -> None:
    loop = rack.noise(1, beats=2, stems=2)
    sounds = []
    for wanted in ((), ("a",)):
        mixer = rack.mixer(PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0))
        mixer.taps.want(wanted, [("a", "stem0")] if wanted else [])
        sounds.append(pull_all(mixer, 10_000))
    np.testing.assert_allclose(sounds[1], sounds[0], atol=1e-7)


def test_a_track_is_read_between_its_frames(rack: LoopRack) -> None:
    tone = rack.tone(100, beats=2)
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, tone), LaunchBank("a", 0, 0, 0))
    mixer.taps.want(("a",), ())
    mixer.pull(8000)
    track = mixer.taps.deck("a")
    assert track is not None
    step = 44100 / 48000
    read = track.read_at(1000.25, step, 5000)
    expected = 0.25 * np.sin(2 * np.pi * 100 * (1000.25 + np.arange(5000) * step) / 44100)
    np.testing.assert_allclose(read[:, 0], expected, atol=1e-5)
