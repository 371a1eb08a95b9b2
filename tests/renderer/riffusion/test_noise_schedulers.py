"""Noise schedulers: every compatible diffusers scheduler works by name; img2img starts; morphable noise."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.noise_schedulers import first_step_index, make_scheduler, scheduler_names
from riffengine.renderer.riffusion.family import RiffusionFamily
from tests.renderer.riffusion.checkpoints import REQUEST, family, never_cancel, toy_checkpoints

CONFIG = json.loads((toy_checkpoints() / "modern" / "scheduler" / "scheduler_config.json").read_text())
STEPS = replace(REQUEST, steps=3)


def with_scheduler(scheduler: str) -> RiffusionFamily:
    """The shared family with another scheduler: the networks are not read again for each."""
    own = family("precision=float32")
    own.pictures.scheduler = make_scheduler(scheduler, CONFIG)
    own.pictures.clear()
    return own


def test_the_common_schedulers_are_there() -> None:
    names = scheduler_names()
    assert {"PNDM", "DDIM", "LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep"} < set(names)
    assert {"LCM", "TCD", "UniPCMultistep", "HeunDiscrete", "DEISMultistep"} < set(names)
    assert not {name for name in names if "Flow" in name}


@pytest.mark.parametrize("name", scheduler_names())
def test_every_scheduler_works_and_is_deterministic(name: str) -> None:
    first = with_scheduler(name).render(STEPS, never_cancel)
    assert np.isfinite(first.audio).all() and first.audio.any()
    assert np.array_equal(with_scheduler(name).render(STEPS, never_cancel).mel, first.mel)


def test_a_short_name_is_the_scheduler_and_none_is_the_checkpoints_own() -> None:
    assert type(make_scheduler("dpm++", CONFIG)).__name__ == "DPMSolverMultistepScheduler"
    assert type(make_scheduler("lcmscheduler", CONFIG)).__name__ == "LCMScheduler"
    assert type(make_scheduler("", CONFIG)).__name__ == "PNDMScheduler"


@pytest.mark.parametrize("name", ["turbo", "FlowMatchEulerDiscrete", "DDIMInverse"])
def test_another_name_is_refused_with_those_that_fit(name: str) -> None:
    with pytest.raises(ModelError, match=r"there are: .*DDIM.*short names pndm"):
        make_scheduler(name, CONFIG)


def test_a_scheduler_that_needs_more_says_what(monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers

    def missing(*given: object) -> None:  # diffusers' own stand-in looks for the library, which is there in tests
        raise ImportError("DPMSolverSDEScheduler requires the torchsde library but it was not found")

    monkeypatch.setattr(diffusers.DPMSolverSDEScheduler, "from_config", missing)
    with pytest.raises(ModelError, match="torchsde"):
        with_scheduler("DPMSolverSDE").render(STEPS, never_cancel)


@pytest.mark.parametrize(
    ("steps", "strength", "index"),
    [(50, 0.75, 13), (50, 1.0, 0), (50, 0.0, 50), (50, 0.58, 21), (4, 0.1, 3), (4, 0.9, 1), (1, 0.5, 0)],
)
def test_img2img_starts_where_its_strength_says(steps: int, strength: float, index: int) -> None:
    assert first_step_index(steps, strength, steps, 1) == index


def test_noise_between_steps_morphs_too() -> None:
    own = with_scheduler("lcm")
    start, end = (replace(REQUEST.start, seed=seed) for seed in (11, 12))
    mels = [
        own.render(replace(REQUEST, start=start, end=end, alpha=a), never_cancel).mel for a in (0.0, 0.002, 0.998, 1.0)
    ]
    whole = np.abs(mels[0] - mels[3]).mean()
    assert np.abs(mels[0] - mels[1]).mean() < 0.05 * whole
    assert np.abs(mels[2] - mels[3]).mean() < 0.05 * whole
