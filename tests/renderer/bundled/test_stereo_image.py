"""The stereo image of a stem is found, survives its latents, and is played again; mono loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from riffengine.renderer.bundled.latent_codec import LatentCodec, StemShape
from riffengine.renderer.bundled.score import STEPS
from riffengine.renderer.bundled.stereo_image import ImageCode, analyse_image, side_signal
from riffengine.renderer.codec import CodecParams

RATE, LENGTH = 44100, 176400
BANDS = (150.0, 1000.0, 5000.0)


def noise(seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(LENGTH).astype(np.float32)) * 0.1


def level_db(one: Tensor, other: Tensor) -> float:
    return float(10 * torch.log10(one.square().mean() / other.square().mean()))


@pytest.mark.parametrize("pan", [-0.6, 0.0, 0.3])
def test_a_panned_stem_has_its_place_in_every_band_and_no_width(pan: float) -> None:
    mid = noise(1)
    image, known = analyse_image(mid, pan * mid, BANDS)
    assert image.shape == (STEPS, 3, 2) and bool(known.all())
    assert torch.allclose(image[..., 0], torch.full((STEPS, 3), pan), atol=1e-3)
    assert float(image[..., 1].max()) < -30.0


def test_an_independent_side_is_width_and_no_place() -> None:
    image, _ = analyse_image(noise(1), 0.5 * noise(2), BANDS)
    assert torch.allclose(image[..., 1].mean(0), torch.full((3,), -6.0), atol=1.0)
    assert float(image[..., 0].mean(0).abs().max()) < 0.05


def test_an_image_that_is_played_is_found_again() -> None:
    """Left in the first bar, wide in the second; narrow below 1 kHz."""
    image = torch.zeros(STEPS, 3, 2)
    image[:16, :, 0], image[16:, :, 0] = 0.4, 0.0
    image[:16, :, 1], image[16:, :, 1] = -40.0, -6.0
    image[:, 0, 1] = -40.0
    mid = noise(3)
    found, _ = analyse_image(mid, side_signal(mid, image, BANDS, RATE, seed=1), BANDS)
    inside = torch.tensor([3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    assert torch.allclose(found[inside, :, 0], torch.full((10, 3), 0.4), atol=0.05)
    assert torch.allclose(found[inside + 16, 1:, 1].mean(0), torch.full((2,), -6.0), atol=1.0)
    assert float(found[inside + 16, 0, 1].mean()) < -20.0


def test_nothing_below_the_lowest_band_leaves_the_middle() -> None:
    low = torch.sin(2 * torch.pi * 60.0 * torch.arange(LENGTH) / RATE) * 0.3
    image = torch.zeros(STEPS, 3, 2)
    image[..., 0] = 1.0
    assert level_db(side_signal(low, image, BANDS, RATE, seed=1), low) < -60.0


def test_the_side_is_as_loud_as_its_image_says_and_seamless() -> None:
    image = torch.full((STEPS, 3, 2), -10.0)
    image[..., 0] = 0.0
    mid = noise(4)
    side = side_signal(mid, image, BANDS, RATE, seed=2)
    assert level_db(side, mid) == pytest.approx(-10.0, abs=0.3)
    turned = side_signal(mid.roll(12345), image, BANDS, RATE, seed=2).roll(-12345)
    assert float((turned - side).abs().max()) < 1e-4


def test_stems_with_other_seeds_are_wide_independently() -> None:
    image = torch.zeros(STEPS, 3, 2)
    mid = noise(5)
    one, other = (side_signal(mid, image, BANDS, RATE, seed=seed) for seed in (1, 2))
    assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.2


def test_where_a_band_is_silent_nothing_is_known_and_its_latents_are_the_mean() -> None:
    silent = torch.zeros(LENGTH)
    image, known = analyse_image(silent, silent, BANDS)
    assert not bool(known.any()) and bool(image.isfinite().all())
    assert not ImageCode(3).encode(image[None], known[None]).any()


def test_latents_hold_the_image_of_every_stem_that_has_one() -> None:
    shapes = (
        StemShape("drums", CodecParams(n_fft=2048, n_mels=32, frames=256), 8, BANDS),
        StemShape("bass", CodecParams(n_fft=2048, n_mels=32, frames=256), 4),
    )
    assert tuple(StemShape.from_dict(shape.as_dict()) for shape in shapes) == shapes
    codec = LatentCodec(shapes)
    assert codec.channels == 8 + 6 + 4
    assert (codec.columns("drums"), codec.columns("bass")) == (slice(0, 14), slice(14, 18))
    stems = torch.stack([noise(6), noise(7)])
    images = [analyse_image(stems[0], 0.3 * stems[0] + 0.2 * noise(8), BANDS)]
    codec.image_codes()["drums"].fit(images[0][0][None], images[0][1][None])
    batched = [(image[None], known[None]) for image, known in images]
    drums, bass = codec.decode_images(codec.encode(codec.mel_images(stems), batched))
    assert bass is None and drums is not None
    assert torch.allclose(drums[0], images[0][0], atol=1e-3)
    mean_image = codec.decode_images(codec.encode(codec.mel_images(stems)))[0]  # of audio whose image is not known
    assert mean_image is not None
    assert torch.allclose(mean_image[0, :, :, 0].mean(0), images[0][0][..., 0].mean(0), atol=0.02)
