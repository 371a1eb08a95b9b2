"""What CUDA asks of the code, shown without one: nothing waits for the device inside a loop, and what fails is told.

The meta device stands in: it has no values, so whatever reads one raises, and every way between it and the CPU is seen.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from riffengine.renderer.riffusion.async_copy import AsyncCopy
from riffengine.renderer.riffusion.checkpoint import Checkpoint, read_checkpoint
from riffengine.renderer.riffusion.circular_conv import make_circular
from riffengine.renderer.riffusion.device_policy import DevicePolicy
from riffengine.renderer.riffusion.family import RiffusionFamily
from riffengine.renderer.riffusion.model_spec import ModelSpec
from riffengine.renderer.riffusion.networks import Networks, Runner
from riffengine.renderer.riffusion.noise_schedulers import make_scheduler, scheduler_names
from riffengine.renderer.riffusion.sampling import Dream, Noise, dream
from tests.renderer.riffusion.checkpoints import REQUEST, family, go, shelf

CONFIG = json.loads((shelf() / "modern" / "scheduler" / "scheduler_config.json").read_text())
FAR = torch.device("meta")
SHAPE = (4, 8, 16)
SCHEDULERS = [name for name in scheduler_names() if name != "DPMSolverSDE"]  # that one needs torchsde


class Border(TorchDispatchMode):
    """Notes every tensor that goes to the device or comes back; single numbers go along with a kernel for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.back = 0, list[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        made = {each.device.type for each in tree_leaves(found) if isinstance(each, Tensor)}
        if "meta" in made and any(each.device.type == "cpu" and each.ndim for each in given):
            self.out += 1
        if "cpu" in made and any(each.device.type == "meta" for each in given):
            self.back.append(str(func))
        return found


class CountingFerry(AsyncCopy):
    crossings = 0

    def over(self, tensor: Tensor) -> Tensor:
        self.crossings += 1
        return super().over(tensor)


def checkpoint() -> Checkpoint:
    return read_checkpoint(ModelSpec(str(shelf() / "modern")))


class Short(Networks):
    """Its UNet is one multiplication: what is looked at is what stands around it."""

    def noise_in(self, latents: Tensor, time: Tensor, text: Tensor, guidance: Tensor | None) -> Tensor:
        return latents * 0.5 + time


def far_networks(kind: type[Networks]) -> Networks:
    found = kind(checkpoint(), DevicePolicy(FAR, torch.float16, channels_last=True, bank_batch=8))
    found.ferry = CountingFerry(FAR)
    return found


@pytest.fixture(scope="module")
def short() -> Networks:
    return far_networks(Short)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_loop_reads_nothing_back_and_sends_nothing_but_by_ferry(name: str, short: Networks) -> None:
    watched_loop(name, short)


def watched_loop(name: str, networks: Networks) -> None:
    text, init = torch.empty(2, 77, 32, device=FAR), torch.empty(1, *SHAPE, device=FAR)
    mask = torch.empty(1, 1, *SHAPE[1:], device=FAR)
    noise = Noise(((1, 2, 0.5), (1, 2, 0.7)))
    border, ferry = Border(), networks.ferry
    assert isinstance(ferry, CountingFerry)
    before = ferry.crossings
    with torch.inference_mode(), border:
        wish = Dream(text, text, torch.tensor([4.0, 5.0]), noise, 4, init, 0.75, mask)
        assert dream(wish, networks, make_scheduler(name, CONFIG), go, SHAPE).shape == (2, *SHAPE)
    assert border.back == [] and border.out == ferry.crossings - before


def test_the_border_is_watched() -> None:
    with Border() as border:
        torch.ones(2).to(FAR)
        with pytest.raises(RuntimeError, match="item"):
            torch.ones(1, device=FAR).item()
        with pytest.raises(NotImplementedError, match="meta"):
            torch.ones(1, device=FAR).cpu()
    assert border.out == 1


def test_nothing_crosses_inside_the_networks() -> None:
    networks = far_networks(Networks)
    watched_loop("ddim", networks)
    with torch.inference_mode(), Border() as border:
        latents = torch.empty(2, *SHAPE, device=FAR)
        networks.noise_in(latents, torch.empty(1, device=FAR), torch.empty(2, 154, 32, device=FAR), None)
        networks._decoder_value(latents)
    assert border.out == 0 and border.back == []


def test_channels_stay_last_through_circular_convolutions() -> None:
    layers = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 4, 3, stride=2, padding=1))
    make_circular(layers)
    nn.Module.to(layers, memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(2, 8, 6, 10).to(memory_format=torch.channels_last)
    for layer in layers:
        x = layer(x)
        assert x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(torch.cuda.is_available(), reason="where there is CUDA it captures")
def test_where_nothing_can_be_captured_it_is_told_once_and_the_same_loop_plays() -> None:
    spec = ModelSpec.parse(f"{shelf() / 'modern'}?device=cpu&scheduler=ddim")
    own = RiffusionFamily(checkpoint(), spec, replace(DevicePolicy.choose(spec), graphs=True))
    found = own.render(REQUEST, go)
    assert len(found.remarks) == 1 and "CUDA graphs do not work here" in found.remarks[0]
    assert np.array_equal(found.audio, family("scheduler=ddim").render(REQUEST, go).audio)
    assert own.render(replace(REQUEST, steps=3), go).remarks == ()


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of the compiler's own modules
def test_where_nothing_can_be_compiled_it_is_told_once_and_played_as_it_is() -> None:
    told: list[str] = []
    run = Runner(
        lambda x: (x * 3.0).sin(), DevicePolicy(torch.device("cpu"), torch.float32, compiled=True), told.append
    )
    x = torch.arange(7.0)
    from torch._inductor import config

    with config.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}):
        assert torch.equal(run(x), (x * 3.0).sin())
    assert torch.equal(run(x + 1.0), ((x + 1.0) * 3.0).sin())
    assert len(told) == 1 and "torch.compile does not work here" in told[0]


def test_both_networks_are_one_graph_to_the_compiler() -> None:
    found = Networks(checkpoint(), DevicePolicy(torch.device("cpu"), torch.float32))
    draw = torch.Generator().manual_seed(1)
    latents, text = torch.randn(2, *SHAPE, generator=draw), torch.randn(2, 77, 32, generator=draw)
    calls: list[tuple[Any, tuple[Tensor, ...]]] = [
        (found._unet_value, (latents, torch.tensor([500]), text)),
        (found._decoder_value, (latents,)),
    ]
    for function, inputs in calls:
        whole = torch.compile(function, backend="eager", fullgraph=True, dynamic=False)
        with torch.inference_mode():
            assert torch.equal(whole(*inputs), function(*inputs))
