"""What an agent hears is what is there: figures of sounds that are made for it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from riffengine.agent.hearing import SILENCE_DB, hear, picture

RATE = 44100
BPM = 120.0
BAR = round(4 * 60 / BPM * RATE)


def tones(*hz: float, bars: int = 2) -> np.ndarray:  # type: ignore[type-arg]
    """Both channels with the tones ``hz`` in the middle."""
    time = np.arange(bars * BAR) / RATE
    mono = sum(np.sin(2 * np.pi * one * time) for one in hz) * 0.1
    return np.repeat(np.asarray(mono, np.float32)[:, None], 2, axis=1)


def test_a_chord_gives_its_key() -> None:
    scale = [220.0 * 2 ** (step / 12) for step in (0, 0, 0, 2, 3, 3, 5, 7, 7, 8, 10)]
    heard = hear(tones(*scale), RATE, 2, BPM)
    assert heard.key == "A minor"
    assert heard.key_certainty > 0.7
    assert heard.onsets_per_bar == 0.0


def test_clicks_are_counted() -> None:
    samples = np.zeros((4 * BAR, 2), np.float32)
    for beat in range(16):
        at = beat * BAR // 4 + 100
        samples[at : at + 400] = np.random.default_rng(beat).normal(0, 0.2, (400, 1)).astype(np.float32)
    assert hear(samples, RATE, 4, BPM).onsets_per_bar == pytest.approx(4.0, abs=0.3)


def test_levels_brightness_and_width() -> None:
    dark, bright = hear(tones(60.0), RATE, 2, BPM), hear(tones(6000.0), RATE, 2, BPM)
    assert dark.brightness_hz < 150 < 5500 < bright.brightness_hz
    assert dark.low_db > -1 > dark.high_db
    assert bright.high_db > -1 > bright.low_db
    assert dark.peak_db == pytest.approx(-20.0, abs=0.2)
    assert dark.side_db == SILENCE_DB
    wide = tones(440.0)
    wide[:, 1] *= -1
    assert hear(wide, RATE, 2, BPM).side_db > 50
    loud, quiet = hear(tones(1000.0), RATE, 2, BPM), hear(0.5 * tones(1000.0), RATE, 2, BPM)
    assert loud.loudness_lufs - quiet.loudness_lufs == pytest.approx(6.0, abs=0.15)


def test_silence_has_figures_that_json_can_hold() -> None:
    heard = hear(np.zeros((BAR, 2), np.float32), RATE, 1, BPM)
    assert (heard.loudness_lufs, heard.key, heard.onsets_per_bar) == (SILENCE_DB, "", 0.0)


def test_the_picture_shows_a_tone_where_it_is() -> None:
    image = np.asarray(Image.open(io.BytesIO(picture(tones(1000.0), RATE))))
    assert image.shape == (160, 512)
    row = int(image.mean(axis=1).argmax())
    expected = 159 * np.log(16000 / 1000) / np.log(16000 / 40)
    assert abs(row - expected) < 3
    assert image[int(expected) + 40].mean() < 60
