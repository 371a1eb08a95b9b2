"""The weights file of the bundled model: one safetensors file with all shapes in its header.

Matrices of the networks are stored as 8-bit integers with one scale per row, everything else in half precision.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from riffengine.errors import ModelError, printable
from riffengine.files.json_text import parse_json
from riffengine.files.regular import is_file
from riffengine.renderer.bundled.descriptor import digest_of, packaged_weights
from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer
from riffengine.renderer.bundled.latent_codec import LatentCodec, StemShape
from riffengine.renderer.bundled.vocabulary import Vocabulary

__all__ = ["Networks", "packaged_weights", "read_weights", "write_weights"]

FORMAT = "riffengine-bundled-2"
_SCALE = ".scale"
_LARGEST = {"depth": 64, "heads": 64}  # the networks are built before their weights are read
_WIDEST = 8192
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Networks:
    """The trained modules in evaluation mode, float32: the two stages, the encoder and the latent codec."""

    score: FlowTransformer
    render: FlowTransformer
    encoder: FlowTransformer
    codec: LatentCodec
    digest: str

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that at least one of the two stages was trained with."""
        return Vocabulary.of_size(max(self.score.shape.words, self.render.shape.words))

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The modules by their names in the file."""
        return {"score": self.score, "render": self.render, "listener": self.encoder, "sound": self.codec}


def vocabulary_digest(words: tuple[str, ...]) -> str:
    """Identifies the words and their order: weights and vocabulary must agree on it."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def write_weights(path: Path, networks: Networks) -> None:
    """Write ``networks`` in 8 and 16 bits, with all shapes in the header."""
    tensors: dict[str, Tensor] = {}
    for name, part in networks.parts.items():
        for key, tensor in part.state_dict().items():
            full_name = f"{name}.{key}"
            if isinstance(part, FlowTransformer) and tensor.ndim == 2:
                tensors[full_name], tensors[full_name + _SCALE] = _quantised(tensor)
            else:
                tensors[full_name] = tensor.to(torch.float16).contiguous()
    header = {
        "format": FORMAT,
        "stems": json.dumps(networks.codec.names),
        "sound": json.dumps([shape.as_dict() for shape in networks.codec.shapes]),
        "vocabulary": vocabulary_digest(networks.vocabulary.words),
    }
    for name, part in networks.parts.items():
        if isinstance(part, FlowTransformer):
            header[name] = json.dumps(part.shape.as_dict())
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, header)


def read_weights(path: Path) -> Networks:
    """Read a weights file.

    Raises ``ModelError`` when it is missing, truncated, of another format, or made for another vocabulary.
    """
    if not is_file(path):
        raise ModelError(
            f"the bundled model's weights are missing at {path}: reinstall riffengine, or train them (tools/train)"
        )
    if path.stat().st_size > _MOST_BYTES:
        raise ModelError(f"{path} is larger than {_MOST_BYTES:,} bytes: it is another kind of model")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            stored = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is not a complete safetensors file ({printable(error)}): reinstall riffengine"
        ) from error
    scales = {key.removesuffix(_SCALE): scale for key, scale in stored.items() if key.endswith(_SCALE)}
    tensors = {key: tensor * scales.get(key, 1.0) for key, tensor in stored.items() if not key.endswith(_SCALE)}
    if header.get("format") != FORMAT:
        found = printable(repr(header.get("format", "no known format")), 60)
        raise ModelError(f"{path} holds {found}; this version reads {FORMAT!r}")
    try:
        score, render, encoder = (FlowTransformer(_shape(header[name])) for name in ("score", "render", "listener"))
        codec = LatentCodec([StemShape.from_dict(stem) for stem in parse_json(header["sound"])])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, ZeroDivisionError, OverflowError) as error:
        reason = printable(f"{type(error).__name__}: {error}")
        raise ModelError(f"{path}: its header is damaged ({reason}): reinstall it") from error
    networks = Networks(score, render, encoder, codec, digest_of(path))
    if header.get("vocabulary") != vocabulary_digest(networks.vocabulary.words):
        raise ModelError(f"{path} was trained with another vocabulary than this version has: reinstall riffengine")
    for name, part in networks.parts.items():
        own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
        try:
            part.load_state_dict(own)
        except RuntimeError as error:
            raise ModelError(f"{path}: the {name} part does not fit its header: {printable(error)}") from error
        part.eval().requires_grad_(False)
    return networks


def _quantised(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix in 8 bits, and one scale per row, so that the largest value of a row is 127."""
    scale = matrix.abs().amax(dim=1, keepdim=True).clamp_min(1e-6) / 127.0
    scale = scale.to(torch.float16).float()
    return torch.round(matrix / scale).clamp(-127, 127).to(torch.int8), scale.to(torch.float16)


def _shape(text: str) -> FlowShape:
    fields: dict[str, Any] = parse_json(text)
    shape = FlowShape(**fields)
    numbers = {name: value for name, value in fields.items() if name not in ("velocities", "guided")}
    for name, value in numbers.items():
        least = 0 if name in ("context", "scalars", "flow_steps") else 1
        if type(value) is not int or not least <= value <= _LARGEST.get(name, _WIDEST):
            raise ValueError(f"{name} is {value!r}")
    return shape
