"""What the judge's figures hear: more where there is more, nothing where nothing changes."""

import numpy as np
import pytest

from tools.train.measures import RATE, events_heard, onset_count, rank_correlation

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
