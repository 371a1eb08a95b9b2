"""Library: the checkpoints on this machine, with their folders, sizes and licences. No torch."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from riffengine.errors import ModelError, printable
from riffengine.files.json_text import read_json
from riffengine.files.regular import exists, home_path, is_file, is_folder
from riffengine.files.user_folders import user_folder
from riffengine.renderer.checkpoints.tools_layout import TOOLS_INDEX, TOOLS_KIND, read_tools_model

PARTS = ("unet", "vae", "text_encoder")
"""The networks of a checkpoint in the shape of Stable Diffusion."""

PARTS_OF: Mapping[str, tuple[str, ...]] = {
    "StableAudioPipeline": ("transformer", "vae", "text_encoder", "projection_model"),
    "StableAudio3Pipeline": ("transformer", "vae", "text_encoder", "duration_embedder"),
    "DanceDiffusionPipeline": ("unet",),
    "MusicgenForConditionalGeneration": ("",),
    TOOLS_KIND: ("",),
}
"""The networks of every other kind of checkpoint, by the class of diffusers or transformers that it is written for.

``""`` is a checkpoint of transformers, or of stable-audio-tools, whose files lie in its folder itself.
"""

TEXT_ENCODERS = ("T5ForConditionalGeneration", "T5WithLMHeadModel", "T5EncoderModel")
"""Kinds that are played by no family themselves, but are a part of some that do not come with it."""

TEXT_ENCODER = "text encoder"
"""The state of one."""

ALL_PARTS = tuple(dict.fromkeys((*PARTS, *(part for parts in PARTS_OF.values() for part in parts if part))))
PICKLES = ("*.bin", "*.ckpt", "*.pt", "*.pth")
INDEX, FLAT_INDEX = "model_index.json", "config.json"
RIFFUSION = "riffusion/riffusion-model-v1"
SINGLE_FILE_UNET = "model.diffusion_model."  # how the names of the UNet begin in a checkpoint that is one file
LICENCES = {RIFFUSION: "creativeml-openrail-m"}
"""Licences of checkpoints whose folder does not contain it; ``license:`` in the head of a README.md has priority."""

_LICENCE = re.compile(r"^license:\s*[\"']?([\w.+-]+)", re.MULTILINE)
_NAME = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")  # as the hub
_FLAT_WEIGHTS = "model.safetensors"
_FLAT_KINDS = [kind for kind, parts in PARTS_OF.items() if parts == ("",) and kind != TOOLS_KIND]
_HEAD_BYTES = 4096
_INDEX_BYTES = 1 << 20


@dataclass(frozen=True)
class LibraryEntry:
    """A checkpoint on this machine. ``name`` is used in presets; ``state`` is ``ready``, ``pickled``, ``text encoder``
    (which other models need) or what it lacks.

    ``size_bytes`` is the total of all files; ``licence`` is ``""`` if it is unknown.
    """

    name: str
    folder: Path
    state: str
    size_bytes: int
    licence: str


class Library:
    """A folder with one subfolder for each checkpoint, and the cache of huggingface_hub."""

    def __init__(self, home: Path, cache: Path | None = None) -> None:
        self.home = home
        self._cache = cache

    @classmethod
    def standard(cls, environ: Mapping[str, str] = os.environ) -> Library:
        """The user's library: ``RIFFENGINE_MODELS``, or ``riffengine/models`` in the user's data folder."""
        share = user_folder("XDG_DATA_HOME", ".local/share", environ)
        hub = Path(environ.get("HF_HOME") or Path(environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
        cache = home_path(environ.get("HF_HUB_CACHE") or hub / "hub")
        return cls(home_path(environ.get("RIFFENGINE_MODELS") or share / "riffengine" / "models"), cache)

    def place(self, name: str) -> Path:
        """Where ``models get`` puts the checkpoint ``name``. ``ModelError`` for what is no ``owner/name``."""
        if not _NAME.fullmatch(name):
            raise ModelError(f"{name!r} is not a name on the hub; a name is owner/name, such as {RIFFUSION}")
        return self.home / name.replace("/", "--")

    def locate(self, source: str) -> Path:
        """The folder that ``source`` names: a path, a folder of the library, or a name downloaded before.

        Raises ``ModelError`` if there is none; nothing is downloaded.
        """
        folder = home_path(source)
        if is_folder(folder):
            return folder
        if exists(folder):
            raise ModelError(
                f"{folder} is a file; a checkpoint is a folder with model_index.json in it (diffusers layout); "
                f"make one of it: {folder_of_file(folder)}"
            )
        own = self.home / source
        if "/" not in source and source not in ("", ".", "..") and own.parent == self.home and is_folder(own):
            return own
        if source.count("/") != 1 or source.startswith((".", "/", "~")):
            raise ModelError(
                f"there is no folder {source}; give a checkpoint's folder or its name on the hub, owner/name"
            )
        for found in (self.place(source), *self._snapshots(source)):
            if is_file(index_of(found)):
                return found
        raise ModelError(
            f"{source} is not on this machine; download it once: riffengine models get {source} "
            "(or play the bundled model: --model bundled)"
        )

    def playable(self, source: str) -> Path:
        """The folder that ``source`` names, if the files needed to play it are there; only file names are checked.

        Raises ``ModelError`` if there is no such folder, a file is missing, or the weights are pickles.
        """
        folder = self.locate(source)
        state = _state(folder)
        if state == "pickled":
            raise ModelError(
                f"{folder} holds pickles, which are not loaded; convert them once: riffengine convert {folder}"
            )
        if state != "ready":
            raise incomplete(folder)
        if kind_of(folder) == TOOLS_KIND:
            self.text_encoder(folder)
        return folder

    def text_encoder(self, folder: Path) -> tuple[Path, Path]:
        """The folders of text encoder and tokenizer for a checkpoint of stable-audio-tools, which come without it.

        They are its own ``text_encoder`` and ``tokenizer``, or the model that it names, in the library. Raises
        ``ModelError`` where neither is there.
        """
        if is_folder(folder / "text_encoder"):
            return folder / "text_encoder", folder / "tokenizer"
        name = read_tools_model(folder).text
        try:
            found = self.locate(name)
        except ModelError:
            raise ModelError(
                f"{folder} needs the text encoder {name}, which it does not contain: riffengine models get {name}, or "
                "copy the folders text_encoder and tokenizer of Stable Audio Open 1.0 into it"
            ) from None
        return found, found

    def holdings(self) -> list[LibraryEntry]:
        """Every checkpoint of the library and of the hub's cache, sorted by name; the library has priority."""
        found: dict[str, LibraryEntry] = {}
        cached = sorted(self._cache.glob("models--*--*")) if self._cache and self._cache.is_dir() else []
        for folder in cached:
            name = folder.name.removeprefix("models--").replace("--", "/", 1)
            for snapshot in self._snapshots(name):
                if any((snapshot / part).is_dir() for part in parts_of(snapshot)):
                    found[name] = self._entry(name, snapshot)
                    break
        if self.home.is_dir():
            for folder in sorted(path for path in self.home.iterdir() if path.is_dir()):
                if not folder.name.startswith(".") and not folder.name.endswith(".partial"):
                    name = folder.name.replace("--", "/", 1)
                    found[name] = self._entry(name, folder)
        return [found[name] for name in sorted(found)]

    def _entry(self, name: str, folder: Path) -> LibraryEntry:
        """What ``holding`` says, but for a text encoder that is still to be downloaded."""
        entry = holding(name, folder)
        if entry.state == "ready" and kind_of(folder) == TOOLS_KIND:
            try:
                self.text_encoder(folder)
            except ModelError as error:
                return replace(entry, state=f"incomplete: {error}")
        return entry

    def _snapshots(self, name: str) -> list[Path]:
        if self._cache is None:
            return []
        folder = self._cache / f"models--{name.replace('/', '--')}" / "snapshots"
        return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True) if folder.is_dir() else []


