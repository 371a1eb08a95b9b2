"""Riffusion's pictures: the same bands as theirs, exact loops, circular, mono and stereo."""

import numpy as np
import pytest
import torch
from torch import Tensor

from riffengine.errors import ModelError, RendererError
from riffengine.renderer.riffusion.codec import RiffusionCodec, RiffusionParams, frames_of_columns, sampled_weights
from riffengine.renderer.torchaudio_import import import_torchaudio

RATE = 44100


@pytest.fixture(scope="module")
def codec() -> RiffusionCodec:
    return RiffusionCodec()


def beat(frames: int = 4 * 28224, shift: int = 0) -> Tensor:
    """Four beats at 93.75 bpm: a thump and a tone each, tails wrapping; (1, 1, frames)."""
    rng, loop = np.random.default_rng(3), np.zeros(frames)
    t = np.arange(RATE) / RATE
    for number in range(4):
        at = round(number * frames / 4) + shift
        hit = 0.5 * np.sin(2 * np.pi * 60 * t) * np.exp(-9 * t) + 0.05 * rng.standard_normal(RATE) * np.exp(-30 * t)
        tone = 0.2 * np.sin(2 * np.pi * (440.0, 550.0, 660.0, 880.0)[number] * t) * np.exp(-4 * t)
        np.add.at(loop, (at + np.arange(RATE)) % frames, hit + tone)
    return torch.from_numpy(loop.astype(np.float32))[None, None]


def test_512_columns_are_exactly_eight_beats_of_28224_samples_and_follow_any_tempo() -> None:
    params = RiffusionParams()
    assert frames_of_columns(512, params) == 225792
    assert frames_of_columns(512, params, bpm=93.75) == 225792
    assert frames_of_columns(512, params, bpm=120.0) == 4 * RATE
    assert frames_of_columns(1024, params, bpm=120.0) == 8 * RATE


def test_filters_and_bands_are_those_of_riffusion(codec: RiffusionCodec) -> None:
    transforms = import_torchaudio().transforms
    size = {"n_fft": 17640, "win_length": 4410, "hop_length": 441, "power": 1.0}
    mel = transforms.MelScale(512, RATE, 0, 10000, 8821, norm=None, mel_scale="htk")
    assert np.allclose(sampled_weights(codec.params), mel.fb.T.numpy(), atol=1e-4)
    loop = beat()
    theirs = mel(transforms.Spectrogram(**size)(loop[0, 0] * 32767.0))[:, 5:-6]
    ours = codec.bands(loop, 256)[0, 0][:, 5:-5]  # where neither reflects nor wraps
    assert float((theirs - ours).norm() / theirs.norm()) < 1e-4


@pytest.mark.parametrize("bpm", [93.75, 120.0, 70.0])
def test_a_picture_decodes_near_to_itself_at_any_tempo(codec: RiffusionCodec, bpm: float) -> None:
    picture = codec.encode(beat(), 256)
    frames = frames_of_columns(256, codec.params, bpm)
    audio = codec.decode(picture, frames)
    assert audio.shape == (1, 1, frames)
    again = codec.encode(audio, 256)
    assert float((again - picture).abs().mean() * 255) < 6.0


def test_the_level_is_that_of_the_picture(codec: RiffusionCodec) -> None:
    loop = beat()
    top = float(codec.bands(loop, 256).max())
    own = RiffusionCodec(RiffusionParams(max_value=top))
    audio = own.decode(own.encode(loop, 256, max_value=top), loop.shape[2])
    assert float(audio.square().mean().sqrt() / loop.square().mean().sqrt()) == pytest.approx(1.0, abs=0.1)


def test_a_turned_picture_is_a_turned_loop_below_the_noise(codec: RiffusionCodec) -> None:
    """Above 4 kHz phases start from a noise that does not turn with the picture, so only levels turn."""
    picture = codec.encode(beat(), 256)
    audio = codec.decode(picture, 256 * 441)
    turned = codec.decode(picture.roll(100, dims=3), 256 * 441).roll(-100 * 441, dims=2)
    spectrum = torch.fft.rfft(turned - audio)
    below = torch.fft.rfftfreq(256 * 441, 1 / 44100) < 3000.0
    assert float(torch.fft.irfft(spectrum * below).abs().max()) < 0.02 * float(audio.abs().max())
    levels, expected = codec.bands(turned, 256), codec.bands(audio, 256)
    assert float((levels - expected).norm() / expected.norm()) < 0.15


def test_stereo_keeps_its_sides() -> None:
    codec = RiffusionCodec(RiffusionParams.wide())
    loop = torch.cat([beat(), beat(shift=14112)], dim=1)
    picture = codec.encode(loop, 256)
    assert picture.shape == (1, 3, 512, 256)
    assert not picture[:, 0].any()
    audio = codec.decode(picture, loop.shape[2])
    again = codec.encode(audio, 256)
    same, other = ((again[:, 1:] - side).abs().mean() for side in (picture[:, 1:], picture[:, 1:].flip(1)))
    assert float(same) < 0.5 * float(other)


def test_grey_and_rgb_and_mono_and_stereo_audio_are_taken(codec: RiffusionCodec) -> None:
    grey = codec.encode(beat().expand(-1, 2, -1), 256)
    assert grey.shape == (1, 1, 512, 256)
    one = codec.decode(grey, 256 * 441, iterations=1)
    three = codec.decode(grey.expand(-1, 3, -1, -1), 256 * 441, iterations=1)
    assert torch.equal(one, three)
    assert RiffusionCodec(RiffusionParams.wide()).decode(grey, 256 * 441, iterations=0).shape == (1, 2, 256 * 441)


def test_a_white_picture_is_silence(codec: RiffusionCodec) -> None:
    assert not codec.decode(torch.ones(1, 1, 512, 256), 256 * 441, iterations=2).any()


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (torch.ones(1, 4, 512, 256), "1 to 3 channels"),
        (torch.ones(1, 1, 256, 256), "512 bands"),
        (torch.ones(512, 512), "a picture to decode"),
        (torch.full((1, 1, 512, 256), torch.nan), "NaN"),
    ],
)
def test_a_picture_that_is_none_is_refused(codec: RiffusionCodec, picture: Tensor, says: str) -> None:
    with pytest.raises(RendererError, match=says):
        codec.decode(picture, 256 * 441)


@pytest.mark.parametrize(
    ("audio", "says"),
    [
        (torch.zeros(1, 1, 112896), "silent"),
        (torch.full((1, 1, 112896), torch.nan), "NaN"),
        (torch.zeros(1, 3, 112896), "1 or 2"),
        (torch.zeros(1, 1, 100), "at least 4410"),
    ],
)
def test_audio_without_a_picture_is_refused(codec: RiffusionCodec, audio: Tensor, says: str) -> None:
    with pytest.raises(RendererError, match=says):
        codec.encode(audio, 256)


@pytest.mark.parametrize(
    "wrong", [{"power_for_image": 0.0}, {"min_frequency": 9e3, "max_frequency": 8e3}, {"sample_rate": 0}]
)
def test_parameters_that_make_no_picture_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ModelError, match="picture: "):
        RiffusionParams(**wrong)  # type: ignore[arg-type]
