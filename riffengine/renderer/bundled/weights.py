"""The weights file of the bundled model: one safetensors, half precision, all its shapes in its header."""

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

from riffengine.errors import ModelError
from riffengine.renderer.bundled.flow import FlowShape, FlowTransformer
from riffengine.renderer.bundled.latents import LappedPca
from riffengine.renderer.bundled.package import packaged_weights
from riffengine.renderer.bundled.score import STEPS
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.codec import CodecParams

__all__ = ["Networks", "packaged_weights", "read_weights", "write_weights"]

FORMAT = "riffengine-bundled-1"


@dataclass(frozen=True)
class Networks:
    """The trained parts, in evaluation mode, float32, and the codec they were trained with."""

    score: FlowTransformer
    render: FlowTransformer
    lapped: LappedPca
    codec: CodecParams
    digest: str


def vocabulary_digest(words: tuple[str, ...]) -> str:
    """Names the order of the embedding: weights and vocabulary must agree on it."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def write_weights(path: Path, networks: Networks) -> None:
    """Write ``networks`` as half precision with all shapes in the header."""
    tensors: dict[str, Tensor] = {}
    parts: dict[str, nn.Module] = {"score": networks.score, "render": networks.render, "lapped": networks.lapped}
    for name, part in parts.items():
        for key, tensor in part.state_dict().items():
            tensors[f"{name}.{key}"] = tensor.to(torch.float16).contiguous()
    header = {
        "format": FORMAT,
        "score": json.dumps(networks.score.shape.as_dict()),
        "render": json.dumps(networks.render.shape.as_dict()),
        "codec": json.dumps(networks.codec.to_dict()),
        "vocabulary": vocabulary_digest(Vocabulary.load().words),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, header)


def read_weights(path: Path) -> Networks:
    """Read a weights file.

    Raises ``ModelError`` when it is missing, truncated, of another kind, or made for another vocabulary.
    """
    if not path.is_file():
        raise ModelError(
            f"the bundled model's weights are missing at {path}: reinstall riffengine, or train them (tools/train)"
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a whole safetensors file ({error}): reinstall riffengine") from error
    if header.get("format") != FORMAT:
        raise ModelError(f"{path} holds {header.get('format', 'no known format')!r}; this version reads {FORMAT!r}")
    if header.get("vocabulary") != vocabulary_digest(Vocabulary.load().words):
        raise ModelError(f"{path} was trained with another vocabulary than this version has: reinstall riffengine")
    try:
        codec = CodecParams.from_dict(json.loads(header["codec"]))
        score, render = (FlowTransformer(_shape(header[name])) for name in ("score", "render"))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: its header is damaged ({type(error).__name__}: {error}): reinstall it") from error
    lapped = LappedPca(codec.frames // STEPS, codec.n_mels, render.shape.channels)
    for name, part in (("score", score), ("render", render), ("lapped", lapped)):
        own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
        try:
            part.load_state_dict(own)
        except RuntimeError as error:
            raise ModelError(f"{path}: the {name} part does not fit its header: {error}") from error
        part.eval().requires_grad_(False)
    return Networks(score, render, lapped, codec, hashlib.sha256(path.read_bytes()).hexdigest()[:16])


def _shape(text: str) -> FlowShape:
    fields: dict[str, Any] = json.loads(text)
    return FlowShape(**fields)
