"""Where the weights that ship lie, and their name. No torch: the engine process reads it for the journal."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path


def packaged_weights() -> Path:
    """Where the weights that ship with the package lie."""
    return Path(str(resources.files("riffengine") / "weights" / "bundled.safetensors"))


def weights_digest(model: str) -> str:
    """Sixteen hex digits that name the weights behind a preset's ``model``; empty when there is no such file."""
    path = packaged_weights() if model == "bundled" else Path(model)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""
