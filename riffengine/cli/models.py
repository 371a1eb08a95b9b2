"""``models`` and ``convert``: the checkpoints on this machine, fetched, checked, and freed of pickles."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from riffengine.errors import ModelError

MODELS_EXAMPLES = """\
examples:
  riffengine models                                          what is on this machine
  riffengine models get riffusion/riffusion-model-v1         fetch it once; pickles are converted on arrival
  riffengine models check ~/checkpoints/mine                 load it and say what it is, or what is wrong with it

Then: model: riffusion/riffusion-model-v1 in a preset, or --model with play and render.
"""

CONVERT_EXAMPLES = """\
examples:
  riffengine convert ~/checkpoints/mine                      a folder with .bin files gets .safetensors beside them
  riffengine convert mine.ckpt --like riffusion/riffusion-model-v1
  riffengine convert lora.pt -o lora.safetensors

Pickles may run code when they are read, so nothing else here opens them: a process of its own does, with everything
that is not a tensor refused, and without a network where the system allows that.
"""


def add_models_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``models``."""
    parser.add_argument("what", nargs="?", choices=("list", "get", "check"), default="list", help="(default: list)")
    parser.add_argument("name", nargs="?", metavar="NAME", help="owner/name on the hub, or a folder")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_convert_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``convert``."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a checkpoint's folder, a .ckpt, or a pickled LoRA")
    parser.add_argument("-o", "--out", type=Path, metavar="PLACE", help="where it goes (a folder's: into itself)")
    parser.add_argument(
        "--like", default="", metavar="NAME", help="single files: the checkpoint to take configuration and tokenizer of"
    )


def models(arguments: argparse.Namespace) -> int:
    """List the checkpoints, fetch one, or load one and say what it is."""
    if arguments.what == "list":
        return _list(arguments.json)
    if not arguments.name:
        print(f"riffengine models {arguments.what} needs a NAME; see `riffengine models --help`", file=sys.stderr)
        return 2
    return _get(arguments.name) if arguments.what == "get" else _check(arguments.name, arguments.json)


def convert(arguments: argparse.Namespace) -> int:
    """Convert pickles, or a single file."""
    from riffengine.renderer.riffusion.convert import convert as convert_source
    from riffengine.renderer.riffusion.model_library import Library

    place = convert_source(arguments.source, arguments.out, arguments.like, Library.standard(), _say)
    print(f"{place}: safetensors, ready; --model {place}" if place.is_dir() else f"{place}: safetensors, ready")
    return 0


def add_budget_argument(parser: argparse._ActionsContainer) -> None:
    """``--vram``, of the verbs that load a checkpoint."""
    parser.add_argument("--vram", metavar="SIZE", help="what a checkpoint may take of the GPU's memory, such as 4GiB")


def budgeted(model: str, vram: str | None) -> str:
    """``model`` with the memory that ``--vram`` allows it; ``ModelError`` where it takes none."""
    if not vram:
        return model
    if model == "bundled" or model.partition("?")[0].endswith(".safetensors"):
        raise ModelError(f"--vram is for checkpoints on a GPU; {model} plays on the CPU: leave it away")
    return f"{model}{'&' if '?' in model else '?'}vram={vram}"


def present(model: str) -> str:
    """``model``, when its checkpoint is there and whole, as far as the names of its files tell; before anything starts.

    Raises ``ModelError`` where it is not, or where ``model`` is not understood.
    """
    if model != "bundled" and not model.partition("?")[0].endswith(".safetensors"):
        from riffengine.renderer.riffusion.model_library import Library
        from riffengine.renderer.riffusion.model_spec import ModelSpec

        Library.standard().playable(ModelSpec.parse(model).source)
    return model


def _list(as_json: bool) -> int:
    from riffengine.renderer.bundled.model_info import packaged_weights
    from riffengine.renderer.riffusion.model_library import RIFFUSION, Library, LibraryEntry

    library, weights = Library.standard(), packaged_weights()
    size = weights.stat().st_size if weights.is_file() else 0
    bundled = LibraryEntry("bundled", weights, "ready" if size else "missing", size, "MIT")
    holdings = [bundled, *library.holdings()]
    if as_json:
        rows = [asdict(holding) | {"folder": str(holding.folder)} for holding in holdings]
        print(json.dumps({"library": str(library.home), "models": rows}, indent=2))
        return 0
    width = max(len(holding.name) for holding in holdings)
    for holding in holdings:
        mib, licence = holding.size_bytes / 2**20, holding.licence or "unknown licence"
        print(f"{holding.name:{width}}  {holding.state:10} {mib:8.0f} MiB  {licence:22}  {holding.folder}")
        if holding.state == "pickled":
            print(f"{'':{width}}  → riffengine convert {holding.folder}")
    if len(holdings) == 1:
        print(f"No checkpoint is here yet. Fetch one into {library.home}: riffengine models get {RIFFUSION}")
    return 0


def _get(name: str) -> int:
    from riffengine.renderer.riffusion.download import fetch
    from riffengine.renderer.riffusion.model_library import Library, holding

    library = Library.standard()
    folder = fetch(name, library)
    found = holding(name, folder)
    if found.state == "pickled":
        from riffengine.renderer.riffusion.convert import convert as convert_source

        convert_source(folder, None, "", library, _say)
    licence = found.licence or "unknown: see its page"
    print(f"{name}: {found.size_bytes / 2**20:.0f} MiB in {folder}; licence {licence}; play it with --model {name}")
    return 0


def _check(name: str, as_json: bool) -> int:
    from riffengine.renderer.riffusion.checkpoint import read_checkpoint
    from riffengine.renderer.riffusion.convert import facts_of
    from riffengine.renderer.riffusion.model_library import holding
    from riffengine.renderer.riffusion.model_spec import ModelSpec

    spec = ModelSpec.parse(name)
    checkpoint = read_checkpoint(spec)
    found = holding(spec.source, checkpoint.folder)
    facts = {"folder": str(checkpoint.folder), "size_mib": found.size_bytes / 2**20, "licence": found.licence}
    facts |= facts_of(checkpoint)
    if as_json:
        print(json.dumps(facts, indent=2))
        return 0
    for key, value in facts.items():
        print(f"{key:20}{value:.1f}" if isinstance(value, float) else f"{key:20}{value}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)
