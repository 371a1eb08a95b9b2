"""Device policy: memory budgets, the error bound of half precision, and running out of memory during a set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from riffengine.errors import ModelError, RendererError
from riffengine.renderer.riffusion.device_policy import DevicePolicy, plan_memory
from riffengine.renderer.riffusion.family import RiffusionFamily
from riffengine.renderer.riffusion.model_spec import ModelSpec
from tests.renderer.riffusion.checkpoints import REQUEST, family, never_cancel, toy_checkpoints

GIB = 2**30
SD15 = {"unet": 859_520_964 * 2, "vae": 83_653_863 * 2, "text": 123_060_480 * 2}  # bytes in half precision
HALF_BOUND = 0.02  # mean of the difference on the mel image (0..1) between bfloat16 and float32


def test_a_smaller_budget_costs_speed_before_it_fails() -> None:
    plans = [plan_memory(budget, SD15, 8, 2) for budget in (0, 24 * GIB, 6 * GIB, 4 * GIB)]
    assert plans[0] == plans[1] and plans[0].batch == 8 and not plans[0].decode_one_by_one
    assert 1 <= plans[3].batch < 8 and plans[3].decode_one_by_one
    assert all(
        plan.needed_bytes <= budget for plan, budget in zip(plans[1:], (24 * GIB, 6 * GIB, 4 * GIB), strict=True)
    )
    with pytest.raises(ModelError, match="too little for this checkpoint"):
        plan_memory(1 * GIB, SD15, 8, 2)
    with pytest.raises(ModelError, match="too little"):
        RiffusionFamily.load(f"{toy_checkpoints() / 'modern'}?device=cpu&vram=1MiB")


def test_a_missing_device_is_reported() -> None:
    missing = next(name for name in ("mps", "cuda") if not _there(name))
    with pytest.raises(ModelError, match=f"device={missing} was requested"):
        DevicePolicy.choose(ModelSpec("x", device=missing))
    with pytest.raises(ModelError, match="float32 or bfloat16"):
        DevicePolicy.choose(ModelSpec("x", device="cpu", precision="float16"))


def _there(name: str) -> bool:
    return torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available()


def test_half_precision_stays_within_its_bound_on_the_mel_image() -> None:
    for guidance in (1.0, 7.0):
        start = replace(REQUEST.start, guidance=guidance)
        request = replace(REQUEST, start=start, steps=10)
        whole, half = (
            family(f"precision={kind}").render(request, never_cancel).mel for kind in ("float32", "bfloat16")
        )
        difference = float(np.abs(whole - half).mean())
        assert 0.0 < difference <= HALF_BOUND


def exhausted(most: int) -> tuple[RiffusionFamily, list[int]]:
    """A family whose UNet has memory for ``most`` pictures at once, and the batches that it was given."""
    own = RiffusionFamily.load(f"{toy_checkpoints() / 'modern'}?device=cpu&batch=8&scheduler=ddim")
    batches: list[int] = []

    def refuse(_: object, inputs: tuple[torch.Tensor, ...]) -> None:
        batches.append(len(inputs[0]))
        if len(inputs[0]) > most:
            raise torch.OutOfMemoryError("out of memory")

    own.networks.unet.register_forward_pre_hook(refuse)
    return own, batches


def test_when_memory_runs_out_the_batch_is_halved_and_a_remark_says_so() -> None:
    own, batches = exhausted(4)  # guided: two loops
    request = replace(REQUEST, alpha=0.25)
    found = own.render(request, never_cancel)
    assert found.remarks == (
        "memory ran out: 4 loops at once from now on",
        "memory ran out: 2 loops at once from now on",
    )
    assert batches[:3] == [14, 8, 4] and max(batches[2:]) == 4
    expected = RiffusionFamily.load(f"{toy_checkpoints() / 'modern'}?device=cpu&batch=2&scheduler=ddim").render(
        request, never_cancel
    )
    assert np.array_equal(found.mel, expected.mel)
    assert own.render(replace(REQUEST, alpha=0.75), never_cancel).remarks == ()


def test_when_one_loop_does_not_fit_only_that_loop_fails() -> None:
    own, _ = exhausted(1)
    with pytest.raises(RendererError, match=r"no memory left for a single loop.*device=cpu"):
        own.render(REQUEST, never_cancel)
    unguided = replace(REQUEST, start=replace(REQUEST.start, guidance=1.0))
    assert own.render(unguided, never_cancel).audio.any()
