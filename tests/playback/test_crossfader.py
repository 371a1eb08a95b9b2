"""Decks on the sides of the crossfader: where each is heard, and that a change of sides is a ramp."""

import numpy as np
import pytest

from riffengine.playback.mixer import Mixer
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import LaunchBank, PlaceLoop, SetControl
from tests.playback.loops import LoopRack, pull_all, rms_db

NAMES = ("a", "b", "c", "d")


def tone_mixer(*names: str) -> tuple[LoopRack, Mixer]:
    rack = LoopRack()
    mixer = rack.mixer(decks=names)
    for number, name in enumerate(names):
        mixer.schedule(PlaceLoop(name, 0, 0.0, rack.tone(100 + 37 * number, level=0.1), 0))
        mixer.schedule(LaunchBank(name, 0, 0, 0))
    return rack, mixer


def levels(sound: np.ndarray, count: int) -> list[bool]:
    """Which of the tones are in ``sound``, one beat long."""
    spectrum = np.abs(np.fft.rfft(sound[:, 0])) / len(sound)
    return [bool(spectrum[100 + 37 * number] > 0.01) for number in range(count)]


@pytest.mark.parametrize(("position", "heard"), [(0.0, [True, False, True, True]), (1.0, [False, True, True, True])])
def test_two_of_four_decks_are_on_its_sides_and_the_others_bypass_it(position: float, heard: list[bool]) -> None:
    _, mixer = tone_mixer(*NAMES)
    mixer.schedule(SetControl(parse_path("crossfader"), position, 0, 0))
    assert levels(pull_all(mixer, 22_050), 4) == heard


def test_a_single_deck_is_heard_at_every_position_of_the_crossfader() -> None:
    _, mixer = tone_mixer("a")
    mixer.schedule(SetControl(parse_path("crossfader"), 1.0, 0, 0))
    assert levels(pull_all(mixer, 22_050), 1) == [True]


def test_a_deck_changes_sides() -> None:
    _, mixer = tone_mixer(*NAMES)
    mixer.schedule(SetControl(parse_path("deck/c/side"), 1, 0, 0))
    mixer.schedule(SetControl(parse_path("deck/a/side"), 2, 0, 0))
    mixer.schedule(SetControl(parse_path("deck/b/side"), 0, 0, 0))
    assert levels(pull_all(mixer, 22_050), 4) == [True, True, False, True]
    mixer.schedule(SetControl(parse_path("crossfader"), 1.0, None, 0))
    mixer.pull(22_050)
    assert levels(mixer.pull(22_050), 4) == [True, False, True, True]


def test_a_change_of_sides_is_a_ramp_and_the_same_for_every_block() -> None:
    def play(blocks: tuple[int, ...]) -> np.ndarray:
        _, mixer = tone_mixer(*NAMES)
        for frame, side in ((5_000, 1), (9_001, 2), (9_200, 0)):
            mixer.schedule(SetControl(parse_path("deck/a/side"), side, frame, 441))
        return pull_all(mixer, 22_050, blocks)

    sound = play((512,))
    for blocks in ((64,), (22_050,), (1, 7, 1000, 33)):
        assert play(blocks).tobytes() == sound.tobytes()
    _, still = tone_mixer(*NAMES)
    assert np.abs(np.diff(sound[:, 0])).max() < 1.05 * np.abs(np.diff(pull_all(still, 22_050)[:, 0])).max()
    assert rms_db(sound[5_500:8_500]) < rms_db(sound[:4_900]) - 1


def test_unknown_sides_and_decks_are_refused() -> None:
    _, mixer = tone_mixer("a", "b")
    mixer.schedule(SetControl(parse_path("deck/a/side"), 3, 0))
    mixer.schedule(SetControl(parse_path("deck/x/side"), 1, 0))
    mixer.pull(64)
    assert mixer.counters.refused_messages == 2
