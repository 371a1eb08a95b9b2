"""The ceiling is never exceeded, quiet sound passes unchanged, and the gain moves smoothly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riffengine.playback.limiter import CEILING, DELAY, Limiter


def through(samples: np.ndarray, blocks: tuple[int, ...]) -> np.ndarray:  # type: ignore[type-arg]
    """All of ``samples`` through the limiter, without its delay."""
    limiter = Limiter(44100, samples.shape[1])
    padded = np.concatenate((samples, np.zeros((DELAY, samples.shape[1]), np.float32)))
    out, at, index = [], 0, 0
    while at < len(padded):
        size = blocks[index % len(blocks)]
        out.append(limiter.process(padded[at : at + size]))
        at, index = at + size, index + 1
    return np.concatenate(out)[DELAY:]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999), level=st.floats(0.01, 30.0), blocks=st.lists(st.integers(1, 700), min_size=1, max_size=5)
)
def test_the_ceiling_is_never_exceeded_for_any_signal_and_block(seed: int, level: float, blocks: list[int]) -> None:
    rng = np.random.default_rng(seed)
    samples = (level * rng.standard_normal((4000, 2)) * (rng.random((4000, 1)) < 0.05)).astype(np.float32)
    out = through(samples, tuple(blocks))
    assert np.abs(out).max() <= CEILING
    assert out.tobytes() == through(samples, (4063,)).tobytes()


def test_sound_below_the_ceiling_is_unchanged() -> None:
    samples = (0.96 * np.sin(np.arange(3000) / 20)).astype(np.float32)[:, None].repeat(2, axis=1)
    assert through(samples, (128,)).tobytes() == samples.tobytes()


def test_a_peak_is_limited_to_the_ceiling_and_the_gain_recovers_within_a_quarter_of_a_second() -> None:
    samples = np.full((30_000, 2), 0.5, dtype=np.float32)
    samples[5000, 1] = 2.0
    out = through(samples, (512,))
    assert 0.99 * CEILING < out[5000, 1] <= CEILING
    gain = out / samples
    assert np.array_equal(gain[:, 0], gain[:, 1])  # linked channels: the stereo image does not move
    assert np.array_equal(out[: 5000 - DELAY], samples[: 5000 - DELAY])
    assert np.array_equal(out[5000 + 11_025 :], samples[5000 + 11_025 :])
    assert np.abs(np.diff(gain[:, 0])).max() < 0.6 / 60  # from 1 to 0.48 in 64 steps


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_damaged_frames_become_silence_and_are_counted(poison: float) -> None:
    samples = np.full((1000, 2), 0.25, dtype=np.float32)
    samples[500, 0] = poison
    limiter = Limiter(44100, 2)
    out = np.concatenate((limiter.process(samples), limiter.process(np.zeros((DELAY, 2), np.float32))))[DELAY:]
    assert out[500, 0] == 0.0
    assert np.isfinite(out).all()
    assert limiter.damaged_frames == 1
