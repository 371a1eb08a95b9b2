"""A loop stretched by up to a third keeps pitch, attacks and its seamless wrap, and has the wanted frames."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.renderer.beat_tracking import track_beats
from riffengine.renderer.time_stretch import stretch_loop

RATE = 44100


def tones(frames: int) -> np.ndarray:
    """Three partials with whole periods, other ones left and right: ``(frames, 2)``."""
    phase = 2 * np.pi * np.arange(frames) / frames
    left = sum(np.sin(k * phase) for k in (440, 660, 880))
    right = sum(np.sin(k * phase + 1.0) for k in (440, 550, 880))
    return np.stack([left, right], axis=1).astype(np.float32) / 3


def clicks(frames: int, beats: int) -> np.ndarray:
    """A burst of noise on every beat, the first on frame 0."""
    noise = np.random.default_rng(1).normal(size=frames)
    since = np.arange(frames) % (frames / beats)
    return (np.exp(-since / 400.0) * noise)[:, None].astype(np.float32)


@pytest.mark.parametrize("share", [0.7, 0.94, 0.994, 1.0005, 1.006, 1.06, 1.3])
def test_tones_keep_their_pitch_level_and_wrap(share: float) -> None:
    loop, wanted = tones(2 * RATE), round(2 * RATE * share)
    out = stretch_loop(loop, wanted, RATE)
    assert out.shape == (wanted, 2) and out.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(out[:, 0])) / wanted * 2
    found = np.argmax(spectrum) * RATE / wanted
    partials = np.array([220.0, 330.0, 440.0])
    assert np.abs(found - partials).min() < 1.5  # hertz, a thirtieth of a semitone or less
    assert np.sqrt((out**2).mean()) == pytest.approx(np.sqrt((loop**2).mean()), rel=0.1)
    steps = np.abs(np.diff(np.concatenate([out, out[:1]]), axis=0)).max(axis=1)
    assert steps[-1] <= 1.15 * steps[:-1].max()


@pytest.mark.parametrize("share", [0.95, 1.006, 1.06])
def test_beats_stay_where_they_belong(share: float) -> None:
    wanted = round(4 * RATE * share)
    out = stretch_loop(clicks(4 * RATE, 8), wanted, RATE)[:, 0]
    envelope = np.convolve(out**2, np.ones(64), "same")
    for beat in range(8):
        place = round(beat * wanted / 8)
        near = np.take(envelope, np.arange(place - 900, place + 900), mode="wrap")
        assert near.max() > 0.3 * envelope.max()
        assert abs(int(np.argmax(near > 0.3 * near.max())) - 900) < 0.012 * RATE
    assert track_beats(out, RATE, 120.0 / share).bpm == pytest.approx(120.0 / share, rel=0.002)


def test_the_same_length_is_the_same_loop() -> None:
    loop = tones(RATE)
    assert np.array_equal(stretch_loop(loop, RATE, RATE), loop)
