"""Moves given ahead are bit-identical to moves given on their frame."""

import random

import numpy as np

from riffengine.playback.ramp import Ramp
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import LaunchBank, PlaceLoop, SetControl
from tests.playback.loops import LoopRack, pull_all


def moves(seed: int) -> list[tuple[int, float, int]]:
    chance, frame, found = random.Random(seed), 10, []
    for _ in range(12):
        frame += chance.choice((0, 1, 30, 90))
        found.append((frame, round(chance.random(), 3), chance.choice((0, 1, 40, 200))))
    return found


def test_a_ramp_given_its_moves_ahead_has_the_same_values() -> None:
    for seed in range(40):
        plain, ahead, told = Ramp(0.2), Ramp(0.2), moves(seed)
        for frame, value, frames in told:
            ahead.move_later(value, frame, frames)
        expected = []
        for frame in range(1500):
            plain.settle(frame)
            for _, value, frames in [move for move in told if move[0] == frame]:
                plain.move(value, frame, frames)
            expected.append(plain.at(frame))
        got: list[float] = []
        while len(got) < 1500:
            ahead.settle(len(got))
            end = 1500 if ahead.end_frame is None else min(1500, ahead.end_frame)
            run = min(end - len(got), 1 + len(got) % 97)
            over = ahead.over(len(got), run)
            got += [over] * run if isinstance(over, float) else list(over)
        assert got == expected, seed
        assert ahead.end_frame is None


def test_an_alpha_move_sent_ahead_sounds_like_one_sent_in_time() -> None:
    def play(ahead: int) -> np.ndarray:
        rack = LoopRack()
        mixer = rack.mixer(
            *(PlaceLoop("a", 1, alpha, rack.noise(number)) for number, alpha in enumerate((0.0, 0.25, 0.5, 1.0))),
            LaunchBank("a", 1, 0, 0),
        )
        told = [SetControl(parse_path("deck/a/alpha"), value, 500 + 3 * f, n) for f, value, n in moves(3)]
        pulled = []
        while mixer.frame < 4000:
            due = [m for m in told if m.at_frame is not None and m.at_frame < mixer.horizon + ahead]
            for message in due:
                told.remove(message)
                mixer.schedule(message)
            pulled.append(mixer.pull(50))
        assert not told
        return np.concatenate(pulled)

    assert np.array_equal(play(51), play(4000))


def test_a_gesture_between_two_steps_of_the_drift_takes_effect() -> None:
    rack = LoopRack()
    quiet, loud = rack.tone(4, level=0.0), rack.tone(4)
    mixer = rack.mixer(
        PlaceLoop("a", 1, 0.0, quiet),
        PlaceLoop("a", 1, 1.0, loud),
        LaunchBank("a", 1, 0, 0),
        SetControl(parse_path("deck/a/alpha"), 0.0, 3000, 0),  # sent first, due last
        SetControl(parse_path("deck/a/alpha"), 1.0, 1000, 0),
    )
    heard = np.abs(pull_all(mixer, 5000, (5000,)))
    assert heard[:900].max() == 0.0
    assert heard[1100:2900].max() > 0.2
    assert heard[3100:].max() == 0.0
