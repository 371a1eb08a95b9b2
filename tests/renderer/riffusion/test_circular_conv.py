"""Circular convolutions: rotating a picture rotates the result, through every network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from riffengine.errors import ModelError
from riffengine.renderer.riffusion.circular_conv import make_circular
from tests.renderer.riffusion.checkpoints import toy_checkpoints
from tools.random_checkpoint import AutoencoderTiny, random_parts

_, VAE, UNET = random_parts("tiny")
TINY = AutoencoderTiny.from_pretrained(toy_checkpoints() / "decoder")
NETWORKS: dict[str, tuple[nn.Module, Callable[[Tensor], Tensor], tuple[int, ...], int, float]] = {
    # network, what it does, shape of its input, how far it is turned, output columns to an input column
    "decoder": (VAE, lambda x: VAE.decode(x).sample, (1, 4, 4, 16), 5, 8.0),
    "encoder": (VAE, lambda x: VAE.encode(x).latent_dist.mean, (1, 3, 32, 128), 40, 1 / 8),
    "tiny decoder": (TINY, lambda x: TINY.decode(x).sample, (1, 4, 4, 16), 5, 8.0),
    "tiny encoder": (TINY, lambda x: TINY.encode(x).latents, (1, 3, 32, 128), 40, 1 / 8),
    "unet": (UNET, lambda x: UNET(x, 500, torch.ones(1, 77, 32)).sample, (1, 4, 8, 16), 6, 1.0),
}


def turning_error(run: Callable[[Tensor], Tensor], x: Tensor, turn: int, scale: float) -> float:
    straight, turned = run(x), run(x.roll(turn, dims=-1))
    return float((straight.roll(round(turn * scale), dims=-1) - turned).abs().max() / straight.abs().max())


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_turning_the_input_turns_the_output(name: str) -> None:
    network, run, shape, turn, scale = NETWORKS[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    if not any("_conv_forward" in vars(module) for module in network.modules()):  # two rows share a network
        assert turning_error(run, x, turn, scale) > 1e-3
    make_circular(network)
    make_circular(network)  # twice is once
    assert turning_error(run, x, turn, scale) < 1e-5


def test_height_keeps_its_zeros() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1)
    x = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    plain = layer(x)
    make_circular(layer)
    assert torch.allclose(layer(x)[..., 1:-1], plain[..., 1:-1], atol=1e-6)
    assert not torch.allclose(layer(x)[..., 0], plain[..., 0], atol=1e-3)


@pytest.mark.parametrize("layer", [nn.ConvTranspose2d(1, 1, 3), nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")])
def test_a_network_that_cannot_be_turned_is_refused(layer: nn.Module) -> None:
    with pytest.raises(ModelError, match="cannot be made circular"):
        make_circular(layer)
