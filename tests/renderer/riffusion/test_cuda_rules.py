"""Rules for CUDA, tested without CUDA: a loop never waits for the device, and failures are reported.

The meta device replaces it: it has no values, so reading one raises, and every copy from or to the CPU is counted.
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

from riffengine.renderer.checkpoints.noise_schedulers import make_scheduler, scheduler_names
from riffengine.renderer.riffusion.async_copy import AsyncCopy
from riffengine.renderer.riffusion.checkpoint import Checkpoint, read_checkpoint
from riffengine.renderer.riffusion.circular_conv import make_circular
from riffengine.renderer.riffusion.device_policy import DevicePolicy
from riffengine.renderer.riffusion.family import RiffusionFamily
from riffengine.renderer.riffusion.model_spec import ModelSpec
from riffengine.renderer.riffusion.networks import AcceleratedFunction, Networks
from riffengine.renderer.riffusion.sampling import MorphNoise, SampleBatch, sample
from tests.renderer.riffusion.checkpoints import REQUEST, family, never_cancel, toy_checkpoints

CONFIG = json.loads((toy_checkpoints() / "modern" / "scheduler" / "scheduler_config.json").read_text())
FAR = torch.device("meta")
SHAPE = (4, 8, 16)
SCHEDULERS = [name for name in scheduler_names() if name != "DPMSolverSDE"]  # that one needs torchsde


class CopyCounter(TorchDispatchMode):
    """Counts tensors copied to the device or back; single numbers are passed with a kernel and are free."""

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


class CountingCopy(AsyncCopy):
    count = 0

    def to_device(self, tensor: Tensor) -> Tensor:
        self.count += 1
        return super().to_device(tensor)


def checkpoint() -> Checkpoint:
    return read_checkpoint(ModelSpec(str(toy_checkpoints() / "modern")))


class TrivialNetworks(Networks):
    """Networks whose UNet is one multiplication, to test the code around it."""

    def predict_noise(self, latents: Tensor, time: Tensor, text: Tensor, guidance: Tensor | None) -> Tensor:
        return latents * 0.5 + time


def far_networks(kind: type[Networks]) -> Networks:
    found = kind(checkpoint(), DevicePolicy(FAR, torch.float16, channels_last=True, bank_batch=8))
    found.async_copy = CountingCopy(FAR)
    return found


@pytest.fixture(scope="module")
def trivial() -> Networks:
    return far_networks(TrivialNetworks)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_loop_reads_nothing_back_and_copies_with_async_copy_alone(name: str, trivial: Networks) -> None:
    watched_loop(name, trivial)


def watched_loop(name: str, networks: Networks) -> None:
    text, init = torch.empty(2, 77, 32, device=FAR), torch.empty(1, *SHAPE, device=FAR)
    mask = torch.empty(1, 1, *SHAPE[1:], device=FAR)
    noise = MorphNoise(((1, 2, 0.5), (1, 2, 0.7)))
    counter, copy = CopyCounter(), networks.async_copy
    assert isinstance(copy, CountingCopy)
    before = copy.count
    with torch.inference_mode(), counter:
        batch = SampleBatch(text, text, torch.tensor([4.0, 5.0]), noise, 4, init, 0.75, mask)
        assert sample(batch, networks, make_scheduler(name, CONFIG), never_cancel, SHAPE).shape == (2, *SHAPE)
    assert counter.back == [] and counter.out == copy.count - before


def test_the_border_counts_copies() -> None:
    with CopyCounter() as counter:
        torch.ones(2).to(FAR)
        with pytest.raises(RuntimeError, match="item"):
            torch.ones(1, device=FAR).item()
        with pytest.raises(NotImplementedError, match="meta"):
            torch.ones(1, device=FAR).cpu()
    assert counter.out == 1


def test_the_networks_copy_nothing() -> None:
    networks = far_networks(Networks)
    watched_loop("ddim", networks)
    with torch.inference_mode(), CopyCounter() as counter:
        latents = torch.empty(2, *SHAPE, device=FAR)
        networks.predict_noise(latents, torch.empty(1, device=FAR), torch.empty(2, 154, 32, device=FAR), None)
        networks._decoder_value(latents)
    assert counter.out == 0 and counter.back == []


def test_channels_stay_last_through_circular_convolutions() -> None:
    layers = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 4, 3, stride=2, padding=1))
    make_circular(layers)
    nn.Module.to(layers, memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(2, 8, 6, 10).to(memory_format=torch.channels_last)
    for layer in layers:
        x = layer(x)
        assert x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(torch.cuda.is_available(), reason="where there is CUDA it captures")
def test_if_capturing_fails_it_is_reported_once_and_the_loop_is_the_same() -> None:
    spec = ModelSpec.parse(f"{toy_checkpoints() / 'modern'}?device=cpu&scheduler=ddim")
    own = RiffusionFamily(checkpoint(), spec, replace(DevicePolicy.choose(spec), graphs=True))
    found = own.render(REQUEST, never_cancel)
    assert len(found.remarks) == 1 and "CUDA graphs do not work here" in found.remarks[0]
    assert np.array_equal(found.audio, family("scheduler=ddim").render(REQUEST, never_cancel).audio)
    assert own.render(replace(REQUEST, steps=3), never_cancel).remarks == ()


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of the compiler's own modules
def test_if_compiling_fails_it_is_reported_once_and_the_function_runs_plainly() -> None:
    messages: list[str] = []
    run = AcceleratedFunction(
        lambda x: (x * 3.0).sin(), DevicePolicy(torch.device("cpu"), torch.float32, compiled=True), messages.append
    )
    x = torch.arange(7.0)
    from torch._inductor import config

    with config.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}):
        assert torch.equal(run(x), (x * 3.0).sin())
    assert torch.equal(run(x + 1.0), ((x + 1.0) * 3.0).sin())
    assert len(messages) == 1 and "torch.compile does not work here" in messages[0]


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
