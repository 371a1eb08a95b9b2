"""Converts checkpoints with pickles, and single-file checkpoints, to folders of safetensors. Not while playing.

Only ``unpickle.py`` opens pickles, in a separate process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from riffengine.errors import ModelError, printable, reason
from riffengine.files.regular import exists, is_file, is_folder
from riffengine.renderer.checkpoints.layout import CONFIG_FILES, FLAT_FILES, LICENCE_FILES, inside
from riffengine.renderer.checkpoints.model_library import (
    PARTS,
    PARTS_OF,
    PICKLES,
    SINGLE_FILE_UNET,
    Library,
    kind_of,
    parts_of,
)
from riffengine.renderer.checkpoints.state_dict import read_config, read_tensors
from riffengine.renderer.checkpoints.tools_layout import TOOLS_INDEX
from riffengine.renderer.family import NAME_DIGITS
from riffengine.renderer.riffusion.checkpoint import read_checkpoint
from riffengine.renderer.riffusion.model_spec import ModelSpec
from riffengine.renderer.torchaudio_import import prepare_for_transformers

_SCRIPT = Path(__file__).with_name("unpickle.py")
_PATIENCE_SECONDS = 1800

Notify = Callable[[str], None]


def convert(source: Path, out: Path | None, like: str, library: Library, say: Notify) -> Path:
    """Convert ``source``. Returns the checkpoint's folder, or the new file if ``source`` was not a checkpoint.

    A folder in diffusers layout gets a safetensors file beside each pickle, or becomes the new folder ``out``. A single
    file (.ckpt, .safetensors) becomes the folder ``out``, by default in ``library``; configurations and tokenizer are
    taken from the checkpoint ``like``. Any other pickle of tensors (a LoRA) becomes one safetensors file. The result is
    loaded once, so what is wrong with it is known now. Raises ``ModelError``; nothing half-finished is left behind.
    """
    if is_folder(source):
        return _convert_folder(source, out, say)
    if not is_file(source):
        raise ModelError(f"there is no {source} to convert; give a checkpoint's folder, a .ckpt, or a pickled LoRA")
    with tempfile.TemporaryDirectory(prefix="riffengine-convert-") as scratch:
        flat = source
        if source.suffix != ".safetensors":
            flat = Path(scratch) / "flat.safetensors"
            _unpickle({source: flat})
        tensors = read_tensors(flat)
        if not any(name.startswith(SINGLE_FILE_UNET) for name in tensors):
            return _keep_file(flat, source, out)
        if not like:
            raise ModelError(
                f"{source.name} is a single-file checkpoint, which has no configuration and no tokenizer: name a "
                "checkpoint of the same shape to take them from, --like riffusion/riffusion-model-v1"
            )
        return _split(tensors, library.locate(like), out or library.home / source.stem, say)


def _convert_folder(source: Path, out: Path | None, say: Notify) -> Path:
    pickles = {part: path for part in parts_of(source) if (path := _pickle_in(source / part)) is not None}
    if not pickles:
        raise ModelError(
            f"{source} holds no pickles to convert; `riffengine models check {source}` says what is missing"
        )
    if out is None:
        _unpickle_parts(source, source, pickles, say)
        return source
    with _building(out) as partial:
        _copy(source, partial, (*CONFIG_FILES, *FLAT_FILES, TOOLS_INDEX, *LICENCE_FILES))
        for part in {*parts_of(source), "text_encoder"} - pickles.keys():
            _copy(source, partial, tuple(_in_part(part, path.name) for path in (source / part).glob("*.safetensors")))
        _unpickle_parts(source, partial, pickles, say)
    return out


def _copy(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Those files ``names`` of the folder ``source`` that are there; no device is read to its end, which it has not."""
    for name in names:
        if (source / name).is_file():
            path = inside(target, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, path)


def _unpickle_parts(source: Path, target: Path, pickles: dict[str, Path], say: Notify) -> None:
    for part, path in pickles.items():
        say(f"{printable(path.relative_to(source))} → safetensors")
        inside(target, _in_part(part, _weights_name(part))).parent.mkdir(exist_ok=True)
    _unpickle({path: target / part / _weights_name(part) for part, path in pickles.items()})
    if kind_of(target) not in PARTS_OF:  # the loaders of other families are not known here
        read_checkpoint(ModelSpec(str(target)))


def _weights_name(part: str) -> str:
    return "model.safetensors" if part in ("text_encoder", "") else "diffusion_pytorch_model.safetensors"


def _in_part(part: str, name: str) -> str:
    """The file ``name`` of ``part``, below the checkpoint's folder; ``""`` is the folder itself."""
    return f"{part}/{name}" if part else name


