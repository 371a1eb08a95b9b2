"""BundledDescriptor: where the weights that ship lie, and what weights declare in their header. No torch."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from riffengine.errors import ModelError, printable
from riffengine.files.json_text import parse_json
from riffengine.files.regular import is_file, open_regular
from riffengine.processes.render_request import DEFAULT_MODEL
from riffengine.renderer.checkpoints.model_library import SINGLE_FILE_UNET, folder_of_file
from riffengine.renderer.family import NAME_DIGITS, Family, FamilyDescriptor, ModelShape, Vocabulary

NAME = DEFAULT_MODEL
CHANNELS = 2  # the networks generate mono stems, which the family widens
_LONGEST_HEADER = 16 << 20  # bytes; a header is a few kilobytes, and a damaged length must not fill the memory
_SAMPLING = 4  # counts the ways in which the same weights were made to sound; a journal names it with the weights


class BundledDescriptor(FamilyDescriptor):
    """The model that ships, ``bundled``, and weights trained by ``tools/train``: one .safetensors by its path."""

    name = NAME
    stems = ("mix", "drums", "bass", "harmony")

    def owns(self, model: str) -> bool:
        """``bundled``, or a path that ends in .safetensors (a checkpoint's options may hold one too)."""
        return model == NAME or model.partition("?")[0].endswith(".safetensors")

    def shape(self, model: str) -> ModelShape:
        """What the weights declare in their header (``stems``: a JSON list); one stem if nothing.

        Of a file that cannot be read it is ``("mix",)``: the renderer reports what is wrong with it.
        """
        declared = _metadata(_header(_path(model)))
        try:
            stems = parse_json(declared.get("stems", "[]"))
        except (TypeError, ValueError):
            return ModelShape()
        if not isinstance(stems, list) or not all(isinstance(stem, str) and stem.isidentifier() for stem in stems):
            return ModelShape()
        return ModelShape(tuple(dict.fromkeys(stems)) or ModelShape().stems, CHANNELS)

    def check(self, model: str) -> None:
        """``ModelError`` unless there are weights at ``model`` whose header says that they are this family's."""
        path = _path(model)
        if not is_file(path):
            raise ModelError(
                f"there is no file {printable(path, 400)}; give the path of a model's .safetensors file, or {NAME}"
            )
        header = _header(path)
        if any(name.startswith(SINGLE_FILE_UNET) for name in header):
            raise ModelError(
                f"{printable(path, 400)} is a Stable Diffusion checkpoint in one file; make a folder of it: "
                f"{folder_of_file(path)}"
            )
        if "format" not in _metadata(header):
            raise ModelError(
                f"{printable(path, 400)} holds no known format of weights; give a model that riffengine has written "
                "(a checkpoint is a folder, or is made one by riffengine convert)"
            )

    def load(self, model: str) -> Family:
        """The networks behind ``model``; ``ModelError`` when the weights cannot be read."""
        from riffengine.renderer.bundled.family import BundledModel

        self.check(model)
        return BundledModel.load(_path(model))

    def weights_digest(self, model: str) -> str:
        """That of the file, and of how this version samples it; empty when there is no such file."""
        path = _path(model)
        return digest_of(path)[:NAME_DIGITS] if is_file(path) else ""

    def vocabulary(self, model: str) -> Vocabulary:
        """The words of ``vocabulary.yaml`` that the weights were trained with; all of them if they cannot be read."""
        from riffengine.renderer.bundled.vocabulary import Vocabulary as Words

        declared = _metadata(_header(_path(model)))
        try:
            return Words.of_size(max(int(parse_json(declared[stage])["words"]) for stage in ("score", "render")))
        except (KeyError, TypeError, ValueError):
            return Words.load()


def packaged_weights() -> Path:
    """Where the weights that ship with the package lie."""
    return Path(str(resources.files("riffengine") / "weights" / "bundled.safetensors"))


def envelope_weights() -> Path:
    """Where the network lies that reads the envelopes of the drums; all weights of this family use it."""
    return packaged_weights().with_name("envelopes.safetensors")


def digest_of(path: Path) -> str:
    """Sixty-four hex digits that name the weights at ``path`` and how this version turns them into audio."""
    envelopes = envelope_weights()
    digest = hashlib.sha256()
    for part in (path, envelopes):
        if part.is_file():
            with part.open("rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
    digest.update(b"sampling %d" % _SAMPLING)
    return digest.hexdigest()


def _path(model: str) -> Path:
    return packaged_weights() if model == NAME else Path(model)


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    """``__metadata__`` of a safetensors file that begins with ``header``."""
    declared = header.get("__metadata__", {})
    return declared if isinstance(declared, dict) else {}


def _header(path: Path) -> dict[str, Any]:
    """What a safetensors file begins with: eight bytes of length, little-endian, then that much JSON, by names."""
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
            header = parse_json(file.read(length)) if length <= _LONGEST_HEADER else {}
    except (OSError, ValueError):
        return {}
    return header if isinstance(header, dict) else {}
