"""Postprocessing equals a plain numpy implementation, at any rate, for several loops at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from riffengine.errors import RendererError
from riffengine.renderer.levelling import level
from riffengine.renderer.loop_audio import resample_loop
from riffengine.renderer.riffusion.bands import band_weights
from riffengine.renderer.riffusion.postprocess import Postprocessor

FRAMES = 44100


def loops(channels: int) -> np.ndarray:
    """Two loops ``(2, channels, frames)`` of noise and a bass."""
    draw = np.random.default_rng(4)
    bass = np.sin(2 * np.pi * 60 * np.arange(FRAMES) / FRAMES)
    return (0.05 * draw.standard_normal((2, channels, FRAMES)) + [[[0.02]], [[0.6]]] * bass).astype(np.float32)


@pytest.mark.parametrize(("channels", "frames", "rate"), [(1, FRAMES, 44100), (2, 48000, 48000), (1, 43003, 44100)])
def test_bands_and_loudness_are_those_of_the_plain_way(channels: int, frames: int, rate: int) -> None:
    sound = loops(channels)
    found = Postprocessor(torch.device("cpu"), -16.0).process(torch.from_numpy(sound), frames, rate)
    assert found.stems.shape == (2, 3, frames, channels)
    weights = band_weights(frames, rate)
    for number, one in enumerate(sound):
        spectra = np.fft.rfft(resample_loop(one, frames).astype(np.float64))
        stems = np.fft.irfft(spectra * weights[:, None], frames).transpose(0, 2, 1).astype(np.float32)
        expected = level(np.repeat(stems, 2 // channels, axis=2), -16.0, rate)  # mono is heard from two loudspeakers
        assert np.allclose(found.stems[number].numpy(), expected.audio[..., :channels], atol=5e-4)
        assert (found.lufs[number], found.peaks[number]) == pytest.approx(
            (expected.loudness_lufs, expected.peak), abs=1e-3
        )


def test_bands_add_up_to_the_loop() -> None:
    assert np.allclose(band_weights(FRAMES, 44100).sum(axis=0), 1.0, atol=1e-6)


@pytest.mark.parametrize(("value", "words"), [(0.0, "silent"), (float("nan"), "NaN")])
def test_what_is_no_loop_is_refused(value: float, words: str) -> None:
    sound = torch.from_numpy(loops(1))
    sound[1] = value
    with pytest.raises(RendererError, match=words):
        Postprocessor(torch.device("cpu"), -16.0).process(sound, FRAMES, 44100)
