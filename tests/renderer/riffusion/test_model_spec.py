"""What a preset's model may say, and what it is told when it says something else."""

from __future__ import annotations

import pytest

from riffengine.errors import ModelError
from riffengine.renderer.registry import model_shape
from riffengine.renderer.riffusion.model_spec import LoraSpec, ModelSpec, parse_bytes


def test_options_follow_the_name() -> None:
    spec = ModelSpec.parse(
        "my/model?scheduler=lcm&lora=a/lcm.safetensors&lora=house.safetensors:0.6&vram=4GiB&compile=yes"
    )
    assert spec.source == "my/model" and spec.scheduler == "lcm" and spec.compiled and spec.vram_bytes == 4 << 30
    assert spec.loras == (LoraSpec("a/lcm.safetensors", 1.0), LoraSpec("house.safetensors", 0.6))
    assert [lora.name for lora in spec.loras] == ["lcm", "house"]
    assert ModelSpec.parse("/a/folder") == ModelSpec("/a/folder")


def test_the_engine_knows_the_stems_before_any_weights_are_read() -> None:
    assert model_shape("riffusion/riffusion-model-v1?lora=a.safetensors").stems == ("low", "mid", "high")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("?scheduler=lcm", "names no checkpoint"),
        ("m?color=red", "known are scheduler="),
        ("m?scheduler", "is not understood"),
        ("folder?/model?device=cpu", "rename it"),
        ("m?vram=many", "a size such as 4GiB"),
        ("m?vram=0", "a size such as 4GiB"),
        ("m?batch=99", "1 to 32"),
        ("m?device=tpu", "allowed is auto, cpu"),
        ("m?precision=int8", "allowed is auto, float32"),
        ("m?lora=a.safetensors:9", "-4 to 4"),
        ("m?lora=x/a.safetensors&lora=y/a.safetensors", "same file name"),
        ("m?batch=2&batch=3", "is given twice"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_is(text: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        ModelSpec.parse(text)


@pytest.mark.parametrize(
    ("text", "size"), [("4GiB", 4 << 30), ("3.5G", 3758096384), ("800 MiB", 800 << 20), ("12", 12)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes("vram", text) == size
