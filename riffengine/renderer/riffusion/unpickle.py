"""The only code that opens pickles: a script that ``convert.py`` runs in a separate process.

    python -I unpickle.py SOURCE TARGET [SOURCE TARGET …]     pickles of tensors → safetensors

``torch.load`` with ``weights_only`` builds tensors and plain containers and refuses everything else. In case that
protection fails, the process has no network (where the system allows to drop it), no core dump, and a limit on file
sizes. Prints one line of JSON: ``{"tensors": N}`` or ``{"source": "which", "error": "why"}``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pickle
import resource
import signal
import sys
from typing import Any

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # flags of Linux' unshare(2)
_DEATH_SIGNAL = 1  # of prctl(2): this process is killed when the one that started it has ended
_MOST_GROWTH = 4  # half precision stays half precision, so the target is about as large as the source


def confine(size: int) -> None:
    """Drop every right that reading a file of ``size`` bytes does not need. Call before any thread starts."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NETWORK)
            ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)  # after unshare, which may undo it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = _MOST_GROWTH * size + (1 << 20)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def tensors_in(found: Any, torch: Any) -> dict[str, Any]:
    """Every tensor of a dict, or of its nested dict ``state_dict``, contiguous and with its own memory."""
    while isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict):
        raise TypeError(f"it holds a {type(found).__name__}, not tensors with names")
    tensors = {str(key): value for key, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise TypeError("there is no tensor in it")
    return {key: value.detach().clone().contiguous() for key, value in tensors.items()}


def reason(error: Exception) -> str:
    """Why a file was not read: one line, whatever was raised."""
    why = (str(error).splitlines() or [""])[0][:300] or type(error).__name__
    if isinstance(error, pickle.UnpicklingError):
        return f"it contains more than weights, and that is not executed ({why})"
    return why


def main(*pairs: str) -> dict[str, object]:
    """Convert each source to the target after it; returns the object to print. Stops at the first failure."""
    sources, targets = pairs[::2], pairs[1::2]
    confine(max(os.path.getsize(source) for source in sources))  # noqa: PTH202 (imports are kept to a minimum here)
    import torch
    from safetensors.torch import save_file

    count = 0
    for source, target in zip(sources, targets, strict=True):
        try:
            tensors = tensors_in(torch.load(source, map_location="cpu", weights_only=True), torch)
            save_file(tensors, target, {"format": "pt"})
        except Exception as error:  # noqa: BLE001 (torch raises struct.error and others on damaged files: one line each)
            return {"source": source, "error": reason(error)}
        count += len(tensors)
    return {"tensors": count}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # noqa: T201 (the result is read from stdout)
