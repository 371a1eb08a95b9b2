"""DevicePolicy: the device of a checkpoint, its precision, the batch size, and the memory that it may use."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from riffengine.errors import ModelError
from riffengine.renderer.riffusion.model_spec import ModelSpec, parse_bytes

__all__ = ["DevicePolicy", "MemoryPlan", "parse_bytes", "plan_memory"]

BANK_BATCH = 8  # alphas rendered at once if the device is fast enough
_CONTEXT_BYTES = 400 * 2**20  # used by CUDA itself and by the allocator's rounding
# Working memory of one 512 x 512 loop, in numbers (not bytes): the largest feature maps that exist at the same time.
_UNET_NUMBERS = 64 * 64 * 320 * 48  # of one loop; a guided one needs twice as much
_DECODER_NUMBERS = 512 * 512 * 256 * 4
_PHASE_BYTES = 260 * 2**20  # spectra of one loop in single precision: 512 x 2206 complex, a dozen copies
_PIXELS = 512 * 512


@dataclass(frozen=True)
class DevicePolicy:
    """How a checkpoint is run. With ``graphs`` the UNet and the decoder are captured once and replayed (CUDA only).

    ``run_ahead`` is the number of denoising steps that may be queued on the device: one keeps it busy, and a cancel
    takes effect after one step instead of after all of them.
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

        Raises ``ModelError`` when the device of ``spec`` is not available.
        """
        available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        name = (
            spec.device if spec.device != "auto" else next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
        )
        if not available[name]:
            raise ModelError(f"device={name} was requested, but torch {torch.__version__} finds none; use device=auto")
        on_gpu = name == "cuda"
        half = {"cuda": torch.float16, "mps": torch.float16, "cpu": torch.float32}
        dtype = half[name] if spec.precision == "auto" else getattr(torch, spec.precision)
        if name == "cpu" and dtype == torch.float16:
            raise ModelError("precision=float16 on a CPU is slower and less accurate; use float32 or bfloat16")
        return cls(
            # with its index: the function that limits a device's memory does not accept "cuda" alone
            device=torch.device(name, torch.cuda.current_device()) if on_gpu else torch.device(name),
            dtype=dtype,
            channels_last=on_gpu,
            compiled=spec.compiled,
            graphs=on_gpu,
            bank_batch=spec.batch or (BANK_BATCH if on_gpu else 1),
        )


@dataclass(frozen=True)
class MemoryPlan:
    """A plan within a memory budget: loops at once, text encoder on the CPU or not, decoding one by one or not."""

    batch: int
    text_on_cpu: bool = False
    decode_one_by_one: bool = False
    needed_bytes: int = 0


def plan_memory(
    budget_bytes: int, weights: dict[str, int], batch: int, number_bytes: int, columns: int = 512
) -> MemoryPlan:
    """The fastest plan within ``budget_bytes`` (0: no limit) for ``weights``, bytes by part, and up to ``batch`` loops.

    ``number_bytes`` is 2 for half precision, 4 for single. To save memory, first loops are decoded one by one, then
    fewer loops are rendered at once, then the text encoder runs on the CPU. Raises ``ModelError`` when one loop does
    not fit.
    """
    share = columns / 512
    unet = int(2 * _UNET_NUMBERS * number_bytes * share)
    decode = int(_DECODER_NUMBERS * number_bytes * share + _PHASE_BYTES * share)

    def needed(count: int, one_by_one: bool, text_on_cpu: bool) -> int:
        held = sum(size for part, size in weights.items() if part != "text" or not text_on_cpu)
        return held + _CONTEXT_BYTES + max(unet * count, decode * (1 if one_by_one else count))

    plans = [(batch, False, False)]
    plans += [(count, True, text_on_cpu) for text_on_cpu in (False, True) for count in range(batch, 0, -1)]
    for count, one_by_one, text_on_cpu in plans:
        size = needed(count, one_by_one, text_on_cpu)
        if not budget_bytes or size <= budget_bytes:
            return MemoryPlan(count, text_on_cpu, one_by_one, size)
    least = needed(1, True, True)
    raise ModelError(
        f"vram={budget_bytes / 2**30:.2f}GiB is too little for this checkpoint: about "
        f"{least / 2**30:.2f}GiB is needed at this width; allow more, use a half-precision or smaller checkpoint, or "
        "play on the CPU (device=cpu)"
    )
