"""Which model families there are, by the name that a preset's ``model`` gives."""

from __future__ import annotations

from pathlib import Path

from riffengine.renderer.family import Family


def load_family(name: str) -> Family:
    """The family behind ``name``, its weights loaded.

    ``bundled``; the path of weights trained by ``tools/train`` (one .safetensors); or a spectrogram checkpoint, a
    folder or a name on the hub, with options (``riffusion/spec.py``). Raises ``ModelError`` when it cannot be loaded.
    """
    if name == "bundled" or name.partition("?")[0].endswith(".safetensors"):
        from riffengine.renderer.bundled.family import BundledModel

        return BundledModel.load(None if name == "bundled" else Path(name))
    from riffengine.renderer.riffusion.family import RiffusionFamily

    return RiffusionFamily.load(name)
