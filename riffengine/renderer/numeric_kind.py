"""The numeric kind of a renderer: renderers of one kind and the same weights give equal samples for equal requests."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path

_DIGITS = 12

_LIBRARIES = ("torch", "diffusers", "transformers")  # the last two: of some families


def numeric_kind(family: object) -> str:
    """Device, number format, threads and libraries of ``family``, and a digest of our code that makes the samples.

    Called in the renderer process after its model and the libraries that it is made of have been loaded. A family on a
    GPU has a ``device``.
    """
    import torch

    device = torch.device(getattr(family, "device", "cpu"))
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device).replace(" ", "-")
    else:
        hardware = f"{torch.backends.cpu.get_cpu_capability()}-{torch.get_num_threads()}"
    number = str(getattr(family, "dtype", torch.float32)).removeprefix("torch.")
    libraries = "+".join(f"{name}-{sys.modules[name].__version__}" for name in _LIBRARIES if name in sys.modules)
    return f"{device.type}/{hardware}/{number}/{libraries}/{synthesis_digest()}"


@cache
def synthesis_digest() -> str:
    """Twelve hex digits of all modules that make samples: another version of them is another kind."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:_DIGITS]
