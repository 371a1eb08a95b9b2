"""``models`` and ``convert``: list, download, check and convert the checkpoints on this machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from riffengine.cli.arguments import add_json_argument, show
from riffengine.cli.verb import Verb
from riffengine.errors import ModelError

_MODELS_EXAMPLES = """\
examples:
  riffengine models                                          list the checkpoints on this machine
  riffengine models get riffusion/riffusion-model-v1         download it once; pickles are converted
  riffengine models check ~/checkpoints/mine                 load it and print what it is, or what is wrong with it

Then write `model: riffusion/riffusion-model-v1` in a preset, or use --model with play and render.
"""

_CONVERT_EXAMPLES = """\
examples:
  riffengine convert ~/checkpoints/mine                      write .safetensors beside the .bin files
  riffengine convert mine.ckpt --like riffusion/riffusion-model-v1
  riffengine convert lora.pt -o lora.safetensors

A pickle can run code when it is read. Only this verb opens pickles, in a process of its own that refuses everything
except tensors, and that has no network where the system allows that.
"""


def _add_models_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``models``."""
    parser.add_argument(
        "what",
        nargs="?",
        choices=("list", "get", "check"),
        default="list",
        help="list, download or check checkpoints (default: list)",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="owner/name on the hub, or a folder")
    add_json_argument(parser)


def _add_convert_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``convert``."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a checkpoint's folder, a .ckpt, or a pickled LoRA")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="PLACE", help="where to write it (default for a folder: into the folder)"
    )
    parser.add_argument(
        "--like",
        default="",
        metavar="NAME",
        help="for a single file: the checkpoint to take configuration and tokenizer from",
    )


def _models(arguments: argparse.Namespace) -> int:
    """List the checkpoints, download one, or load one and print what it is."""
    if arguments.what == "list":
        return _list(arguments.json)
    if not arguments.name:
        show(f"riffengine models {arguments.what} needs a NAME; see `riffengine models --help`", file=sys.stderr)
        return 2
    return _get(arguments.name) if arguments.what == "get" else _check(arguments.name, arguments.json)


def _convert(arguments: argparse.Namespace) -> int:
    """Convert pickles, or a single file."""
    from riffengine.renderer.checkpoints.model_library import Library
    from riffengine.renderer.riffusion.convert import convert as convert_source

    place = convert_source(arguments.source, arguments.out, arguments.like, Library.standard(), _print_progress)
    show(f"{place}: safetensors, ready; --model {place}" if place.is_dir() else f"{place}: safetensors, ready")
    return 0


def add_budget_argument(parser: argparse._ActionsContainer) -> None:
    """``--vram``, of the verbs that load a checkpoint."""
    parser.add_argument("--vram", metavar="SIZE", help="how much memory of the GPU a checkpoint may use, such as 4GiB")


def with_budget(model: str, vram: str | None) -> str:
    """``model`` with the limit that ``--vram`` gives; ``ModelError`` for a model that has no such limit."""
    if not vram:
        return model
    from riffengine.renderer.registry import family_of

    return family_of(model).with_memory_limit(model, vram)


def check_model(model: str) -> None:
    """``ModelError`` where the checkpoint of ``model`` is missing or incomplete, or where ``model`` is not understood.

    Only the names of its files are looked at, before anything starts.
    """
    from riffengine.renderer.registry import family_of

    family_of(model).check(model)


def _list(as_json: bool) -> int:
    from riffengine.renderer.bundled.descriptor import NAME, packaged_weights
    from riffengine.renderer.checkpoints.model_library import RIFFUSION, Library, LibraryEntry

    library, weights = Library.standard(), packaged_weights()
    size = weights.stat().st_size if weights.is_file() else 0
    bundled = LibraryEntry(NAME, weights, "ready" if size else "missing", size, "MIT")
    entries = [bundled, *library.holdings()]
    if as_json:
        rows = [asdict(entry) | {"folder": str(entry.folder)} for entry in entries]
        show(json.dumps({"library": str(library.home), "models": rows}, indent=2))
        return 0
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        mib, licence = entry.size_bytes / 2**20, entry.licence or "unknown licence"
        show(f"{entry.name:{width}}  {entry.state:10} {mib:8.0f} MiB  {licence:22}  {entry.folder}")
        if entry.state == "pickled":
            show(f"{'':{width}}  → riffengine convert {entry.folder}")
    if len(entries) == 1:
        show(f"There is no checkpoint yet. Download one into {library.home}: riffengine models get {RIFFUSION}")
    return 0


def _get(name: str) -> int:
    from riffengine.renderer.checkpoints.download import download_checkpoint
    from riffengine.renderer.checkpoints.model_library import TEXT_ENCODER, Library, holding, kind_of
    from riffengine.renderer.checkpoints.tools_layout import TOOLS_KIND

    library = Library.standard()
    folder = download_checkpoint(name, library)
    found = holding(name, folder)
    if found.state == "pickled":
        from riffengine.renderer.riffusion.convert import convert as convert_source

        convert_source(folder, None, "", library, _print_progress)
    licence = found.licence or "unknown: see its page"
    use = "other models read their text with it" if found.state == TEXT_ENCODER else f"play it with --model {name}"
    show(f"{name}: {found.size_bytes / 2**20:.0f} MiB in {folder}; licence {licence}; {use}")
    if kind_of(folder) == TOOLS_KIND:
        try:
            library.text_encoder(folder)
        except ModelError as error:
            show(f"→ {error}")
    return 0


def _check(name: str, as_json: bool) -> int:
    from riffengine.renderer.checkpoints.model_library import Library, holding
    from riffengine.renderer.registry import family_of

    facts, source = dict(family_of(name).facts(name)), name.partition("?")[0]
    with contextlib.suppress(ModelError):  # a file of weights, or the model that ships, is no folder
        found = holding(source, Library.standard().locate(source))
        facts = {"folder": str(found.folder), "size_mib": found.size_bytes / 2**20, "licence": found.licence} | facts
    if as_json:
        show(json.dumps(facts, indent=2))
        return 0
    for key, value in facts.items():
        show(f"{key:20}{value:.1f}" if isinstance(value, float) else f"{key:20}{value}")
    return 0


def _print_progress(text: str) -> None:
    show(text, file=sys.stderr)


MODELS = Verb("list, download or check checkpoints", _models, _add_models_arguments, _MODELS_EXAMPLES)
CONVERT = Verb("convert a checkpoint from pickles to safetensors", _convert, _add_convert_arguments, _CONVERT_EXAMPLES)
