"""Which model families there are, by the name that a preset's ``model`` gives."""

from __future__ import annotations

from pathlib import Path

from riffengine.errors import ModelError
from riffengine.renderer.rendition import Family


def load_family(name: str) -> Family:
    """The family behind ``name``, its weights loaded: ``bundled``, or the path of weights trained by ``tools/train``.

    Raises ``ModelError`` for a name that no family answers to.
    """
    if name == "bundled" or name.endswith(".safetensors"):
        from riffengine.renderer.bundled.model import BundledModel

        return BundledModel.load(None if name == "bundled" else Path(name))
    raise ModelError(
        f"no model family answers to {name!r}; this version has: bundled, or the path of a .safetensors "
        "file made by tools/train"
    )
