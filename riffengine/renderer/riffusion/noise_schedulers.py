"""Schedules: any scheduler of diffusers by name, where a loop enters it, and noise that can be morphed."""

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
# They predict something else than a Stable-Diffusion UNet gives, or run backwards.
_FOREIGN = ("Flow", "EDM", "Inverse", "CogVideoX", "Cosine", "Wuerstchen", "Flax", "Consistency", "SCM", "Parallel")
_FITTING = ("LCMScheduler", "TCDScheduler", "DPMSolverSDEScheduler")  # that do not say so, or whose library is missing
Draw = Callable[[tuple[int, ...]], Tensor]


def scheduler_names() -> list[str]:
    """Class names, without ``Scheduler`` at their end, of the schedulers that fit."""
    import diffusers

    found = []
    for name in dir(diffusers):
        if not name.endswith("Scheduler") or any(word in name for word in _FOREIGN):
            continue
        kind = getattr(diffusers, name)
        compatible = getattr(kind, "_compatibles", ())
        if "DDIMScheduler" in compatible or name in _FITTING:
            found.append(name.removesuffix("Scheduler"))
    return sorted(found)


def make_scheduler(name: str, config: dict[str, Any]) -> Any:
    """The diffusers scheduler ``name`` (``""``: the checkpoint's own) with the noise levels of ``config``.

    Raises ``ModelError`` for a name that no fitting scheduler has, and where a library that it needs is missing.
    """
    import diffusers

    wanted = name or str(config.get("_class_name", ""))
    plain = re.sub("scheduler$", "", wanted, flags=re.IGNORECASE)
    plain = _SHORT.get(plain.lower().replace("-", "_"), plain)
    known = {known.lower(): known for known in scheduler_names()}
    if plain.lower() not in known:
        raise ModelError(
            f"no scheduler that fits is called {wanted!r}; there are: {', '.join(known.values())}, and the short names "
            f"{', '.join(_SHORT)}"
        )
    kind = getattr(diffusers, known[plain.lower()] + "Scheduler")
    facts = {key: value for key, value in config.items() if not key.startswith("_")}
    allowed = set(inspect.signature(kind.__init__).parameters)
    facts = {key: value for key, value in facts.items() if key in allowed}
    if "steps_offset" in allowed:
        facts["steps_offset"] = 1  # what Stable Diffusion was trained with; old files say 0 or nothing
    if "clip_sample" in allowed:
        facts["clip_sample"] = False  # latents are not confined to -1..1
    if "set_alpha_to_one" in allowed:
        facts["set_alpha_to_one"] = bool(config.get("set_alpha_to_one", False))
    if "skip_prk_steps" in allowed:
        facts["skip_prk_steps"] = True
    try:
        return kind.from_config(facts)
    except ImportError as error:
        raise ModelError(f"the scheduler {plain} needs a library that is not installed: {error}") from error
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"the checkpoint's scheduler_config.json does not fit {plain}: {error}") from error


def entry(steps: int, strength: float, timesteps: int, order: int) -> int:
    """The index in ``timesteps`` at which a loop enters that is dreamt anew by ``strength``; its length for none.

    The share that is left out is rounded as diffusers rounds it; any strength above 0 dreams at least one step.
    """
    wanted = min(steps, max(int(steps * strength + 1e-6), 1 if strength > 0.0 else 0))
    return min(timesteps, max(steps - wanted, 0) * order) if wanted else timesteps


@contextmanager
def step_noise(scheduler: Any, draw: Draw) -> Iterator[None]:
    """While inside, ``scheduler`` takes the noise it adds between steps from ``draw`` instead of a generator.

    Diffusers draws from one seed; a morph needs the way between two. ``draw`` gives it where the latents are. The
    function is a name in the scheduler's module, so it is exchanged there: one renderer process renders one loop at a
    time.
    """
    module = sys.modules[type(scheduler).__module__]
    own = getattr(module, "randn_tensor", None)
    if own is None:
        yield
        return

    def drawn(shape: Any, generator: Any = None, device: Any = None, dtype: Any = None, layout: Any = None) -> Tensor:
        return draw(tuple(shape)).to(device=device or "cpu", dtype=dtype or torch.float32)

    vars(module)["randn_tensor"] = drawn
    try:
        yield
    finally:
        vars(module)["randn_tensor"] = own
