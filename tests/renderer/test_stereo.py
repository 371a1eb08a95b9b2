import numpy as np
import pytest

from riffengine.renderer.stereo import Width, widened

RATE = 44100
WIDTH = Width(((200.0, -12.0), (2000.0, -6.0)), 2.0, 15.0, seed=3)


def noise(frames: int = 88200) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(frames).astype(np.float32)


def band_power(signal: np.ndarray, low: float, high: float) -> float:
    spectrum = np.fft.rfft(signal)
    hz = np.fft.rfftfreq(len(signal), 1 / RATE)
    return float((np.abs(spectrum[(hz >= low) & (hz < high)]) ** 2).sum())


def test_the_mean_of_both_channels_is_the_stem() -> None:
    stem = noise()
    np.testing.assert_allclose(widened(stem, WIDTH, RATE).mean(axis=1), stem, atol=1e-6)


@pytest.mark.parametrize(("low", "high", "db"), [(195, 205, -12.0), (620, 645, -9.0), (2000, 8000, -6.0)])
def test_the_side_has_the_level_that_is_asked_for(low: float, high: float, db: float) -> None:
    left, right = widened(noise(), WIDTH, RATE).T
    found = band_power((left - right) / 2, low, high) / band_power((left + right) / 2, low, high)
    assert 10 * np.log10(found) == pytest.approx(db, abs=0.5)


def test_the_bass_stays_in_the_middle() -> None:
    left, right = widened(noise(), WIDTH, RATE).T
    assert band_power(left - right, 20, 95) < 1e-6 * band_power(left + right, 20, 95)


def test_both_channels_are_decorrelated_where_the_stem_is_wide() -> None:
    wide = Width(((200.0, 0.0), (2000.0, 0.0)), 2.0, 15.0, seed=3)
    left, right = widened(noise(), wide, RATE).T
    assert abs(float(np.corrcoef(left, right)[0, 1])) < 0.15
    assert band_power(left, 200, 20000) == pytest.approx(band_power(right, 200, 20000), rel=0.05)


def test_a_turned_loop_is_widened_to_the_turned_result() -> None:
    stem = noise()
    turned = widened(np.roll(stem, 12345), WIDTH, RATE)
    np.testing.assert_allclose(np.roll(turned, -12345, axis=0), widened(stem, WIDTH, RATE), atol=2e-5)


def test_a_stroke_is_spread_by_no_more_than_the_longest_delay() -> None:
    stroke = np.zeros(44100, np.float32)
    stroke[20000] = 1.0
    left, right = widened(stroke, WIDTH, RATE).T
    energy = np.square(left - right)
    inside = energy[20000 + round(0.002 * RATE) - 100 : 20000 + round(0.015 * RATE) + 200].sum()
    assert inside > 0.9 * energy.sum()


def test_silence_stays_exact_silence() -> None:
    assert not widened(np.zeros(1000, np.float32), WIDTH, RATE).any()
