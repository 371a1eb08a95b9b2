"""Checkpoints of waveforms: damaged and foreign ones are refused in one line, and no pickle is opened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from riffengine.cli import main
from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.model_library import Library
from riffengine.renderer.registry import family_of, load_family
from riffengine.renderer.waveform.waveform_spec import WaveformSpec
from tests.renderer.waveform.checkpoints import REQUEST, family, never_cancel, toy
from tools.random_waveforms import DENOISING, KINDS

WEIGHTS = "diffusion_pytorch_model.safetensors"


def copy(kind: str, to: Path) -> Path:
    return Path(shutil.copytree(toy(kind), to / "checkpoint"))


def _set(folder: Path, file: str, **facts: object) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def _change(folder: Path, part: str, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / part / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / part / WEIGHTS)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


STABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a part gone": (lambda f: shutil.rmtree(f / "projection_model"), "projection_model has no weights"),
    "no configuration": (lambda f: (f / "vae/config.json").unlink(), "autoencoder is incomplete"),
    "truncated": (lambda f: _cut(f / "transformer" / WEIGHTS), "not a complete safetensors file"),
    "a tensor gone": (lambda f: _change(f, "vae", lambda t: t.pop("decoder.conv1.bias")), "1 missing"),
    "a tensor more": (lambda f: _change(f, "vae", lambda t: t.update({"x": torch.ones(1)})), "1 unexpected"),
    "another shape": (
        lambda f: _set(f, "transformer/config.json", in_channels=9),
        "channels, the autoencoder has|its config.json",
    ),
    "layers without end": (lambda f: _set(f, "transformer/config.json", num_layers=100_000), "at most 64"),
    "nonsense": (lambda f: _set(f, "vae/config.json", downsampling_ratios=["a"]), "does not describe a autoencoder"),
    "broken json": (lambda f: (f / "vae/config.json").write_text("{"), "is not JSON"),
    "another scheduler": (
        lambda f: _set(f, "scheduler/scheduler_config.json", _class_name="DDIMScheduler"),
        "has DDIMScheduler",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer/tokenizer.json").unlink(), "tokenizer is missing"),
    "a broken tokenizer": (
        lambda f: (f / "tokenizer/tokenizer.json").write_text("{}"),
        "tokenizer.json cannot be read",
    ),
    "a tokenizer of more words": (lambda f: _more_words(f), "they do not fit"),
}


def _more_words(folder: Path) -> None:
    path = folder / "tokenizer/tokenizer.json"
    found = json.loads(path.read_text())
    found["model"]["vocab"] |= {f"word{number}": 258 + number for number in range(100)}
    path.write_text(json.dumps(found))


@pytest.mark.parametrize("name", STABLE)
def test_a_damaged_or_foreign_checkpoint_is_refused_in_words(name: str, tmp_path: Path) -> None:
    damage, words = STABLE[name]
    folder = copy("stable-audio", tmp_path)
    damage(folder)
    with pytest.raises(ModelError, match=words) as refused:
        load_family(f"{folder}?device=cpu")
    assert "\n" not in str(refused.value)


def test_dance_diffusion_of_2022_plays_once_its_pickle_is_converted(tmp_path: Path) -> None:
    folder = copy("dance-diffusion", tmp_path)
    torch.save(load_file(folder / "unet" / WEIGHTS), folder / "unet" / "diffusion_pytorch_model.bin")
    (folder / "unet" / WEIGHTS).unlink()
    config = json.loads((folder / "unet/config.json").read_text())
    del config["time_embedding_dim"]  # which diffusers did not know then
    (folder / "unet/config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="holds pickles, which are not loaded"):
        load_family(str(folder))
    assert main(["convert", str(folder)]) == 0
    loop = load_family(f"{folder}?device=cpu").render(REQUEST, never_cancel).audio
    assert np.array_equal(loop, family("dance-diffusion").render(REQUEST, never_cancel).audio)


def test_dance_diffusion_of_other_channels_is_refused(tmp_path: Path) -> None:
    folder = copy("dance-diffusion", tmp_path)
    _set(folder, "unet/config.json", sample_rate=None)
    with pytest.raises(ModelError, match="at a known rate is needed"):
        load_family(f"{folder}?device=cpu")


@pytest.mark.parametrize("kind", DENOISING)
def test_half_precision_weights_play(kind: str, tmp_path: Path) -> None:
    from tools.random_waveforms import WRITERS

    folder = WRITERS[kind](tmp_path / "half", half=True)
    halved = load_family(f"{folder}?device=cpu").render(REQUEST, never_cancel).mel
    assert np.abs(halved - family(kind).render(REQUEST, never_cancel).mel).mean() < 0.02


def test_options_are_checked_in_one_place() -> None:
    spec = WaveformSpec.parse("a/b?scheduler=DPM1&tempo=told&device=cpu&precision=bfloat16")
    assert spec == WaveformSpec("a/b", "dpm1", "cpu", "bfloat16", "told")
    for wrong in ("lora=x", "scheduler=ddim", "tempo", "tempo=told&tempo=told"):
        with pytest.raises(ModelError):
            WaveformSpec.parse(f"a/b?{wrong}")
    for kind, wrong in (("stable-audio", "ipndm"), ("dance-diffusion", "dpm1")):
        with pytest.raises(ModelError, match="none that"):
            load_family(f"{toy(kind)}?scheduler={wrong}&device=cpu")
    with pytest.raises(ModelError, match="float16 on a CPU"):
        load_family(f"{toy('stable-audio')}?device=cpu&precision=float16")


@pytest.mark.parametrize("kind", KINDS)
def test_the_library_knows_them(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(toy(kind), tmp_path / "someone--song")
    monkeypatch.setenv("RIFFENGINE_MODELS", str(tmp_path))
    (entry,) = Library.standard().holdings()
    assert (entry.name, entry.state) == ("someone/song", "ready")
    descriptor = family_of("someone/song?tempo=told")
    assert descriptor.name == "waveform" and descriptor.shape("someone/song").stems == ("mix",)
    descriptor.check("someone/song")
    with pytest.raises(ModelError, match="--vram"):
        descriptor.with_memory_limit("someone/song", "4GiB")
