"""The resampler of Opus: exact in place, little delay, and equal for every length of pieces."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.web.stream_resampler import StreamResampler


def tone(hz: float, rate: int, frames: int) -> np.ndarray:
    angle = 2 * np.pi * hz * np.arange(frames) / rate
    return np.stack([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)


@pytest.mark.parametrize("hz", [50.0, 1000.0, 10_000.0, 18_000.0])
def test_a_tone_is_where_it_was_and_nothing_is_added(hz: float) -> None:
    found = StreamResampler(44100, 48000, 2).process(tone(hz, 44100, 44100))
    expected = tone(hz, 48000, len(found))
    assert np.abs(found[100:] - expected[100:]).max() < 2e-4  # -74 dB
    delay_seconds = 1.0 - len(found) / 48000
    assert 0.0 <= delay_seconds < 0.001


def test_the_length_of_pieces_makes_no_difference() -> None:
    sound = np.random.default_rng(1).standard_normal((20_000, 2)).astype(np.float32)
    whole = StreamResampler(44100, 48000, 2).process(sound)
    for pieces in (1, 7, 441, 512, 4096):
        split = StreamResampler(44100, 48000, 2)
        found = [split.process(sound[at : at + pieces]) for at in range(0, len(sound), pieces)]
        np.testing.assert_allclose(np.concatenate(found), whole, atol=1e-6)
