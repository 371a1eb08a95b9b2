"""Dreaming: noise and text become latents, step by step, and each step may be the last."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from riffengine.renderer.family import Check
from riffengine.renderer.interpolation import slerp
from riffengine.renderer.riffusion.networks import Networks
from riffengine.renderer.riffusion.noise_schedulers import entry, step_noise


@dataclass(frozen=True)
class Dream:
    """A batch of loops to dream with the same number of steps.

    ``text`` and ``negative`` ``(batch, tokens, width)``; ``guidance`` ``(batch,)``, 1 everywhere skips ``negative``;
    ``noise`` the start. ``init`` are latents to start from, ``strength`` how much of them is dreamt anew, ``mask``
    ``(1, 1, rows, columns)`` where (1) and where not (0); the latter ends as ``init`` exactly.
    """

    text: Tensor
    negative: Tensor
    guidance: Tensor
    noise: Noise
    steps: int
    init: Tensor | None = None
    strength: float = 1.0
    mask: Tensor | None = None


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on the way between two seeds, for each loop of a batch. ``take`` 0 is the first idea.

    Drawn on the CPU, so that a seed means the same loop on every device. Great circles keep its norm (``slerp``).
    """

    ends: tuple[tuple[int, int, float], ...]
    take: int = 0

    def start(self, shape: tuple[int, int, int]) -> Tensor:
        """``(batch, *shape)``: where the dream begins."""
        return torch.cat(
            [_between(_drawn(a, self.take, shape), _drawn(b, self.take, shape), x) for a, b, x in self.ends]
        )

    def stream(self, shape: tuple[int, int, int]) -> _Stream:
        """What a scheduler adds between its steps, drawn on as it goes."""
        return _Stream(self, shape)


class _Stream:
    def __init__(self, noise: Noise, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        seeds = {seed for a, b, _ in noise.ends for seed in (a, b)}
        self._generators = {seed: _generator(seed, noise.take, 1) for seed in seeds}
        self._ends = noise.ends

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        fresh = {seed: torch.randn(1, *self._shape, generator=each) for seed, each in self._generators.items()}
        return torch.cat([_between(fresh[a], fresh[b], x) for a, b, x in self._ends]).reshape(shape)


def dream(wish: Dream, networks: Networks, scheduler: Any, check: Check, shape: tuple[int, int, int]) -> Tensor:
    """Latents ``(batch, *shape) float32`` of ``wish``; ``check`` is called before every step and may raise.

    The steps' tensors stay on the device and nothing waits for it, but for ``policy.run_ahead``: no more steps than
    that are queued there, so a loop that is cancelled ends within a step.
    """
    scheduler.set_timesteps(wish.steps, device="cpu")
    order = int(getattr(scheduler, "order", 1))
    first = 0 if wish.init is None else entry(wish.steps, wish.strength, len(scheduler.timesteps), order)
    times = scheduler.timesteps[first:]
    if not len(times):
        assert wish.init is not None
        return wish.init.expand(len(wish.text), -1, -1, -1)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    over, fresh = networks.ferry.over, wish.noise.stream(shape)
    noise = over(wish.noise.start(shape))
    if wish.init is None:
        latents = noise * float(scheduler.init_noise_sigma)
    else:
        latents = _noised(wish.init, noise, scheduler, times[:1])
    guided = bool((wish.guidance != 1.0).any())
    text = torch.cat([wish.negative, wish.text]) if guided else wish.text
    guidance = over(wish.guidance)[:, None, None, None] if guided else None
    on_device = over(times)
    pace = _Pace(networks)
    with step_noise(scheduler, lambda wanted: over(fresh.draw(wanted))):
        for index, time in enumerate(times):
            pace.wait()
            check()  # behind the wait: what was cancelled during it is not queued any more
            seen = scheduler.scale_model_input(latents, time)
            value = networks.noise_in(seen.float(), on_device[index : index + 1], text, guidance)
            latents = scheduler.step(value, time, latents, return_dict=False)[0].float()
            if wish.mask is not None and wish.init is not None and (index + 1) % order == 0:
                if index + 1 < len(times):
                    kept = _noised(wish.init, noise, scheduler, times[index + 1 : index + 2])
                else:
                    kept = wish.init.expand_as(noise)
                latents = torch.lerp(kept, latents, wish.mask)
            pace.step()
    if wish.mask is not None and wish.init is not None:
        latents = torch.lerp(wish.init.expand_as(noise), latents, wish.mask)
    return latents


def _noised(init: Tensor, noise: Tensor, scheduler: Any, time: Tensor) -> Tensor:
    """``init`` with ``noise`` as ``scheduler`` adds it at ``time`` ``(1,)``.

    Schedulers look the two levels up on the device of the picture, and the host waits for that: here they are asked for
    two numbers on the host.
    """
    levels = scheduler.add_noise(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), time.expand(2))
    signal, amount = levels.tolist()
    return signal * init + amount * noise


class _Pace:
    """Keeps the host from queueing more steps on a CUDA device than ``run_ahead``."""

    def __init__(self, networks: Networks) -> None:
        self._limit = networks.policy.run_ahead
        self._events: deque[torch.cuda.Event] | None = deque() if networks.policy.device.type == "cuda" else None

    def wait(self) -> None:
        if self._events is not None and len(self._events) > self._limit:
            self._events.popleft().synchronize()

    def step(self) -> None:
        if self._events is not None:
            event = torch.cuda.Event()
            event.record()
            self._events.append(event)


def _generator(seed: int, take: int, stream: int) -> torch.Generator:
    # The first take's start is torch.randn of the seed itself, as in Riffusion and diffusers.
    number = seed if not take and not stream else (seed * 0x9E3779B1 + take * 0x85EBCA6B + stream * 0xC2B2AE35) % 2**63
    return torch.Generator().manual_seed(number)


def _drawn(seed: int, take: int, shape: tuple[int, int, int]) -> Tensor:
    return torch.randn(1, *shape, generator=_generator(seed, take, 0))


def _between(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    if alpha <= 0.0 or a is b:
        return a
    return b if alpha >= 1.0 else slerp(a, b, alpha)
