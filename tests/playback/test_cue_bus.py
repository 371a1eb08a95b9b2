"""The cue bus: decks before their faders in a second pair of channels, without any effect on the master."""

import numpy as np
import pytest

from riffengine.playback.mixer import Mixer
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import FADE, LaunchBank, PlaceLoop, SetControl
from tests.playback.loops import LoopRack, pull_all


def tone_mixer(cue: bool) -> tuple[list[np.ndarray], Mixer]:
    rack = LoopRack()
    mixer = Mixer(44100, rack.grid, lambda ref: rack.loops[ref.slot], ("a", "b"), 2, cue)
    mixer.schedule(SetControl(FADE, 1.0, 0, 0))
    for seed, name in enumerate("ab"):
        mixer.schedule(PlaceLoop(name, 0, 0.0, rack.noise(seed), 0))
        mixer.schedule(LaunchBank(name, 0, 0, 0))
    return [loop[0] for loop in rack.loops], mixer


def test_with_nothing_cued_the_master_is_bit_identical_and_the_headphones_are_silent() -> None:
    plain, both = pull_all(tone_mixer(False)[1], 20_000), pull_all(tone_mixer(True)[1], 20_000)
    assert plain.shape == (20_000, 2)
    assert np.ascontiguousarray(both[:, :2]).tobytes() == plain.tobytes()
    assert not both[:, 2:].any()


@pytest.mark.parametrize(
    "fader", [SetControl(parse_path("crossfader"), 0.0, 0, 0), SetControl(parse_path("deck/b/mute"), 1.0, 0)]
)
def test_a_cued_deck_is_heard_before_its_fader(fader: SetControl) -> None:
    loops, mixer = tone_mixer(True)
    for message in (
        SetControl(parse_path("deck/b/cue"), 1.0, 0, 0),
        SetControl(parse_path("cue/gain"), 0.5, 0, 0),
        fader,
    ):
        mixer.schedule(message)
    sound = pull_all(mixer, 20_000)
    assert np.allclose(sound[1_000:, 2:], 0.5 * loops[1][1_000:20_000], atol=1e-6)
    assert np.allclose(sound[1_000:, :2], loops[0][1_000:20_000], atol=1e-6)


def test_the_blend_moves_to_the_master() -> None:
    _, mixer = tone_mixer(True)
    for message in (SetControl(parse_path("deck/b/cue"), 1.0, 0, 0), SetControl(parse_path("cue/mix"), 1.0, 0, 0)):
        mixer.schedule(message)
    sound = pull_all(mixer, 20_000)
    assert np.allclose(sound[:, 2:], sound[:, :2], atol=1e-6)


@pytest.mark.parametrize("blocks", [(64,), (20_000,), (1, 7, 1000, 33)])
def test_blocks_of_any_size_give_the_same_bits(blocks: tuple[int, ...]) -> None:
    def play(sizes: tuple[int, ...]) -> bytes:
        _, mixer = tone_mixer(True)
        for frame, name, value in (
            (3_001, "deck/b/cue", 1.0),
            (5_000, "cue/mix", 0.4),
            (7_777, "deck/a/filter", -0.5),
            (9_000, "deck/a/cue", 1.0),
            (12_000, "fade", 0.0),
        ):
            mixer.schedule(SetControl(parse_path(name), value, frame, 700))
        return pull_all(mixer, 20_000, sizes).tobytes()

    assert play(blocks) == play((512,))


def test_a_mixer_without_a_cue_bus_refuses_its_controls() -> None:
    _, mixer = tone_mixer(False)
    for name in ("cue/gain", "cue/mix", "deck/a/cue"):
        mixer.schedule(SetControl(parse_path(name), 1.0, 0))
    mixer.pull(64)
    assert mixer.counters.refused_messages == 3
