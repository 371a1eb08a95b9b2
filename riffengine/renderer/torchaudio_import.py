"""Imports torchaudio in a way that also works beside a CPU build of torch.

On Linux the published torchaudio wheel is a CUDA build. Beside a CPU torch its extension cannot be loaded: ``import
torchaudio`` raises ``OSError``, and so do transformers, which imports torchaudio wherever it is installed, and
diffusers. The Python transforms do not need the extension. So, only if the real extension fails, a stand-in module
replaces it. Renderer process, at load; not thread-safe.
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
# OSError: a library that the extension links to is missing. RuntimeError: torchaudio's own CUDA version check.
_LOAD_FAILURES = (OSError, ImportError, RuntimeError)


def import_torchaudio() -> ModuleType:
    """The torchaudio module; its Python transforms (mel filterbanks, Resample, GriffinLim) work.

    The first call takes about 0.5 s in addition to torch. ``load`` and ``save`` may fail: they need TorchCodec. Raises
    ``RendererError`` when torchaudio is not installed or cannot be loaded even with the stand-in.
    """
    if importlib.util.find_spec("torchaudio") is None:
        raise RendererError(
            "torchaudio is not installed; it is needed for spectrogram checkpoints: `pip install torchaudio==2.11.0`"
        )
    try:
        return importlib.import_module("torchaudio")
    except _LOAD_FAILURES:
        _forget_torchaudio()  # the second attempt must not find half-imported submodules
    sys.modules[_EXTENSION] = _stand_in()
    try:
        return importlib.import_module("torchaudio")
    except _LOAD_FAILURES as error:
        _forget_torchaudio()
        raise RendererError(
            f"torchaudio cannot be loaded, even without its extension: {error}. Install a version that fits your "
            "torch, or remove it: `pip uninstall torchaudio`"
        ) from error


def prepare_for_transformers() -> None:
    """Make torchaudio importable, if it is installed; call this before diffusers or transformers are first imported.

    Does nothing without torchaudio. Raises ``RendererError`` as ``import_torchaudio`` does.
    """
    if importlib.util.find_spec("torchaudio") is not None:
        import_torchaudio()


def torchaudio_case() -> TorchaudioCase:
    """The state of torchaudio here: ``real`` extension, ``stand-in``, ``missing`` or ``broken``."""
    if importlib.util.find_spec("torchaudio") is None:
        return "missing"
    try:
        import_torchaudio()
    except RendererError:
        return "broken"
    return "stand-in" if getattr(sys.modules[_EXTENSION], "_IS_STAND_IN", False) else "real"


def _stand_in() -> ModuleType:
    """A replacement for torchaudio's extension module that answers like a build without the extension."""
    module = ModuleType(_EXTENSION, "Replaces the extension that this torch cannot load.")
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
