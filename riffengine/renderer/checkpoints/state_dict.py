"""Reads the weights of one part of a checkpoint from safetensors, translates old names, fills the network."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from riffengine.errors import ModelError, printable
from riffengine.files.content_digest import ContentDigests
from riffengine.files.json_text import read_json
from riffengine.files.regular import is_file, open_regular
from riffengine.renderer.checkpoints.model_library import PICKLES

# Names of the projections of the autoencoder's attention in the first diffusers releases.
_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD_NORMS = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
"""Names of a layer's length and direction before torch 2; files of codecs still have them."""
_COMPUTED = ("position_ids", "embed_positions.weights")  # some files hold what follows from the configuration
_OLD = re.compile(r"(attentions\.\d+\.)(query|key|value|proj_attn)(\.(?:weight|bias))$")
CONFIG_BYTES = 4 << 20  # a configuration has some kilobytes
HEADER_BYTES = 16 << 20  # of a safetensors file: names and shapes; Stable Diffusion's UNet has 90 kB


def read_config(path: Path, what: str) -> dict[str, Any]:
    """The JSON object at ``path``. Raises ``ModelError`` when the file is missing or holds anything else."""
    if not is_file(path):
        raise ModelError(
            f"the checkpoint's {what} is incomplete: {path} is missing; download or copy the whole folder again"
        )
    try:
        found = read_json(path, CONFIG_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path} is not JSON ({printable(reason)}); download or copy it again") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path} holds a {type(found).__name__}; a JSON object is needed; download or copy it again")
    return found


def weights_file(folder: Path, what: str) -> Path:
    """The safetensors file in ``folder``: of full precision, else of half, else of weights without averaging.

    Raises ``ModelError`` if there is none, or several that are parts of one. A pickle is never opened; the error says
    how to convert it.
    """
    stems = ("diffusion_pytorch_model", "model")
    for name in (f"{stem}{variant}.safetensors" for variant in ("", ".fp16", ".non_ema") for stem in stems):
        if (folder / name).is_file():
            return folder / name
    shards = sorted(folder.glob("*-of-*.safetensors"))
    if shards:
        raise ModelError(
            f"the checkpoint's {what} is divided over {len(shards)} files ({shards[0]}); one file is needed: load "
            'it with the library that wrote it and save it with max_shard_size="100GB"'
        )
    pickles = [path.name for pattern in PICKLES for path in sorted(folder.glob(pattern))]
    if pickles:
        raise ModelError(
            f"the checkpoint's {what} is a pickle ({folder / pickles[0]}), which may run code when it is loaded; only "
            f"safetensors are loaded. Convert it once: riffengine convert {folder.parent}"
        )
    raise ModelError(
        f"the checkpoint's {what} has no weights: {folder} holds no .safetensors; download or copy it again"
    )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of the safetensors file at ``path``, as stored. Raises ``ModelError`` for any other file."""
    check_safetensors(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{path} is not a complete safetensors file ({printable(error)}); download or copy it again; convert a "
            "pickle with riffengine convert"
        ) from error


def check_safetensors(path: Path) -> None:
    """``ModelError`` unless ``path`` is a regular file that begins with a safetensors header of a possible length.

    The library reads a header of up to 100 MB, which takes a gigabyte once it is parsed.
    """
    if not is_file(path):
        raise ModelError(f"{path} does not exist; give the path of a .safetensors file")
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; give the path of a .safetensors file") from None
    if length > min(HEADER_BYTES, path.stat().st_size):
        raise ModelError(
            f"{path} is not a complete safetensors file: its header would have {length:,} bytes; download or copy it "
            "again; convert a pickle with riffengine convert"
        )


def fit(model: nn.Module, tensors: dict[str, Tensor], path: Path, what: str) -> None:
    """Assign the ``tensors`` read from ``path`` to ``model``, which may be on the meta device, without copying.

    Old names are translated, and the prefix ``text_model.`` is optional. Raises ``ModelError`` for missing or
    unexpected names and for other shapes; the model cannot be used then.
    """
    wanted = model.state_dict()
    renamed = {_present_name(name, wanted): tensor for name, tensor in tensors.items()}
    renamed = {name: tensor for name, tensor in renamed.items() if not name.endswith(_COMPUTED)}
    missing, extra = sorted(set(wanted) - set(renamed)), sorted(set(renamed) - set(wanted))
    missing = [name for name in missing if not name.endswith("position_ids")]
    if missing or extra:
        parts = [
            f"{len(n)} {kind} (such as {printable(n[0], 80)})"
            for n, kind in ((missing, "missing"), (extra, "unexpected"))
            if n
        ]
        raise ModelError(
            f"{path} is not a {what} of the shape in its config.json: {' and '.join(parts)} tensors; it belongs to "
            "another kind of model, or the folder is mixed from several"
        )
    for name, tensor in renamed.items():
        if tensor.shape != wanted[name].shape:
            if tensor.numel() != wanted[name].numel() or tensor.squeeze().shape != wanted[name].squeeze().shape:
                raise ModelError(
                    f"{path}: {name} is {tuple(tensor.shape)}, its config.json says {tuple(wanted[name].shape)}; "
                    "the weights belong to another checkpoint"
                )
            renamed[name] = tensor.reshape(
                wanted[name].shape
            )  # diffusers has changed 1x1 convolutions to linear layers, and back
        if not tensor.is_floating_point():
            raise ModelError(
                f"{path}: {printable(name, 80)} is {tensor.dtype}; floating-point weights are needed, not quantised "
                "ones"
            )
    model.load_state_dict(renamed, strict=False, assign=True)
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:  # position numbers are never stored in the file
                module.register_buffer(name, torch.arange(buffer.shape[-1]).expand(buffer.shape), persistent=False)


def _present_name(name: str, wanted: dict[str, Tensor]) -> str:
    if name in wanted:
        return name
    name = _OLD.sub(lambda match: match[1] + _OLD_NAMES[match[2]] + match[3], name)
    if name in wanted:
        return name
    place, _, last = name.rpartition(".")
    if f"{place}.{_OLD_NORMS.get(last, last)}" in wanted:
        return f"{place}.{_OLD_NORMS.get(last, last)}"
    bare = name.removeprefix("text_model.")
    return bare if bare in wanted or bare.endswith("position_ids") else _with_prefix(name, wanted)


def _with_prefix(name: str, wanted: dict[str, Tensor]) -> str:
    return f"text_model.{name}" if f"text_model.{name}" in wanted else name


def digest_of(paths: list[Path], also: str = "", digests: ContentDigests | None = None) -> str:
    """Sixty-four hex digits that identify weights: of the names of the files and of every byte in them.

    The first time that a file is seen it is read whole, which its loading does as well.
    """
    digests = digests or ContentDigests.standard()
    whole = [also, *(f"{path.name} {digests.of(path)}" for path in paths)]
    return hashlib.sha256("\n".join(whole).encode()).hexdigest()
