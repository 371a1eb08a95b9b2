"""Fetching: a checkpoint comes from the hub into the library, once, because somebody asked for it."""

from __future__ import annotations

from pathlib import Path

from riffengine.errors import ModelError
from riffengine.renderer.riffusion.library import Library

_SMALL = ("model_index.json", "*/config.json", "tokenizer/*", "scheduler/*", "README.md", "LICENSE*", "codec.json")
_STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
_PICKLED = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "pytorch_model"}


def fetch(name: str, library: Library) -> Path:
    """Fetch the checkpoint ``name`` from the hub into ``library`` and return its folder; what is there is not fetched.

    Takes what is played and no more: each part's safetensors, in full precision before half, and its pickle only where
    there is no other. An interrupted fetch goes on where it was. Raises ``ModelError`` when the hub cannot be reached,
    does not know ``name`` or keeps it closed, or the disk is full.
    """
    folder = library.place(name)
    if not _lacking(folder):
        return folder
    _download(name, folder, [*_SMALL, *(f"{part}/{stem}.safetensors" for part, stem in _STEMS.items())])
    for stems, ending in ((_STEMS, "fp16.safetensors"), (_PICKLED, "bin")):
        wanted = [f"{part}/{stem}.{ending}" for part, stem in stems.items() if not _has_weights(folder, part)]
        if wanted:
            _download(name, folder, wanted)
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


def _download(name: str, folder: Path, patterns: list[str]) -> None:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    except ImportError as error:
        raise ModelError(f"fetching needs huggingface_hub ({error}): pip install 'riffengine[riffusion]'") from error
    network: type[BaseException] = HfHubHTTPError.__bases__[0]  # the root of whichever HTTP library it uses
    try:
        snapshot_download(name, local_dir=folder, allow_patterns=patterns)
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


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
