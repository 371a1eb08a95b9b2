"""Where the weights that ship lie, their name, and what they declare. No torch: the engine process reads it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from riffengine.renderer.riffusion.bands import BANDS

_LONGEST_HEADER = 16 << 20  # bytes; a header is a few kilobytes, and a damaged length must not fill the memory
_DREAMING = 2  # counts the ways in which the same weights were made to sound; a journal names it with the weights
_ONE_STEM = ("mix",)


@dataclass(frozen=True)
class ModelShape:
    """What the loops of a model look like: their stems in order, and the channels of each."""

    stems: tuple[str, ...] = _ONE_STEM
    channels: int = 2


def packaged_weights() -> Path:
    """Where the weights that ship with the package lie."""
    return Path(str(resources.files("riffengine") / "weights" / "bundled.safetensors"))


def weights_digest(model: str) -> str:
    """The digest of the weights behind a preset's ``model``; empty when there is no such file."""
    path = packaged_weights() if model == "bundled" else Path(model)
    return digest_of(path) if path.is_file() else ""


def digest_of(path: Path) -> str:
    """Sixteen hex digits that name the weights at ``path`` and how this version samples them."""
    return hashlib.sha256(path.read_bytes() + b"dreaming %d" % _DREAMING).hexdigest()[:16]


def model_stems(model: str) -> tuple[str, ...]:
    """The stems of a preset's ``model``, known before its renderer is ready; ``("mix",)`` where it declares none."""
    return model_shape(model).stems


def model_shape(model: str) -> ModelShape:
    """What the weights behind a preset's ``model`` declare in their header (``stems``: a JSON list, ``channels``).

    Weights of our own that declare nothing are one mono stem. Spectrogram checkpoints, the other family, have bands for
    stems, stereo at the most. A file that cannot be read is the renderer's to complain about.
    """
    if model != "bundled" and not model.partition("?")[0].endswith(".safetensors"):
        return ModelShape(BANDS)
    declared = _metadata(packaged_weights() if model == "bundled" else Path(model))
    try:
        stems = json.loads(declared.get("stems", "[]"))
        channels = int(declared.get("channels", "1"))
    except (TypeError, ValueError):
        return ModelShape()
    if not isinstance(stems, list) or not all(isinstance(stem, str) and stem for stem in stems):
        return ModelShape()
    return ModelShape(tuple(dict.fromkeys(stems)) or _ONE_STEM, 2 if channels > 1 else 1)


def _metadata(path: Path) -> dict[str, Any]:
    """``__metadata__`` of a safetensors file: eight bytes of length, little-endian, then that much JSON."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _LONGEST_HEADER else {}
    except (OSError, ValueError, RecursionError):
        return {}
    declared = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return declared if isinstance(declared, dict) else {}
