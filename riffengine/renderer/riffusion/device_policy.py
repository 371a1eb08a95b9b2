"""DevicePolicy: where a checkpoint runs, how precisely, how many loops at once, and what it may take of the memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from riffengine.errors import ModelError
from riffengine.renderer.riffusion.model_spec import ModelSpec, parse_bytes

__all__ = ["DevicePolicy", "MemoryPlan", "parse_bytes", "plan_memory"]

BANK_BATCH = 8  # alphas rendered at once where the device is fast enough
_CONTEXT_BYTES = 400 * 2**20  # what CUDA itself and the allocator's rounding take
# Working memory of one 512 x 512 loop, in bytes of one number: counted from the largest feature maps that live at once.
_UNET_NUMBERS = 64 * 64 * 320 * 48  # of one loop; a guided one is two
_DECODER_NUMBERS = 512 * 512 * 256 * 4
_PHASE_BYTES = 260 * 2**20  # spectra of one loop in single precision: 512 x 2206 complex, a dozen copies
_PIXELS = 512 * 512


@dataclass(frozen=True)
class DevicePolicy:
    """How a checkpoint is run. ``graphs``: the UNet and the decoder are captured once and replayed (CUDA only).

    ``run_ahead`` is how many denoising steps may wait on the device: one keeps it busy, and a cancel is answered after
    one step instead of after all of them.
    """

    device: torch.device
    dtype: torch.dtype
    channels_last: bool = False
    compiled: bool = False
    graphs: bool = False
    bank_batch: int = 1
    run_ahead: int = 1

    @classmethod
    def choose(cls, spec: ModelSpec) -> DevicePolicy:
        """The policy for ``spec`` on this machine: CUDA before MPS before the CPU, half precision off the CPU.

        Raises ``ModelError`` where the device that ``spec`` names is not there.
        """
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        name = spec.device if spec.device != "auto" else next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
        if not there[name]:
            raise ModelError(f"device={name} is asked for, but torch {torch.__version__} finds none; use device=auto")
        on_gpu = name == "cuda"
        half = {"cuda": torch.float16, "mps": torch.float16, "cpu": torch.float32}
        dtype = half[name] if spec.precision == "auto" else getattr(torch, spec.precision)
        if name == "cpu" and dtype == torch.float16:
            raise ModelError("precision=float16 on a CPU is slower and less exact; use float32 or bfloat16")
        return cls(
            # by its number: what limits a device's memory does not take "cuda" for an answer
            device=torch.device(name, torch.cuda.current_device()) if on_gpu else torch.device(name),
            dtype=dtype,
            channels_last=on_gpu,
            compiled=spec.compiled,
            graphs=on_gpu,
            bank_batch=spec.batch or (BANK_BATCH if on_gpu else 1),
        )


@dataclass(frozen=True)
class MemoryPlan:
    """What fits a budget: loops at once, whether the text encoder rests on the CPU, whether loops are decoded alone."""

    batch: int
    text_rests: bool = False
    decode_alone: bool = False
    needed_bytes: int = 0


def plan_memory(
    budget_bytes: int, weights: dict[str, int], batch: int, number_bytes: int, columns: int = 512
) -> MemoryPlan:
    """The fastest plan within ``budget_bytes`` (0: no limit) for ``weights``, bytes by part, and up to ``batch`` loops.

    ``number_bytes`` is 2 for half precision, 4 for single. First the decoder takes loops one by one, then fewer loops
    are rendered at once, then the text encoder rests on the CPU. Raises ``ModelError`` where one loop does not fit.
    """
    share = columns / 512
    unet = int(2 * _UNET_NUMBERS * number_bytes * share)
    decode = int(_DECODER_NUMBERS * number_bytes * share + _PHASE_BYTES * share)

    def needed(count: int, alone: bool, rests: bool) -> int:
        held = sum(size for part, size in weights.items() if part != "text" or not rests)
        return held + _CONTEXT_BYTES + max(unet * count, decode * (1 if alone else count))

    plans = [(batch, False, False)]
    plans += [(count, True, rests) for rests in (False, True) for count in range(batch, 0, -1)]
    for count, alone, rests in plans:
        size = needed(count, alone, rests)
        if not budget_bytes or size <= budget_bytes:
            return MemoryPlan(count, rests, alone, size)
    least = needed(1, True, True)
    raise ModelError(
        f"vram={budget_bytes / 2**30:.2f}GiB is too little for this checkpoint: about {least / 2**30:.2f}GiB is the "
        "least at this width; allow more, take a half-precision or smaller checkpoint, or play on the CPU (device=cpu)"
    )
