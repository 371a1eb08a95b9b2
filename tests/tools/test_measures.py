"""What the judge's figures hear: more where there is more, nothing where nothing changes."""

import numpy as np
import pytest

from tools.train.measures import RATE, blockiness, events_heard, onset_count, rank_correlation

FRAMES = 4 * RATE


def strokes(count: int, *pitches_hz: float) -> np.ndarray:
    """Decaying tones, ``count`` times a loop, all ``pitches_hz`` at once."""
    loop = np.zeros(FRAMES, np.float32)
    seconds = np.arange(RATE // 10) / RATE
    for index in range(count):
        start = index * FRAMES // count
        for hz in pitches_hz:
            loop[start : start + len(seconds)] += 0.2 * np.exp(-seconds * 50) * np.sin(2 * np.pi * hz * seconds)
    return loop


def test_events_on_top_of_each_other_are_more_events() -> None:
    one, two, four = (events_heard(strokes(16, *pitches)) for pitches in ([200], [200, 3000], [200, 700, 3000, 9000]))
    assert one < two < four
    assert onset_count(strokes(16, 200)) == onset_count(strokes(16, 200, 3000)) == 16


def test_more_strokes_are_more_events() -> None:
    assert events_heard(strokes(4, 400)) < events_heard(strokes(8, 400)) < events_heard(strokes(32, 400))


def test_silence_has_none() -> None:
    assert events_heard(np.zeros(FRAMES, np.float32)) == 0.0


def test_what_does_not_change_goes_along_with_nothing() -> None:
    knob = [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert rank_correlation([32.0] * 5, knob) == 0.0
    assert rank_correlation([1, 2, 3, 4, 5], knob) == pytest.approx(1.0)
    assert rank_correlation([5, 4, 3, 2, 1], knob) == pytest.approx(-1.0)
    assert rank_correlation([20, 29, 32, 32, 32], knob) == pytest.approx(0.894, abs=1e-3)


def test_edges_are_heard_on_borders_where_nothing_begins() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, FRAMES).astype(np.float32)
    sixteenth = np.arange(FRAMES) * 32 // FRAMES
    patched = noise * np.where(sixteenth % 2, np.float32(0.05), np.float32(1.0))
    score = np.zeros((32, 166), np.float32)
    assert blockiness(noise, score) == pytest.approx(1.0, abs=0.15)
    assert blockiness(patched, score) > 1.25
    score[::2, 0] = 1.0  # a stroke on every other border explains nothing about those between
    assert blockiness(patched, score) > 1.25
    score[:] = 1.0
    assert np.isnan(blockiness(patched, score))


def test_where_notes_begin_is_not_taken_for_an_edge() -> None:
    played, score = strokes(8, 300, 2000), np.zeros((32, 166), np.float32)
    score[::4, 164] = 1.0
    background = np.random.default_rng(2).normal(0, 0.01, FRAMES).astype(np.float32)
    assert blockiness(played + background, score) < 1.2
