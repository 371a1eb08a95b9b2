"""Checkpoints: every safe layout gives the same loop; everything else is refused, and nothing is executed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.state_dict import digest_of
from riffengine.renderer.riffusion.checkpoint import CODEC_FILE, read_checkpoint
from riffengine.renderer.riffusion.family import RiffusionFamily
from riffengine.renderer.riffusion.model_spec import ModelSpec
from tests.renderer.riffusion.checkpoints import BANDS, REQUEST, family, make_checkpoint, never_cancel, toy_checkpoints


def copy(to: Path) -> Path:
    return Path(shutil.copytree(toy_checkpoints() / "modern", to / "checkpoint"))


def test_the_layout_of_2022_sounds_the_same_once_its_pickles_are_converted() -> None:
    assert np.array_equal(
        family().render(REQUEST, never_cancel).audio, family(layout="converted").render(REQUEST, never_cancel).audio
    )


def test_a_half_precision_file_plays(tmp_path: Path) -> None:
    halved = RiffusionFamily.load(f"{make_checkpoint(tmp_path / 'half', half=True)}?device=cpu")
    assert np.abs(halved.render(REQUEST, never_cancel).mel - family().render(REQUEST, never_cancel).mel).mean() < 0.01


@pytest.mark.parametrize("folder", ["with a space", "a&b", "hash#tag", "100%", "ü"])
def test_a_checkpoint_without_averaged_weights_plays_from_any_folder(tmp_path: Path, folder: str) -> None:
    weights = copy(tmp_path).rename(tmp_path / folder) / "unet/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.non_ema.safetensors"))
    found = RiffusionFamily.load(f"{tmp_path / folder}?device=cpu")
    assert np.array_equal(found.render(REQUEST, never_cancel).mel, family().render(REQUEST, never_cancel).mel)


def test_a_checkpoint_carries_its_codec(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    (folder / CODEC_FILE).write_text(json.dumps({"num_frequencies": 128, "stereo": True, "max_frequency": 16000.0}))
    found = RiffusionFamily.load(f"{folder}?device=cpu")
    assert found.channels == 2 and found.params.max_frequency == 16000.0
    rendition = found.render(REQUEST, never_cancel)
    assert rendition.audio.shape == (3, 44100, 2) and rendition.mel.shape == (128, 128)
    left, right = rendition.audio.sum(axis=0).T
    assert not np.array_equal(left, right)
    (folder / CODEC_FILE).unlink()
    plain, wide = (read_checkpoint(ModelSpec.parse(f"{folder}?{more}")).params for more in ("", "stereo=yes"))
    assert (plain.num_frequencies, plain.max_frequency, plain.channels) == (512, 10000.0, 1)
    assert (wide.max_frequency, wide.channels) == (20000.0, 2)


def test_weights_are_named_by_what_is_in_them(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    digest = read_checkpoint(ModelSpec(str(folder))).digest
    assert digest == read_checkpoint(ModelSpec(str(toy_checkpoints() / "modern"))).digest
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["conv_out.bias"] = tensors["conv_out.bias"] + 1e-3
    save_file(tensors, path)
    assert read_checkpoint(ModelSpec(str(folder))).digest != digest


def test_every_byte_of_the_weights_counts(tmp_path: Path) -> None:
    """A digest of samples of a file left most of a fine-tuned layer out."""
    path, digests = tmp_path / "weights.safetensors", set[str]()
    for place in (None, 5_000_000, 5_050_000, 5_100_000):
        content = bytearray(10_000_000)
        if place is not None:
            content[place] = 1
        path.write_bytes(content)
        digests.add(digest_of([path]))
    assert len(digests) == 4 and {len(digest) for digest in digests} == {64}


@pytest.mark.parametrize("key", ["vocab_file", "merges_file", "gguf_file"])
def test_a_tokenizer_names_no_file_outside_its_folder(key: str, tmp_path: Path) -> None:
    folder = copy(tmp_path)
    _set(folder, "tokenizer/tokenizer_config.json", **{key: "../../secret"})
    with pytest.raises(ModelError, match=rf"{key} is '../../secret'.*its own folder alone"):
        read_checkpoint(ModelSpec(str(folder)))
    _set(folder, "tokenizer/tokenizer_config.json", **{key: None}, special_tokens_map_file="/root/.cache/map.json")
    read_checkpoint(ModelSpec(str(folder)))  # what many real ones say, and nobody opens


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_configuration_names_no_code_on_the_hub(key: str, tmp_path: Path) -> None:
    folder = copy(tmp_path)
    _set(folder, "text_encoder/config.json", **{key: "somebody/kernel"})
    assert "/" not in str(read_checkpoint(ModelSpec(str(folder))).text.config._attn_implementation)


def _edit(folder: Path, part: str, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / part / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def _truncate(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _set(folder: Path, file: str, **facts: object) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda f: (f / "model_index.json").unlink(), "model_index.json is missing"),
    "a part gone": (lambda f: shutil.rmtree(f / "vae"), "autoencoder is incomplete"),
    "no weights": (lambda f: (f / "vae/diffusion_pytorch_model.safetensors").unlink(), "no weights"),
    "divided": (
        lambda f: (f / "unet/diffusion_pytorch_model.safetensors").rename(
            f / "unet/diffusion_pytorch_model-00001-of-00002.safetensors"
        ),
        "divided over 1 files .* one file is needed",
    ),
    "truncated": (_truncate, "not a complete safetensors file"),
    "empty": (lambda f: (f / "unet/diffusion_pytorch_model.safetensors").write_bytes(b""), "not a complete"),
    "a pickle renamed": (
        lambda f: torch.save({"a": torch.ones(1)}, f / "unet/diffusion_pytorch_model.safetensors"),
        "riffengine convert",
    ),
    "another shape": (
        lambda f: _edit(f, "unet", lambda t: t.update({"conv_in.weight": torch.ones(16, 9, 3, 3)})),
        r"conv_in.weight is \(16, 9, 3, 3\)",
    ),
    "a tensor gone": (lambda f: _edit(f, "vae", lambda t: t.pop("decoder.conv_in.bias")), "1 missing"),
    "a tensor more": (lambda f: _edit(f, "vae", lambda t: t.update({"x": torch.ones(1)})), "1 unexpected"),
    "quantised": (
        lambda f: _edit(f, "unet", lambda t: t.update({"conv_in.bias": torch.ones(16, dtype=torch.int8)})),
        "not quantised",
    ),
    "sdxl": (
        lambda f: _set(f, "model_index.json", text_encoder_2=["transformers", "CLIPTextModelWithProjection"]),
        "two text encoders",
    ),
    "another class": (lambda f: _set(f, "model_index.json", unet=["diffusers", "SD3Transformer2DModel"]), "SD3Trans"),
    "inpainting": (
        lambda f: (
            _set(f, "unet/config.json", in_channels=9),
            _edit(f, "unet", lambda t: t.update({"conv_in.weight": torch.ones(16, 9, 3, 3)})),
        ),
        "inpainting",
    ),
    "broken config": (lambda f: (f / "unet/config.json").write_text("{"), "is not JSON"),
    "config of a list": (lambda f: (f / "unet/config.json").write_text("[]"), "holds a list"),
    "config of nonsense": (lambda f: _set(f, "unet/config.json", block_out_channels=[3]), "not describe a UNet"),
    "no merges": (lambda f: (f / "tokenizer/merges.txt").unlink(), "merges.txt is missing"),
    "tokenizer of another": (lambda f: (f / "tokenizer/vocab.json").write_text('{"a": 0}'), "tokenizer in .* cannot"),
    "a codec with unknown keys": (lambda f: (f / CODEC_FILE).write_text('{"colour": 1}'), "colour"),
    "a codec out of range": (lambda f: (f / CODEC_FILE).write_text('{"sample_rate": 1}'), "sample_rate"),
    "bands that do not divide": (
        lambda f: (f / CODEC_FILE).write_text('{"num_frequencies": 100}'),
        "cannot be divided",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_or_foreign_checkpoint_is_refused_in_words(name: str, tmp_path: Path) -> None:
    damage, words = DAMAGES[name]
    folder = copy(tmp_path)
    damage(folder)
    with pytest.raises(ModelError, match=words):
        RiffusionFamily.load(f"{folder}?device=cpu")


def test_a_pickle_is_named_and_never_opened(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is a pickle .*riffengine convert"):
        RiffusionFamily.load(str(toy_checkpoints() / "pickled"))
    folder, trap = copy(tmp_path), tmp_path / "trap"
    (folder / "unet/diffusion_pytorch_model.safetensors").unlink()

    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return Path.touch, (trap,)  # type: ignore[return-value]

    torch.save(Trap(), folder / "unet/diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match="may run code"):
        RiffusionFamily.load(str(folder))
    assert not trap.exists()


def test_a_tiny_decoder_takes_the_place_of_the_big_one(tmp_path: Path) -> None:
    found = family(f"decoder={toy_checkpoints() / 'decoder'}").render(REQUEST, never_cancel)
    assert found.mel.shape == (128, BANDS) and not np.array_equal(found.mel, family().render(REQUEST, never_cancel).mel)
    for wrong, words in ((tmp_path, "config.json is missing"), (tmp_path / "none", "no folder")):
        with pytest.raises(ModelError, match=words):
            RiffusionFamily.load(f"{toy_checkpoints() / 'modern'}?decoder={wrong}")
