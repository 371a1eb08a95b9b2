"""Sampling: noise becomes the latents of a loop, which has no seam although the network does not know that it repeats.

Before every step the loop is turned by another share of its length, and what the network predicts is turned back. So
its edges lie elsewhere each time, and every join is predicted from both sides in nearly all steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from riffengine.renderer.family import Check
from riffengine.renderer.waveform.networks import Condition, Networks
from riffengine.renderer.waveform.noise import MorphNoise
from riffengine.renderer.waveform.schedules import Schedule

_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, keep away from each other


@dataclass(frozen=True)
class SampleJob:
    """One loop to sample: ``length`` latents, at ``guidance`` from 1 (none) on.

    ``init`` are latents ``(1, channels, length)`` to start from and ``strength`` is how much they change. ``mask``
    ``(1, 1, length)`` is 1 where the loop is generated again; where it is 0 the result equals ``init`` exactly.
    ``turning`` False leaves the loop as it lies, as diffusers does.
    """

    length: int
    condition: Condition
    noise: MorphNoise
    steps: int
    guidance: float = 1.0
    init: Tensor | None = None
    strength: float = 1.0
    mask: Tensor | None = None
    turning: bool = True


class TokenNetworks(Networks, Protocol):
    """Networks that write the tokens of a loop one after another. Their latents are tokens, in several codebooks."""

    def sample(self, job: SampleJob, check: Check) -> Tensor:
        """The tokens of ``job``; ``check`` is called before every one and may raise."""


@torch.inference_mode()
def sample(job: SampleJob, networks: Networks, schedule: Schedule, check: Check) -> Tensor:
    """Latents ``(1, channels, length) float32``; ``check`` is called before every step and may raise."""
    schedule.begin(job.steps, job.strength if job.init is not None else 1.0)
    if not schedule.count:
        assert job.init is not None
        return job.init
    noise = job.noise.draw(networks.latent_channels, job.length).to(networks.device)
    latents = noise * schedule.pure_noise() if job.init is None else _mixed(job.init, noise, schedule.levels(0))
    for index in range(schedule.count):
        check()
        turn = turn_of(index, job.length) if job.turning else 0
        seen = torch.roll(schedule.scaled(latents, index), turn, dims=2)
        predicted = networks.predict(seen, schedule.time(index), job.condition, job.guidance)

        def draw(stream: int = index + 1) -> Tensor:
            return job.noise.draw(networks.latent_channels, job.length, stream).to(networks.device)

        latents = schedule.step(torch.roll(predicted, -turn, dims=2).float(), latents, index, draw).float()
        if job.mask is not None and job.init is not None:
            levels = schedule.levels(index + 1) if index + 1 < schedule.count else (1.0, 0.0)
            latents = torch.lerp(_mixed(job.init, noise, levels), latents, job.mask)
    return latents


def turn_of(index: int, length: int) -> int:
    """By how many latents the loop is turned in step ``index``; 0 in the first step."""
    return round((index * _GOLDEN) % 1.0 * length) % length


def _mixed(signal: Tensor, noise: Tensor, levels: tuple[float, float]) -> Tensor:
    return levels[0] * signal + levels[1] * noise
