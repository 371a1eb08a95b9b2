"""Noise schedulers: any compatible diffusers scheduler by name, the first step of img2img, and morphable noise."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from riffengine.errors import ModelError

_SHORT = {
    "pndm": "PNDM",
    "plms": "PNDM",
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "lms": "LMSDiscrete",
    "euler": "EulerDiscrete",
    "euler_a": "EulerAncestralDiscrete",
    "heun": "HeunDiscrete",
    "dpm++": "DPMSolverMultistep",
    "dpmsolver": "DPMSolverMultistep",
    "dpm_sde": "DPMSolverSDE",
    "dpm2": "KDPM2Discrete",
    "dpm2_a": "KDPM2AncestralDiscrete",
    "deis": "DEISMultistep",
    "unipc": "UniPCMultistep",
    "sa": "SASolver",
    "lcm": "LCM",
    "tcd": "TCD",
}
# They need another kind of prediction than that of a Stable Diffusion UNet, or run backwards.
_INCOMPATIBLE = (
    "Flow",
    "EDM",
    "Inverse",
    "CogVideoX",
    "Cosine",
    "Wuerstchen",
    "Flax",
    "Consistency",
    "SCM",
    "Parallel",
)
# These are compatible but are not marked as such, or a library that they need may be missing.
_COMPATIBLE = ("LCMScheduler", "TCDScheduler", "DPMSolverSDEScheduler")
Draw = Callable[[tuple[int, ...]], Tensor]


def scheduler_names() -> list[str]:
    """Class names of the compatible schedulers, without ``Scheduler`` at the end."""
    import diffusers

    found = []
    for name in dir(diffusers):
        if not name.endswith("Scheduler") or any(word in name for word in _INCOMPATIBLE):
            continue
        scheduler_class = getattr(diffusers, name)
        compatible = getattr(scheduler_class, "_compatibles", ())
        if "DDIMScheduler" in compatible or name in _COMPATIBLE:
            found.append(name.removesuffix("Scheduler"))
    return sorted(found)


def make_scheduler(name: str, config: dict[str, Any]) -> Any:
    """The diffusers scheduler ``name`` (``""``: the checkpoint's own) with the noise levels of ``config``.

    Raises ``ModelError`` for an unknown name, and when a library that the scheduler needs is missing.
    """
    import diffusers

    wanted = name or str(config.get("_class_name", ""))
    plain = re.sub("scheduler$", "", wanted, flags=re.IGNORECASE)
    plain = _SHORT.get(plain.lower().replace("-", "_"), plain)
    known = {known.lower(): known for known in scheduler_names()}
    if plain.lower() not in known:
        raise ModelError(
            f"there is no compatible scheduler {wanted!r}; there are: {', '.join(known.values())}, and the short names "
            f"{', '.join(_SHORT)}"
        )
    scheduler_class = getattr(diffusers, known[plain.lower()] + "Scheduler")
    options = {key: value for key, value in config.items() if not key.startswith("_")}
    allowed = set(inspect.signature(scheduler_class.__init__).parameters)
    options = {key: value for key, value in options.items() if key in allowed}
    if "steps_offset" in allowed:
        options["steps_offset"] = 1  # as Stable Diffusion was trained; old files have 0 or nothing
    if "clip_sample" in allowed:
        options["clip_sample"] = False  # latents are not limited to -1..1
    if "set_alpha_to_one" in allowed:
        options["set_alpha_to_one"] = bool(config.get("set_alpha_to_one", False))
    if "skip_prk_steps" in allowed:
        options["skip_prk_steps"] = True
    try:
        return scheduler_class.from_config(options)
    except ImportError as error:
        raise ModelError(f"the scheduler {plain} needs a library that is not installed: {error}") from error
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"the checkpoint's scheduler_config.json does not fit {plain}: {error}") from error


def first_step_index(steps: int, strength: float, timesteps: int, order: int) -> int:
    """The index in ``timesteps`` at which img2img with ``strength`` starts; the number of timesteps for strength 0.

    The share of skipped steps is rounded as in diffusers; any strength above 0 runs at least one step.
    """
    run = min(steps, max(int(steps * strength + 1e-6), 1 if strength > 0.0 else 0))
    return min(timesteps, max(steps - run, 0) * order) if run else timesteps


@contextmanager
def step_noise(scheduler: Any, draw: Draw) -> Iterator[None]:
    """While inside, ``scheduler`` takes the noise that it adds between steps from ``draw`` instead of a generator.

    Diffusers draws from one seed; a morph needs noise between two seeds. ``draw`` returns it on the latents' device.
    The scheduler's module calls ``randn_tensor`` by name, so that name is replaced in the module. That is safe because
    a renderer process renders one loop at a time.
    """
    module = sys.modules[type(scheduler).__module__]
    original = getattr(module, "randn_tensor", None)
    if original is None:
        yield
        return

    def drawn(shape: Any, generator: Any = None, device: Any = None, dtype: Any = None, layout: Any = None) -> Tensor:
        return draw(tuple(shape)).to(device=device or "cpu", dtype=dtype or torch.float32)

    vars(module)["randn_tensor"] = drawn
    try:
        yield
    finally:
        vars(module)["randn_tensor"] = original
