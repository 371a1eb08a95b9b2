"""Mono safety: no half octave of the sum loses more than a decibel, the mid stays, safe loops stay as they are."""

import numpy as np
import pytest

from riffengine.renderer.mono_safety import mono_safe
from tools.train.mix_measures import mono_loss_db

RATE, FRAMES = 44100, 65536


def stems(side: float, low: float = 0.0, high: float = 22050.0) -> np.ndarray:
    """Two stems of noise ``(2, frames, 2)`` whose side is ``side`` times the mid between two frequencies."""
    rng = np.random.default_rng(1)
    mid, other = rng.normal(size=(2, 2, FRAMES))
    hz = np.fft.rfftfreq(FRAMES, 1 / RATE)
    other = np.fft.irfft(np.fft.rfft(other) * ((hz >= low) & (hz < high)), n=FRAMES) * side
    return (0.05 * np.stack((mid + other, mid - other), axis=2)).astype(np.float32)


@pytest.mark.parametrize(("low", "high"), [(0.0, 22050.0), (400.0, 1600.0), (8000.0, 22050.0)])
def test_a_wide_loop_becomes_safe_and_its_mono_sum_stays(low: float, high: float) -> None:
    wide = stems(1.2, low, high)
    assert mono_loss_db(wide.sum(axis=0).T) > 3.0
    safe = mono_safe(wide, RATE)
    assert mono_loss_db(safe.sum(axis=0).T) < 1.05
    np.testing.assert_allclose(safe.sum(axis=2), wide.sum(axis=2), atol=1e-6)


def test_only_what_is_too_wide_is_narrowed() -> None:
    wide = stems(1.2, 6000.0)
    narrow = stems(0.3, 0.0, 2000.0)
    both = wide + narrow
    safe = mono_safe(both, RATE)
    before, after = ((s[..., 0] - s[..., 1]).sum(axis=0) for s in (both, safe))
    hz = np.fft.rfftfreq(FRAMES, 1 / RATE)
    low = (hz > 60) & (hz < 1500)
    powers = [float((np.abs(np.fft.rfft(side))[low] ** 2).sum()) for side in (before, after)]
    assert powers[1] == pytest.approx(powers[0], rel=0.02)


def test_a_safe_loop_is_returned_itself() -> None:
    safe = stems(0.2)
    assert mono_safe(safe, RATE) is safe