def folder_of_file(path: Path) -> str:
    """The command that makes a folder of a checkpoint that is one file."""
    return printable(f"riffengine convert {shlex.quote(str(path))} --like {RIFFUSION}", 400)


def kind_of(folder: Path) -> str:
    """The class that ``folder`` names in its index, or in the configuration that is in its place; ``""`` if none."""
    path = index_of(folder)
    try:
        index = read_json(path, _INDEX_BYTES)
    except (OSError, ValueError):
        return ""
    found = index if isinstance(index, dict) else {}
    name = found.get("_class_name")
    if path.name == TOOLS_INDEX:
        name = found.get("model_type")
    if path.name == FLAT_INDEX:
        names = found.get("architectures")
        name = names[0] if isinstance(names, list) and names else None
    return name if isinstance(name, str) else ""


def index_of(folder: Path) -> Path:
    """The file that says what the checkpoint in ``folder`` is: that of diffusers unless only another one is there."""
    found = (folder / name for name in (INDEX, TOOLS_INDEX, FLAT_INDEX) if is_file(folder / name))
    return next(found, folder / INDEX)


def parts_of(folder: Path) -> tuple[str, ...]:
    """The networks that the checkpoint in ``folder`` has: those of its kind, of Stable Diffusion if it is unknown."""
    kind = kind_of(folder)
    return ("",) if kind in TEXT_ENCODERS else PARTS_OF.get(kind, PARTS)


