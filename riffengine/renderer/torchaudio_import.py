"""Torchaudio, usable beside a CPU torch.

On Linux the registry's torchaudio wheel is a CUDA build. Next to a CPU torch its extension cannot be loaded, ``import
torchaudio`` raises ``OSError``, and transformers, which imports torchaudio wherever it is installed, falls with it (and
diffusers with transformers). The Python transforms need no extension. So where, and only where, the real extension
fails, a stand-in module takes its place. Renderer process, at load; not thread-safe.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal

from riffengine.errors import RendererError

TorchaudioCase = Literal["real", "stand-in", "missing", "broken"]

_EXTENSION = "torchaudio._extension"
# OSError: a library it is linked against is absent. RuntimeError: torchaudio's own CUDA version check.
_LOAD_FAILURES = (OSError, ImportError, RuntimeError)


def import_torchaudio() -> ModuleType:
    """The torchaudio module, fit for its Python transforms (mel filterbanks, Resample, GriffinLim).

    The first call takes about 0.5 s beyond torch. ``load`` and ``save`` are not promised: they need TorchCodec. Raises
    ``RendererError`` when torchaudio is not installed or does not load even with the stand-in.
    """
    if importlib.util.find_spec("torchaudio") is None:
        raise RendererError(
            "torchaudio is not installed; it is needed for spectrogram checkpoints: `pip install torchaudio==2.11.0`"
        )
    try:
        return importlib.import_module("torchaudio")
    except _LOAD_FAILURES:
        _forget_torchaudio()  # half-imported submodules would be found again by the second try
    sys.modules[_EXTENSION] = _stand_in()
    try:
        return importlib.import_module("torchaudio")
    except _LOAD_FAILURES as error:
        _forget_torchaudio()
        raise RendererError(
            f"torchaudio cannot be loaded, not even without its extension: {error}. Install a version that fits your "
            "torch, or remove it: `pip uninstall torchaudio`"
        ) from error


def prepare_for_transformers() -> None:
    """Make sure that torchaudio, if it is there, imports; call it before the first diffusers or transformers import.

    Without torchaudio there is nothing to do. Raises ``RendererError`` as ``import_torchaudio`` does.
    """
    if importlib.util.find_spec("torchaudio") is not None:
        import_torchaudio()


def torchaudio_case() -> TorchaudioCase:
    """How torchaudio stands here: its ``real`` extension, the ``stand-in``, ``missing``, or ``broken`` altogether."""
    if importlib.util.find_spec("torchaudio") is None:
        return "missing"
    try:
        import_torchaudio()
    except RendererError:
        return "broken"
    return "stand-in" if getattr(sys.modules[_EXTENSION], "_IS_STAND_IN", False) else "real"


def _stand_in() -> ModuleType:
    """What torchaudio asks of its extension module, answered as by a build that has no extension."""
    module = ModuleType(_EXTENSION, "Stands in for the extension that this torch cannot load.")
    attributes: dict[str, Any] = {
        "_IS_STAND_IN": True,
        "_IS_TORCHAUDIO_EXT_AVAILABLE": False,
        "_IS_ALIGN_AVAILABLE": False,
        "fail_if_no_align": _unchanged,
        "_check_cuda_version": _nothing_to_check,
    }
    vars(module).update(attributes)
    return module


def _unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _nothing_to_check() -> None:
    return None


def _forget_torchaudio() -> None:
    for name in [name for name in sys.modules if name == "torchaudio" or name.startswith("torchaudio.")]:
        del sys.modules[name]
