"""On a CUDA device: graphs, async copies, half precision and LoRAs give what plain code gives. Skipped without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from riffengine.errors import RenderCancelled
from riffengine.processes.render_request import Retake
from riffengine.renderer.riffusion.checkpoint import read_checkpoint
from riffengine.renderer.riffusion.device_policy import DevicePolicy
from riffengine.renderer.riffusion.family import RiffusionFamily
from riffengine.renderer.riffusion.model_spec import ModelSpec
from riffengine.renderer.riffusion.sampling import MorphNoise, SampleBatch, sample
from tests.renderer.riffusion.checkpoints import REQUEST, never_cancel, toy_checkpoints
from tests.renderer.riffusion.test_device_policy import HALF_BOUND
from tests.renderer.riffusion.test_lora import written

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
SHAPE = (4, 8, 16)


def loaded(options: str = "", **policy: object) -> RiffusionFamily:
    spec = ModelSpec.parse(f"{toy_checkpoints() / 'modern'}?device=cuda&scheduler=ddim&{options}")
    return RiffusionFamily(read_checkpoint(spec), spec, replace(DevicePolicy.choose(spec), **policy))  # type: ignore[arg-type]


def graphs(own: RiffusionFamily) -> int:
    kept = own.networks._run_unet._graphs
    return -1 if kept is None else len(kept)


@contextmanager
def no_waiting() -> Iterator[None]:
    """Whatever lets the host wait for the device raises."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_what_is_captured_plays_what_is_not() -> None:
    captured, plain = loaded(), loaded(graphs=False)
    for request in (REQUEST, replace(REQUEST, alpha=0.25), replace(REQUEST, retakes=(Retake(("high",), 0b10, 1),))):
        one, other = captured.render(request, never_cancel), plain.render(request, never_cancel)
        assert np.abs(one.mel - other.mel).mean() < HALF_BOUND
        assert np.isfinite(one.audio).all() and one.remarks == ()
    assert np.array_equal(loaded().render(REQUEST, never_cancel).audio, captured.render(REQUEST, never_cancel).audio)


def test_nothing_is_captured_again_after_the_warm_up() -> None:
    own = loaded()
    own.warm_up()
    before = graphs(own)
    assert before >= 6
    longer = replace(REQUEST, beats=8)  # what warming up has seen
    for change in ({"steps": 7}, {"alpha": 0.5}, {"alpha": 1 / 16}, {"start": replace(REQUEST.start, guidance=1.0)}):
        assert own.render(replace(longer, **change), never_cancel).remarks == ()  # type: ignore[arg-type]
    assert graphs(own) == before


def test_a_loras_weight_is_heard_through_a_graph(tmp_path: Path) -> None:
    written(tmp_path / "house.safetensors", "peft")
    option = f"lora={tmp_path / 'house.safetensors'}:0"
    captured, plain = loaded(option), loaded(option, graphs=False)
    found = []
    for weight in (0.0, 1.0, 0.5, 0.0):
        start = replace(REQUEST.start, prompt=f"dub <lora:house:{weight}>")
        one, other = (own.render(replace(REQUEST, start=start), never_cancel).mel for own in (captured, plain))
        assert np.abs(one - other).mean() < HALF_BOUND
        found.append(one)
    assert not np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[3])


@pytest.mark.parametrize("guidance", [1.0, 7.0])
def test_the_host_does_not_wait_inside_a_loop(guidance: float) -> None:
    own = loaded()
    text = torch.randn(2, 77, 32, device="cuda")
    init, mask = torch.randn(1, *SHAPE, device="cuda"), torch.ones(1, 1, *SHAPE[1:], device="cuda")
    batch = SampleBatch(
        text, text, torch.full((2,), guidance), MorphNoise(((1, 2, 0.5), (1, 2, 0.7))), 6, init, 0.75, mask
    )
    with torch.inference_mode():
        sample(batch, own.networks, own.pictures.scheduler, never_cancel, SHAPE)  # captured here
        with no_waiting():
            found = sample(batch, own.networks, own.pictures.scheduler, never_cancel, SHAPE)
    assert bool(torch.isfinite(found).all())


def test_half_precision_stays_within_its_bound() -> None:
    whole, half = (loaded(f"precision={kind}").render(REQUEST, never_cancel).mel for kind in ("float32", "float16"))
    assert 0.0 < np.abs(whole - half).mean() <= HALF_BOUND


def test_a_cancelled_loop_leaves_nothing_behind() -> None:
    own, asked = loaded(), 0

    def cancel() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise RenderCancelled("newer intent")

    with pytest.raises(RenderCancelled):
        own.render(replace(REQUEST, steps=20), cancel)
    assert np.array_equal(own.render(REQUEST, never_cancel).audio, loaded().render(REQUEST, never_cancel).audio)


def test_a_budget_is_kept() -> None:
    try:
        own = loaded("vram=2GiB")
        assert own.render(REQUEST, never_cancel).audio.any() and torch.cuda.max_memory_reserved() <= 2 << 30
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(3 << 30, dtype=torch.uint8, device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_async_copies_go_there_and_back() -> None:
    copy, tensor = loaded().networks.async_copy, torch.randn(3, 1000)
    assert torch.equal(copy.to_host(copy.to_device(tensor) * 2.0), tensor * 2.0)
