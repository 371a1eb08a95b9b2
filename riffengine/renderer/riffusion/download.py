"""Fetching: a checkpoint comes from the hub into the library, once, because somebody asked for it."""

from __future__ import annotations

import fnmatch
import hashlib
import os
from pathlib import Path
from typing import Any

from riffengine.errors import ModelError
from riffengine.renderer.riffusion.model_library import Library

_SMALL = ("model_index.json", "*/config.json", "tokenizer/*", "scheduler/*", "README.md", "LICENSE*", "codec.json")
_STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
_PICKLED = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "pytorch_model"}
_PARTIAL = ".partial"


def fetch(name: str, library: Library) -> Path:
    """Fetch the checkpoint ``name`` from the hub into ``library`` and return its folder; what is there is not fetched.

    Takes what is played and no more: each part's safetensors, in full precision before half, and its pickle only where
    there is no other. An interrupted fetch goes on where it was, within a file too. Raises ``ModelError`` when the hub
    cannot be reached, does not know ``name`` or keeps it closed, sends something else than it promised, or the disk is
    full.
    """
    folder = library.place(name)
    if not _lacking(folder):
        return folder
    _download(name, folder)
    lacking = _lacking(folder)
    if lacking:
        raise ModelError(
            f"{name} on the hub has no {lacking[0]}: it is no checkpoint in diffusers layout; take another"
        )
    return folder


def _lacking(folder: Path) -> list[str]:
    """What a checkpoint needs and ``folder`` has not."""
    files = ["model_index.json", "scheduler/scheduler_config.json", *(f"{part}/config.json" for part in _STEMS)]
    lacking = [name for name in files if not (folder / name).is_file()]
    if not any((folder / "tokenizer" / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        lacking.append("tokenizer")
    return lacking + [f"weights in {part}" for part in _STEMS if not _has_weights(folder, part)]


def _has_weights(folder: Path, part: str) -> bool:
    return any(path for pattern in ("*.safetensors", "*.bin") for path in (folder / part).glob(pattern))


def _wanted(offered: list[str]) -> list[str]:
    """Of the files that the hub offers, those that are played: small ones first."""
    wanted = [name for name in offered if any(fnmatch.fnmatchcase(name, pattern) for pattern in _SMALL)]
    for part, stem in _STEMS.items():
        choices = (f"{stem}.safetensors", f"{stem}.fp16.safetensors", f"{_PICKLED[part]}.bin")
        found = [f"{part}/{choice}" for choice in choices if f"{part}/{choice}" in offered]
        wanted += found[:1]
    return wanted


def _download(name: str, folder: Path) -> None:
    try:
        import huggingface_hub as hub
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    except ImportError as error:
        raise ModelError(f"fetching needs huggingface_hub ({error}): pip install 'riffengine[riffusion]'") from error
    network: type[BaseException] = HfHubHTTPError.__bases__[0]  # the root of whichever HTTP library it uses
    endpoint = os.environ.get("HF_ENDPOINT")  # as it is now, not as it was when the library was imported
    try:
        info = hub.HfApi(endpoint=endpoint).model_info(name)
        for file in _wanted([each.rfilename for each in info.siblings or ()]):
            if not (folder / file).is_file():
                _take(hub.hf_hub_url(name, file, revision=info.sha, endpoint=endpoint), folder / file, hub)
    except GatedRepoError as error:
        raise ModelError(
            f"{name} is given to those who agree to its terms: do that on its page, sign in with `hf auth login`, "
            "and fetch it again"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"the hub has no model {name}, or keeps it closed; look the name up on its page") from error
    except (HfHubHTTPError, network, OSError) as error:
        raise ModelError(
            f"{name} could not be fetched ({_first_line(error)}). With a network, `riffengine models get {name}` goes "
            "on where it was; a copy of its folder from another machine does as well; without either, --model bundled "
            "plays what is in the package"
        ) from error


def _take(url: str, target: Path, hub: Any) -> None:
    """One file, written beside ``target`` under a name that tells its content, so that the next fetch may go on there.

    The library's own downloads begin a file anew in every process, and three gigabytes are a long way.
    """
    from huggingface_hub.file_download import http_get

    facts = hub.get_hf_file_metadata(url)
    tag = str(facts.etag or "").strip('"')
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{tag[:16]}{_PARTIAL}")
    with partial.open("ab") as file:
        begun = file.tell()
        if facts.size is None or begun < facts.size:
            headers = hub.utils.build_hf_headers()
            named = f"{target.parent.name}/{target.name}"
            http_get(url, file, resume_size=begun, headers=headers, expected_size=facts.size, displayed_filename=named)
    if not _is_whole(partial, tag):
        partial.unlink()
        raise ModelError(f"{target.name} did not arrive as the hub promised it ({tag[:16]}); fetch it again")
    partial.replace(target)


def _is_whole(path: Path, tag: str) -> bool:
    """Whether the file is what ``tag`` names: the SHA-256 of large files, git's name of small ones, else unknown."""
    if len(tag) not in (40, 64):
        return True
    digest = hashlib.sha256() if len(tag) == 64 else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
    return digest.hexdigest() == tag


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
