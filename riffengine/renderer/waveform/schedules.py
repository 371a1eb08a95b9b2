"""Schedules: how noise becomes sound in steps, by schedulers of diffusers, with the noise of a morph between the steps.

Each is begun for a number of steps and a strength, and says of every step what the network gets and what comes after.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.noise_schedulers import first_step_index, step_noise

Draw = Callable[[], Tensor]


class Schedule(ABC):
    """The steps of a ``scheduler`` of diffusers. ``count`` are left to run after ``begin``; one loop at a time."""

    count = 0
    _first = 0

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler

    def begin(self, steps: int, strength: float) -> None:
        """Prepare ``steps`` steps, of which ``strength`` (1: all) are run: the last ones."""
        self._scheduler.set_timesteps(steps, device="cpu")
        self._first = first_step_index(steps, strength, len(self._scheduler.timesteps), 1)
        self.count = len(self._scheduler.timesteps) - self._first
        self._scheduler.set_begin_index(self._first)

    @abstractmethod
    def levels(self, index: int) -> tuple[float, float]:
        """How much signal and how much noise the latents hold before step ``index``; (1, 0) after the last one."""

    def pure_noise(self) -> float:
        """The level of noise to begin with where there is no signal."""
        return self.levels(0)[1]

    def scaled(self, latents: Tensor, index: int) -> Tensor:
        """What the network gets of ``latents`` at step ``index``."""
        return latents

    def time(self, index: int) -> Tensor:
        """The time of step ``index`` as the network counts it, a number on the CPU."""
        found: Tensor = self._scheduler.timesteps[self._first + index]
        return found

    @abstractmethod
    def step(self, predicted: Tensor, latents: Tensor, index: int, draw: Draw) -> Tensor:
        """The latents after step ``index``; ``draw`` returns the noise that some add."""


class CosineSchedule(Schedule):
    """DPM-Solver++ (2M) SDE (Lu et al. 2022) on the noise levels of Stable Audio, by diffusers' class for them."""

    def __init__(self, config: dict[str, Any], order: int = 2) -> None:
        import diffusers

        name = str(config.get("_class_name", "CosineDPMSolverMultistepScheduler"))
        if name != "CosineDPMSolverMultistepScheduler":
            raise ModelError(f"Stable Audio needs CosineDPMSolverMultistepScheduler; its scheduler_config has {name}")
        kept = {key: value for key, value in config.items() if not key.startswith("_")}
        try:
            scheduler_class: Any = diffusers.CosineDPMSolverMultistepScheduler
            super().__init__(scheduler_class.from_config(kept | {"solver_order": order}))
        except ImportError as error:
            raise ModelError("Stable Audio needs torchsde: pip install 'riffengine[riffusion]'") from error

    def levels(self, index: int) -> tuple[float, float]:
        """As above; the signal keeps its level and the noise is on top of it."""
        return 1.0, float(self._scheduler.sigmas[self._first + index]) if index < self.count else 0.0

    def pure_noise(self) -> float:
        """That of the whole schedule."""
        return float(self._scheduler.init_noise_sigma)

    def scaled(self, latents: Tensor, index: int) -> Tensor:
        """Brought to the variance that the network was trained with."""
        return self._scheduler.scale_model_input(latents, self.time(index))

    def step(self, predicted: Tensor, latents: Tensor, index: int, draw: Draw) -> Tensor:
        """As above; the Brownian tree of diffusers is replaced by ``draw``."""
        self._scheduler.noise_sampler = lambda level, next_level: draw()
        return self._scheduler.step(predicted, self.time(index), latents, return_dict=False)[0]


class FlowSchedule(Schedule):
    """Rectified flow on the levels of Stable Audio 3; ``pingpong`` draws new noise in every step (few-step models)."""

    _LEAST, _MOST = -6.2, 2.0  # log signal-to-noise ratios of its pipeline

    def __init__(self, config: dict[str, Any], pingpong: bool | None = None) -> None:
        import diffusers

        name = str(config.get("_class_name", "FlowMatchEulerDiscreteScheduler"))
        if name != "FlowMatchEulerDiscreteScheduler":
            raise ModelError(f"Stable Audio 3 needs FlowMatchEulerDiscreteScheduler; its scheduler_config has {name}")
        kept = {key: value for key, value in config.items() if not key.startswith("_")}
        if pingpong is not None:
            kept["stochastic_sampling"] = pingpong
        scheduler_class: Any = diffusers.FlowMatchEulerDiscreteScheduler
        super().__init__(scheduler_class.from_config(kept))

    def begin(self, steps: int, strength: float) -> None:
        """As above; the levels begin at ``strength`` itself, so that every strength differs."""
        self.count = min(steps, max(1, round(steps * strength))) if strength > 0.0 else 0
        if self.count:
            sigmas = self._levels(strength)
            sigmas[0] = strength
            self._scheduler.set_timesteps(sigmas=sigmas[:-1].tolist(), device="cpu")
            self._scheduler.set_begin_index(0)

    def _levels(self, strength: float) -> Tensor:
        """Noise before each of ``count`` steps and after them; the first and the last are set by the caller."""
        line = torch.linspace(strength, 0.0, self.count + 1)
        return torch.sigmoid(line * (self._MOST - self._LEAST) - self._MOST)

    def levels(self, index: int) -> tuple[float, float]:
        """As above: what is not noise is signal."""
        sigma = float(self._scheduler.sigmas[index]) if index < self.count else 0.0
        return 1.0 - sigma, sigma

    def step(self, predicted: Tensor, latents: Tensor, index: int, draw: Draw) -> Tensor:
        """As above."""
        with step_noise(self._scheduler, lambda shape: draw()):
            return self._scheduler.step(predicted, self.time(index), latents, return_dict=False)[0]


class TruncatedFlowSchedule(FlowSchedule):
    """Rectified flow on the levels of stable-audio-tools: even steps of the log signal-to-noise ratio, up to 2."""

    _FIRST, _LAST = -6.0, 2.0  # the ratio where there is no signal, and that before the last step

    def __init__(self, pingpong: bool) -> None:
        super().__init__({"num_train_timesteps": 1, "shift": 1.0}, pingpong)

    def _levels(self, strength: float) -> Tensor:
        first = math.log((1.0 - strength) / strength + 1e-6) if strength < 1.0 else self._FIRST
        return torch.sigmoid(-torch.linspace(first, max(first, self._LAST), self.count + 1))


class CrashSchedule(Schedule):
    """The levels of Dance Diffusion, by the improved pseudo linear multistep method (Zhang and Chen 2022)."""

    def __init__(self, config: dict[str, Any]) -> None:
        import diffusers

        name = str(config.get("_class_name", "IPNDMScheduler"))
        if name != "IPNDMScheduler":
            raise ModelError(f"Dance Diffusion needs IPNDMScheduler; its scheduler_config has {name}")
        scheduler_class: Any = diffusers.IPNDMScheduler
        super().__init__(scheduler_class(num_train_timesteps=1000))

    def levels(self, index: int) -> tuple[float, float]:
        """As above: two sides of a right angle."""
        at = self._first + index
        return float(self._scheduler.alphas[at]), float(self._scheduler.betas[at])

    def step(self, predicted: Tensor, latents: Tensor, index: int, draw: Draw) -> Tensor:
        """As above; no noise is added."""
        return self._scheduler.step(predicted, self.time(index), latents, return_dict=False)[0]
