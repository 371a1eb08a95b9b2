"""Sampling: a diffusers scheduler and the UNet turn noise and text into latents; cancelling stops between steps."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from riffengine.renderer.checkpoints.noise_schedulers import first_step_index, step_noise
from riffengine.renderer.family import Check
from riffengine.renderer.interpolation import slerp
from riffengine.renderer.riffusion.networks import Networks


@dataclass(frozen=True)
class SampleBatch:
    """A batch of loops to sample with the same number of steps.

    ``text`` and ``negative`` are embeddings ``(batch, tokens, width)``; ``guidance`` ``(batch,)``, and where it is 1
    everywhere ``negative`` is not used. ``init`` are latents to start from (img2img) and ``strength`` is how much they
    change. ``mask`` ``(1, 1, rows, columns)`` is 1 where the loop is generated again (inpainting); where it is 0, the
    result equals ``init`` exactly.
    """

    text: Tensor
    negative: Tensor
    guidance: Tensor
    noise: MorphNoise
    steps: int
    init: Tensor | None = None
    strength: float = 1.0
    mask: Tensor | None = None


@dataclass(frozen=True)
class MorphNoise:
    """Gaussian noise between two seeds, for each loop of a batch.

    ``ends`` are (seed at alpha 0, seed at alpha 1, alpha) of each loop. ``take`` 0 is the first version of a loop, each
    other number another one. Drawn on the CPU, so that a seed gives the same loop on every device; interpolated on
    great circles, which keeps the norm (``slerp``).
    """

    ends: tuple[tuple[int, int, float], ...]
    take: int = 0

    def initial(self, shape: tuple[int, int, int]) -> Tensor:
        """``(batch, *shape)``: the noise at the first step."""
        return torch.cat(
            [
                _interpolated(_first_noise(a, self.take, shape), _first_noise(b, self.take, shape), alpha)
                for a, b, alpha in self.ends
            ]
        )

    def later(self, shape: tuple[int, int, int]) -> _LaterNoise:
        """The source of the noise that a scheduler adds between its steps."""
        return _LaterNoise(self, shape)


class _LaterNoise:
    def __init__(self, noise: MorphNoise, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        seeds = {seed for a, b, _ in noise.ends for seed in (a, b)}
        self._generators = {seed: _generator(seed, noise.take, 1) for seed in seeds}
        self._ends = noise.ends

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        drawn = {seed: torch.randn(1, *self._shape, generator=each) for seed, each in self._generators.items()}
        return torch.cat([_interpolated(drawn[a], drawn[b], alpha) for a, b, alpha in self._ends]).reshape(shape)


def sample(batch: SampleBatch, networks: Networks, scheduler: Any, check: Check, shape: tuple[int, int, int]) -> Tensor:
    """Latents ``(batch, *shape) float32`` of ``batch``; ``check`` is called before every step and may raise.

    All tensors of the steps stay on the device and nothing waits for it, except that at most ``policy.run_ahead`` steps
    are queued. So a cancelled loop ends within one step.
    """
    scheduler.set_timesteps(batch.steps, device="cpu")
    order = int(getattr(scheduler, "order", 1))
    first = 0
    if batch.init is not None:
        first = first_step_index(batch.steps, batch.strength, len(scheduler.timesteps), order)
    times = scheduler.timesteps[first:]
    if not len(times):
        assert batch.init is not None
        return batch.init.expand(len(batch.text), -1, -1, -1)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    to_device, later_noise = networks.async_copy.to_device, batch.noise.later(shape)
    noise = to_device(batch.noise.initial(shape))
    if batch.init is None:
        latents = noise * float(scheduler.init_noise_sigma)
    else:
        latents = _add_noise(batch.init, noise, scheduler, times[:1])
    guided = bool((batch.guidance != 1.0).any())
    text = torch.cat([batch.negative, batch.text]) if guided else batch.text
    guidance = to_device(batch.guidance)[:, None, None, None] if guided else None
    device_times = to_device(times)
    queue_limit = _QueueLimit(networks)
    if hasattr(scheduler, "noise_sampler"):  # a Brownian tree of one seed otherwise, another one each time
        scheduler.noise_sampler = lambda *levels: to_device(later_noise.draw((len(batch.text), *shape)))
    with step_noise(scheduler, lambda wanted: to_device(later_noise.draw(wanted))):
        for index, time in enumerate(times):
            queue_limit.wait()
            check()  # after the wait, so that a job cancelled during it queues no further step
            scaled = scheduler.scale_model_input(latents, time)
            predicted = networks.predict_noise(scaled.float(), device_times[index : index + 1], text, guidance)
            latents = scheduler.step(predicted, time, latents, return_dict=False)[0].float()
            if batch.mask is not None and batch.init is not None and (index + 1) % order == 0:
                if index + 1 < len(times):
                    kept = _add_noise(batch.init, noise, scheduler, times[index + 1 : index + 2])
                else:
                    kept = batch.init.expand_as(noise)
                latents = torch.lerp(kept, latents, batch.mask)
            queue_limit.count_step()
    if batch.mask is not None and batch.init is not None:
        latents = torch.lerp(batch.init.expand_as(noise), latents, batch.mask)
    return latents


def _add_noise(init: Tensor, noise: Tensor, scheduler: Any, time: Tensor) -> Tensor:
    """``init`` with ``noise`` as ``scheduler`` adds it at ``time`` ``(1,)``.

    A scheduler looks the two levels up on the device of its input, and the host would wait for that. So it is called
    with two numbers on the host, and the levels are read from the result.
    """
    levels = scheduler.add_noise(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), time.expand(2))
    signal, amount = levels.tolist()
    return signal * init + amount * noise


class _QueueLimit:
    """Keeps the host from queueing more than ``run_ahead`` steps on a CUDA device."""

    def __init__(self, networks: Networks) -> None:
        self._limit = networks.policy.run_ahead
        self._events: deque[torch.cuda.Event] | None = deque() if networks.policy.device.type == "cuda" else None

    def wait(self) -> None:
        if self._events is not None and len(self._events) > self._limit:
            self._events.popleft().synchronize()

    def count_step(self) -> None:
        if self._events is not None:
            event = torch.cuda.Event()
            event.record()
            self._events.append(event)


def _generator(seed: int, take: int, stream: int) -> torch.Generator:
    # The first noise of take 0 is torch.randn with the seed itself, as in Riffusion and diffusers.
    number = seed if not take and not stream else (seed * 0x9E3779B1 + take * 0x85EBCA6B + stream * 0xC2B2AE35) % 2**63
    return torch.Generator().manual_seed(number)


def _first_noise(seed: int, take: int, shape: tuple[int, int, int]) -> Tensor:
    return torch.randn(1, *shape, generator=_generator(seed, take, 0))


def _interpolated(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    if alpha <= 0.0 or a is b:
        return a
    return b if alpha >= 1.0 else slerp(a, b, alpha)