def _pickle_in(folder: Path) -> Path | None:
    """The pickle in ``folder``; ``None`` if there is a safetensors file."""
    if any(folder.glob("*.safetensors")):
        return None
    found = [path for pattern in PICKLES for path in sorted(folder.glob(pattern))]
    return found[0] if found else None


def _unpickle(targets: dict[Path, Path]) -> None:
    """Each source as safetensors at its target, by one process; ``ModelError`` says why not, and nothing is left."""
    # Another process writes there, so what lies there already, such as a link to elsewhere, is refused before.
    partials = {source: inside(target.parent, target.name + ".partial") for source, target in targets.items()}
    known = {
        name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR") if name in os.environ
    }
    pairs = [str(path.resolve()) for pair in partials.items() for path in pair]
    names = printable(", ".join(str(source) for source in targets), 400)
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_SCRIPT), *pairs],
            env=known,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            cwd=next(iter(targets.values())).parent,
            check=False,
        )
        said = json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {}
        if done.returncode or "error" in said:
            lines = done.stderr.strip().splitlines()
            why = said.get("error") or (lines[-1] if lines else f"it ended with status {done.returncode}")
            raise ModelError(
                f"{printable(said.get('source', names), 400)} is not converted: {printable(why, 400)}; ask its "
                "author for safetensors"
            )
        for source, partial in partials.items():
            partial.replace(targets[source])
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{names} is not converted: it took longer than {_PATIENCE_SECONDS // 60} minutes") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{names} is not converted: {reason(error)}; choose another folder with -o") from error
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def _keep_file(flat: Path, source: Path, out: Path | None) -> Path:
    target = out or source.with_suffix(".safetensors")
    if source.suffix == ".safetensors":
        raise ModelError(
            f"{source} is already safetensors and not a single-file checkpoint: there is nothing to convert"
        )
    if exists(target) or target.is_symlink():  # a link to nowhere would be written through
        raise ModelError(f"{target} exists already; move it away, or name another file with -o")
    try:
        shutil.copyfile(flat, target)
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {reason(error)}; name another file with -o") from error
    return target


def _split(tensors: dict[str, Tensor], like: Path, out: Path, say: Notify) -> Path:
    """The folder ``out`` of a single file's ``tensors``, with everything else from the folder ``like``."""
    prepare_for_transformers()
    from diffusers.loaders import single_file_utils
    from safetensors.torch import save_file

    names: Any = single_file_utils  # without annotations

    configs = {part: read_config(like / part / "config.json", part) for part in PARTS}
    with _building(out) as partial:
        _copy(like, partial, CONFIG_FILES)
        say(f"{len(tensors)} tensors → {', '.join(PARTS)}")
        try:
            unet = names.convert_ldm_unet_checkpoint(dict(tensors), configs["unet"])
            vae = names.convert_ldm_vae_checkpoint(dict(tensors), configs["vae"])
        except (KeyError, IndexError, RuntimeError, AttributeError) as error:
            raise ModelError(
                f"the file does not fit the shape of {like} ({type(error).__name__}: {error}); name another with --like"
            ) from error
        prefix = "cond_stage_model.transformer."
        text = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        for part, found in zip(PARTS, (unet, vae, text), strict=True):
            own = {name: value.clone().contiguous() for name, value in found.items()}
            save_file(own, partial / part / _weights_name(part), {"format": "pt"})
        read_checkpoint(ModelSpec(str(partial)))
    return out


@contextmanager
def _building(out: Path) -> Iterator[Path]:
    """An empty folder beside ``out`` that is renamed to ``out`` at the end, or removed after an error.

    Raises ``ModelError`` where ``out`` exists or cannot be made.
    """
    if exists(out):
        raise ModelError(f"{out} exists already; move it away, or name another folder with -o")
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        partial.replace(out)
    except OSError as error:
        raise ModelError(f"{out} cannot be made: {reason(error)}; name another folder with -o") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def facts_of(checkpoint: Any) -> dict[str, object]:
    """Properties of a loaded checkpoint for display: millions of weights by part, bands, hertz, digest."""
    parts = {"text": checkpoint.text, "unet": checkpoint.unet, "vae": checkpoint.vae}
    millions = {f"{name}_millions": sum(p.numel() for p in m.parameters()) / 1e6 for name, m in parts.items()}
    params = checkpoint.params
    return {
        **millions,
        "bands": params.num_frequencies,
        "max_frequency_hz": params.max_frequency,
        "channels": params.channels,
        "scheduler": checkpoint.scheduler.get("_class_name", ""),
        "digest": checkpoint.digest[:NAME_DIGITS],
    }
