import math

import numpy as np
import pytest

from riffengine.errors import RendererError
from riffengine.renderer.levelling import (
    BLOCK,
    MAX_REDUCTION_DB,
    PEAK_CEILING_DB,
    fast_length,
    frame_gains,
    level,
    true_peaks,
)
from riffengine.renderer.loudness import loop_loudness

CEILING = 10 ** (PEAK_CEILING_DB / 20)


def sine(hz: float, sample_rate: int, seconds: float = 4.0, amplitude: float = 1.0) -> np.ndarray:
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def drums(sample_rate: int = 44100, beats: int = 8, seed: int = 0) -> np.ndarray:
    """A bass note under short strokes of noise, louder by far: ``(2 stems, frames, 2 channels)``."""
    rng = np.random.default_rng(seed)
    frames = beats * sample_rate // 2 // (8 * BLOCK) * 8 * BLOCK
    since_beat = np.arange(frames) % (frames // beats) / sample_rate
    strokes = rng.standard_normal((frames, 2)) * np.exp(-since_beat / 0.04)[:, None] * 0.3
    bass = sine(55.0, sample_rate, frames / sample_rate, 0.2)
    return np.stack([strokes, np.stack([bass, bass], 1)]).astype(np.float32)


def test_level_reaches_the_target_and_reports_loudness_and_peak() -> None:
    stems = np.stack([sine(220.0, 44100, amplitude=0.05), sine(997.0, 44100, amplitude=0.2)])[:, :, None]
    found = level(stems, -16.0, 44100)
    assert found.audio.dtype == np.float32 and found.audio.shape == stems.shape
    assert found.loudness_lufs == pytest.approx(-16.0, abs=0.02)
    assert loop_loudness(found.audio.sum(0), 44100) == pytest.approx(-16.0, abs=0.02)
    assert found.peak == pytest.approx(float(np.abs(found.audio.sum(0)).max()), rel=1e-6)
    assert np.ptp(found.gain) == 0.0  # nothing to limit: one gain
    np.testing.assert_allclose(found.audio, stems * found.gain[0], rtol=1e-5)


def test_loud_strokes_are_limited_and_the_loop_is_as_loud_as_any_other() -> None:
    stems = drums()
    before = loop_loudness(stems.sum(0), 44100)
    peak = 20 * math.log10(np.abs(stems.sum(0)).max())
    assert -14.0 - before + peak > 2.0  # a gain alone would clip
    found = level(stems, -14.0, 44100)
    assert loop_loudness(found.audio.sum(0), 44100) == pytest.approx(-14.0, abs=0.1)
    assert float(true_peaks(found.audio.sum(0)).max()) <= CEILING
    np.testing.assert_allclose(found.audio, stems * found.gain[:, None], rtol=1e-6)  # the stems still add up


def test_peaks_between_the_samples_count() -> None:
    """A sine at a quarter of the sample rate, 45 degrees off: its samples are 3 dB below its peaks."""
    t = np.arange(44100)
    loop = np.sin(np.pi / 2 * t + np.pi / 4).astype(np.float32)[:, None] * 0.5
    assert np.abs(loop).max() == pytest.approx(0.3536, abs=1e-3)
    assert float(true_peaks(loop).max()) == pytest.approx(0.5, abs=1e-3)
    found = level(loop[None], 0.0, 44100)
    assert float(true_peaks(found.audio[0]).max()) <= CEILING


def test_the_limiter_is_circular() -> None:
    """A stroke at the very start lowers the end before it too, and the gain has no step at the wrap."""
    stems = drums()
    found = level(stems, -14.0, 44100)
    steps = np.abs(np.diff(20 * np.log10(found.gain), append=20 * np.log10(found.gain[0])))
    assert steps[-1] <= steps[:-1].max()
    turned = level(np.roll(stems, 100 * BLOCK, axis=1), -14.0, 44100)
    np.testing.assert_allclose(np.roll(turned.gain, -100 * BLOCK), found.gain, rtol=2e-3)


def test_the_gain_is_down_before_the_peak_comes_and_recovers_slowly() -> None:
    loop = np.full((44100, 1), 0.05, np.float32) * np.sign(sine(100.0, 44100, 1.0))[:, None]
    loop[22050] = 1.0
    gain_db = 20 * np.log10(level(loop[None], -14.0, 44100).gain)
    assert gain_db.argmin() == pytest.approx(22050, abs=2 * BLOCK)
    assert gain_db[22050 - 441] == pytest.approx(gain_db.max(), abs=0.1)  # 10 ms before: not yet
    later = gain_db[22050 + 4410] - gain_db[22050]
    assert later == pytest.approx(5.0, abs=0.7)  # 50 dB a second


def test_a_loop_of_a_few_clicks_stays_quieter_than_the_target() -> None:
    loop = 1e-3 * np.random.default_rng(0).standard_normal(88200)
    loop[1000] = 1.0
    found = level(loop.astype(np.float32)[None, :, None], -14.0, 44100)
    assert found.peak <= CEILING and found.loudness_lufs < -30.0
    reduction = 20 * math.log10(found.gain.max() / found.gain.min())
    assert reduction == pytest.approx(MAX_REDUCTION_DB, abs=0.2)


def test_gains_are_lines_through_the_middles_of_the_blocks() -> None:
    gains = frame_gains(np.array([1.0, 2.0, 4.0]), 3 * BLOCK)
    assert gains[BLOCK // 2] == pytest.approx(1.0, abs=0.05) and gains[BLOCK] == pytest.approx(1.5, abs=0.05)
    assert gains[0] == pytest.approx(2.5, abs=0.05)  # half-way from the last to the first


@pytest.mark.parametrize(
    ("stems", "words"),
    [
        (np.zeros((1, 44100, 2), np.float32), "silent"),
        (np.full((1, 44100, 2), 1e-5, np.float32), "silent"),
        (np.full((1, 44100, 2), np.nan, np.float32), "NaN"),
        (np.full((1, 44100, 2), np.inf, np.float32), "infinity"),
        (np.zeros((44100, 2), np.float32), "stems, frames, channels"),
        (np.zeros((1, 0, 2), np.float32), "stems, frames, channels"),
    ],
)
def test_audio_that_cannot_be_levelled_is_refused(stems: np.ndarray, words: str) -> None:
    with pytest.raises(RendererError, match=words):
        level(stems, -16.0, 44100)


def test_a_target_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(RendererError, match="target"):
        level(sine(997.0, 44100)[None, :, None], math.nan, 44100)


def test_true_peaks_are_those_of_a_finer_loop() -> None:
    """Against an exact resampling by eight, of a loop with content to 16 kHz."""
    draw = np.random.default_rng(7).standard_normal(44100)
    spectrum = np.fft.rfft(draw)
    spectrum[16000:] = 0.0
    loop = np.fft.irfft(spectrum).astype(np.float32)[:, None]
    finer = np.fft.irfft(np.concatenate([spectrum, np.zeros(8 * 22050 - 22050)]), 8 * 44100) * 8
    assert float(true_peaks(loop).max()) == pytest.approx(float(np.abs(finer).max()), rel=0.02)


@pytest.mark.parametrize("least", [1, 2, 7, 1000, 176401, 200_000])
def test_fast_lengths_have_small_factors(least: int) -> None:
    found = fast_length(least)
    assert least <= found <= 1.2 * least + 1
    for factor in (2, 3, 5):
        while found % factor == 0:
            found //= factor
    assert found == 1


def test_an_awkward_length_is_as_loud_as_its_neighbour() -> None:
    one, other = drums()[:, :176401], drums()[:, :176400]
    found = [level(stems, -14.0, 44100).gain.max() for stems in (one, other)]
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_a_loop_that_is_absurdly_loud_is_refused() -> None:
    with pytest.raises(RendererError, match="full scale"):
        level(np.full((1, 44100, 1), 1e19, np.float32), -14.0, 44100)
