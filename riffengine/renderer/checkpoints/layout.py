"""Layout: the files that a checkpoint may consist of, how large each may be, and where it may be written. No torch.

Names come from a hub, a mirror or a downloaded folder. None of them becomes a path unless it is in the lists here.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from riffengine.errors import ModelError, printable
from riffengine.renderer.checkpoints.model_library import ALL_PARTS, FLAT_INDEX, INDEX
from riffengine.renderer.checkpoints.tools_layout import TOOLS_INDEX

LICENCE_FILES = ("README.md", "LICENSE", "LICENSE.md", "LICENSE.txt")
TOKENIZER_FILES = (
    "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json",
)  # fmt: skip
CONFIG_FILES = (
    "model_index.json", "codec.json", "scheduler/scheduler_config.json",
    *(f"{part}/config.json" for part in ALL_PARTS), *(f"tokenizer/{name}" for name in TOKENIZER_FILES),
)  # fmt: skip
"""All small files that are read, beside those that tell the licence."""

_STEMS = {part: "model" if part == "text_encoder" else "diffusion_pytorch_model" for part in ALL_PARTS}
_PICKLED = {part: "pytorch_model" if part == "text_encoder" else "diffusion_pytorch_model" for part in ALL_PARTS}
WEIGHT_FILES = {
    part: (f"{part}/{stem}.safetensors", f"{part}/{stem}.fp16.safetensors", f"{part}/{_PICKLED[part]}.bin")
    for part, stem in _STEMS.items()
}
"""For each part the files of which one is needed, the best first: full precision, half precision, a pickle."""

FLAT_FILES = (FLAT_INDEX, "tokenizer.json")
FLAT_WEIGHTS = "model.safetensors"
"""Of a checkpoint in the layout of transformers, which has no other files that are read; in that of stable-audio-tools
there is ``TOOLS_INDEX`` in place of ``FLAT_FILES``."""

SMALL_BYTES = 16 << 20  # CLIP's tokenizer.json holds 2 to 4 MB
TOKENIZER_BYTES = 64 << 20  # that of Gemma, with 256,000 words, holds 34 MB
WEIGHTS_BYTES = 16 << 30  # Stable Diffusion 1.5's UNet holds 3.4 GB in full precision
_MOST_NAME = 1024  # characters
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_DRIVE = re.compile(r"^[A-Za-z]:")


def wanted(offered: list[str]) -> list[str]:
    """Of the files that a hub offers, those that are played: small ones first, then one file of weights a part.

    Raises ``ModelError`` where an offered name is no plain relative path, whether the file is wanted or not: a hub that
    says so is not to be trusted with the others.
    """
    for name in offered:
        check_name(name)
    flat = (TOOLS_INDEX,) if TOOLS_INDEX in offered else FLAT_FILES
    if INDEX not in offered and flat[0] in offered:
        return [name for name in offered if name in (*flat, *LICENCE_FILES)] + (
            [FLAT_WEIGHTS] if FLAT_WEIGHTS in offered else []
        )
    small = dict.fromkeys(name for name in offered if name in CONFIG_FILES or name in LICENCE_FILES)
    weights = [next((name for name in choices if name in offered), "") for choices in WEIGHT_FILES.values()]
    return [*small, *filter(None, weights)]


def check_name(name: object) -> None:
    """``ModelError`` for a file's name that is no plain relative path with ``/`` between its folders."""
    problem = _problem(name)
    if problem:
        raise ModelError(
            f"the hub offers a file {printable(repr(name), 80)}, whose name {problem}; plain names inside the "
            "checkpoint's folder are allowed. Nothing is downloaded: check what HF_ENDPOINT names, or take another hub"
        )


def _problem(name: object) -> str:
    if not isinstance(name, str):
        return "is not text"
    if not name or len(name) > _MOST_NAME:
        return f"has {len(name)} characters, and 1 to {_MOST_NAME} are possible"
    if _CONTROL.search(name):
        return "holds control characters"
    if "\\" in name or _DRIVE.match(name) or name.startswith("/"):
        return "begins at a root or a drive, or holds a backslash"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "holds an empty folder, . or .."
    return ""


def most_bytes(name: str) -> int:
    """The size in bytes that the file ``name`` may have: gigabytes for weights, megabytes for everything else."""
    if name in ("tokenizer/tokenizer.json", "tokenizer.json"):
        return TOKENIZER_BYTES
    return (
        WEIGHTS_BYTES
        if name == FLAT_WEIGHTS or any(name in choices for choices in WEIGHT_FILES.values())
        else SMALL_BYTES
    )


def inside(folder: Path, name: str) -> Path:
    """The path of the file ``name`` (``/`` between folders) in ``folder``, for writing; nothing is made.

    ``folder`` may be a link, for that is the user's choice. Raises ``ModelError`` where something below it on the way
    to the file is a link, is there and no regular file, or leads out of it.
    """
    path = folder
    for part in PurePosixPath(name).parts:
        path /= part
        if path.is_symlink():
            raise ModelError(
                f"{printable(path, 400)} is a link, and the program writes nothing through links: remove it, or write "
                "to another folder"
            )
    if not path.resolve().is_relative_to(folder.resolve()) or (path.exists() and not path.is_file()):
        raise ModelError(
            f"{printable(path, 400)} is not a regular file inside {printable(folder, 400)}; only such files are "
            "written: remove it, or write to another folder"
        )
    return path
