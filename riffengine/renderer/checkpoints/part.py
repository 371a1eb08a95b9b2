"""Reads one network of a checkpoint: its configuration, which is bounded first, and its weights from safetensors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from riffengine.errors import ModelError, printable
from riffengine.renderer.checkpoints.state_dict import fit, read_config, read_tensors, weights_file

_CODE_KEYS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "experts_implementation")
"""Keys of a config.json that may name code on the hub (``kernels``); no checkpoint needs them."""
_MOST_LAYERS = {
    "layers_per_block": 8, "transformer_layers_per_block": 16, "num_hidden_layers": 64, "num_layers": 64,
    "num_decoder_layers": 64, "depth": 64, "encoder_transformer_depths": 64,
}  # fmt: skip
"""More than any checkpoint has. A network is built before its weights are read, however many layers are stated."""
_LARGEST = 1 << 20  # number of a configuration: widths, heads, words
_LONGEST = 16  # list: one item for each level of a network
_DEEPEST = 4  # dictionaries in each other: a text model describes its encoder inside its own description


def read_part(
    folder: Path,
    what: str,
    build: Callable[[dict[str, Any]], Any],
    files: list[Path],
    tied: dict[str, str] | None = None,
    without: tuple[str, ...] = (),
) -> Any:
    """The network in ``folder`` in evaluation mode, as ``build`` makes it from its configuration; weights as stored.

    The file of its weights is appended to ``files``. ``tied`` names tensors that are stored under another name only;
    those whose names begin with one of ``without`` are left out, for they belong to parts that are not played.
    Raises ``ModelError`` for a part that is missing, damaged or of another kind.
    """
    config = read_config(folder / "config.json", what)
    path = weights_file(folder, what)
    config = {key: value for key, value in config.items() if key not in ("torch_dtype", *_CODE_KEYS)}
    model = build_part(config, folder / "config.json", what, build)
    tensors = {name: tensor for name, tensor in read_tensors(path).items() if not name.startswith(without)}
    for name, source in (tied or {}).items():
        if name not in tensors and source in tensors:
            tensors[name] = tensors[source]
    fit(model, tensors, path, what)
    files.append(path)
    return model.eval().requires_grad_(False)


def build_part(config: dict[str, Any], told: Path, what: str, build: Callable[[dict[str, Any]], Any]) -> Any:
    """The network that ``build`` makes of ``config``, which the file ``told`` holds; without weights.

    Raises ``ModelError`` where ``config`` is out of bounds or describes another kind of network.
    """
    _check_numbers(told, config)
    try:
        # Of a layer without a width torch warns; the weights will not fit it.
        with warnings.catch_warnings(action="ignore"):
            with torch.device("meta"):  # avoids seconds of drawing 860 million random numbers
                model = build(config)
            if _computes_buffers(model):
                model = build(config)
    except (TypeError, ValueError, KeyError, RuntimeError, ZeroDivisionError, AttributeError, AssertionError) as error:
        raise ModelError(
            f"{told} does not describe a {what}: {printable(error)}; it belongs to another kind of model"
        ) from error
    return model


def move(model: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Move ``model`` to ``device`` and cast it; diffusers' own method warns of every cast, needed or not."""
    torch.nn.Module.to(model, device=device, dtype=dtype)


def _computes_buffers(model: Any) -> bool:
    """Whether ``model`` has computed buffers that no file holds, such as the frequencies of rotary embeddings."""
    stored = model.state_dict()
    names = (name for name, _ in model.named_buffers() if name not in stored)
    return any(not name.endswith("position_ids") for name in names)


def _check_numbers(path: Path, config: dict[str, Any], depth: int = 0) -> None:
    """Raise ``ModelError`` if ``config`` describes a network of more layers, or wider ones, than can be meant."""
    for key, value in config.items():
        most = _MOST_LAYERS.get(key, _LARGEST)
        waiting, items = [value], 0
        while waiting:
            item = waiting.pop()
            items += 1
            if isinstance(item, dict) and depth < _DEEPEST:
                _check_numbers(path, item, depth + 1)
            elif isinstance(item, list) and items + len(item) <= _LONGEST * _LONGEST and len(item) <= _LONGEST:
                waiting += item
            elif isinstance(item, list | dict) or (isinstance(item, int | float) and not abs(item) <= most):
                raise ModelError(
                    f"{path}: {printable(key, 60)} is {printable(value, 60)}; at most {most:,} and lists of {_LONGEST} "
                    "are possible: it belongs to another kind of model, or is damaged"
                )