def holding(name: str, folder: Path) -> LibraryEntry:
    """The entry for ``folder``, from the names of its files; only its README.md is opened."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts]
    return LibraryEntry(name, folder, _state(folder), sum(sizes), licence_of(name, folder))


def licence_of(name: str, folder: Path) -> str:
    """The licence from the head of ``folder``'s README.md, else the known licence of ``name``, else ``""``."""
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as file:
            match = _LICENCE.search(file.read(_HEAD_BYTES))
    except OSError:
        match = None
    return match[1] if match else LICENCES.get(name, "")


def _state(folder: Path) -> str:
    path = index_of(folder)
    if not path.is_file():
        lone = (folder / _FLAT_WEIGHTS).is_file()
        return f"incomplete: {f'{TOOLS_INDEX} or {FLAT_INDEX}' if lone else INDEX} is missing"
    if path.name != INDEX and parts_of(folder) == PARTS:
        kind = printable(kind_of(folder), 60)
        return f"incomplete: {path.name} " + (
            f"is of the kind {kind}, which is not played" if kind else "names no model"
        )
    pickled = False
    for part in parts_of(folder):
        if any((folder / part).glob("*.safetensors")):
            continue
        if not any(found for pattern in PICKLES for found in (folder / part).glob(pattern)):
            return f"incomplete: {part or 'it'} has no weights"
        pickled = True
    if kind_of(folder) in TEXT_ENCODERS:
        return "incomplete: it is a text encoder of other models" if pickled else TEXT_ENCODER
    return "pickled" if pickled else "ready"


def incomplete(folder: Path) -> ModelError:
    """What is wrong with ``folder``, in which a file is missing or is of a model that is not played; and what to do."""
    path, advice = index_of(folder), "give a folder in diffusers layout"
    if path.is_file() and path.name != INDEX and parts_of(folder) == PARTS:
        kinds = [TOOLS_KIND] if path.name == TOOLS_INDEX else _FLAT_KINDS
        advice = f"copy it again with the {path.name} of a {' or '.join(kinds)}"
    elif not path.is_file() and (folder / _FLAT_WEIGHTS).is_file():
        advice = (
            f"copy the {TOOLS_INDEX} (stable-audio-tools) or {FLAT_INDEX} (transformers) of {_FLAT_WEIGHTS} beside it"
        )
    return ModelError(
        f"{folder} is not a complete checkpoint ({_state(folder)}): {advice}, or download one: riffengine models get "
        f"{RIFFUSION}"
    )
