"""LoRAs: the same sum with every naming scheme, weights that change live, and exact removal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from riffengine.errors import ModelError
from riffengine.renderer.riffusion.family import RiffusionFamily
from riffengine.renderer.riffusion.lora import Loras, digest_with_loras
from riffengine.renderer.riffusion.model_spec import LoraSpec
from tests.renderer.riffusion.checkpoints import REQUEST, family, never_cancel, toy_checkpoints
from tools.random_checkpoint import random_parts

QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
CONV = "down_blocks.0.resnets.0.conv1"
OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out"
TEXT = "encoder.layers.0.self_attn.q_proj"
RANK = 2


def halves(seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Down and up of a linear layer, a convolution, and a layer of the text encoder."""
    draw = torch.Generator().manual_seed(seed)
    return {
        QUERY: (torch.randn(RANK, 16, generator=draw), torch.randn(16, RANK, generator=draw)),
        CONV: (torch.randn(RANK, 16, 3, 3, generator=draw), torch.randn(16, RANK, 1, 1, generator=draw)),
        TEXT: (torch.randn(RANK, 32, generator=draw), torch.randn(32, RANK, generator=draw)),
    }


def written(path: Path, style: str, seed: int = 0, alpha: float | None = None) -> LoraSpec:
    tensors: dict[str, Tensor] = {}
    for layer, (down, up) in halves(seed).items():
        text = layer == TEXT
        if style == "kohya":
            flat = layer.replace(".", "_")
            name = f"lora_te_text_model_{flat}" if text else f"lora_unet_{flat}"
            tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
            tensors[f"{name}.alpha"] = torch.tensor(RANK if alpha is None else alpha)
        elif style == "peft":
            name = f"text_encoder.text_model.{layer}" if text else f"unet.{layer}"
            tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
        else:
            name = f"text_encoder.text_model.{layer}" if text else f"unet.{layer}"
            tensors |= {f"{name}.lora.down.weight": down, f"{name}.lora.up.weight": up}
    facts = {} if alpha is None or style == "kohya" else {"unet.lora_alpha": alpha, "text_encoder.lora_alpha": alpha}
    save_file(tensors, path, {"lora_adapter_metadata": json.dumps(facts)})
    return LoraSpec(str(path))


def weight(model: nn.Module, layer: str) -> Tensor:
    return model.get_submodule(layer).weight.detach().clone()  # type: ignore[union-attr,operator]


@pytest.mark.parametrize("style", ["peft", "kohya", "diffusers"])
@pytest.mark.parametrize("alpha", [None, 1.0])
def test_every_naming_gives_the_sum_that_the_paper_says(tmp_path: Path, style: str, alpha: float | None) -> None:
    if style == "diffusers" and alpha:
        pytest.skip("diffusers before peft knew no alpha")
    text, _, unet = random_parts("tiny")
    before = {QUERY: weight(unet, QUERY), CONV: weight(unet, CONV), TEXT: weight(text, TEXT)}
    Loras((replace(written(tmp_path / "x.safetensors", style, alpha=alpha), weight=0.5),), unet, text)
    for layer, (down, up) in halves(0).items():
        added = (up.flatten(1) @ down.flatten(1)).reshape(before[layer].shape) * 0.5 * (alpha or RANK) / RANK
        now = weight(text if layer == TEXT else unet, layer)
        assert torch.allclose(now, before[layer] + added, atol=1e-5)


@pytest.mark.parametrize("prefix", ["base_model.model.", "base_model.model.unet.", "unet.base_model.model."])
def test_a_file_that_peft_has_saved_is_read(tmp_path: Path, prefix: str) -> None:
    text, _, unet = random_parts("tiny")
    before, (down, up) = weight(unet, QUERY), halves(0)[QUERY]
    save_file(
        {f"{prefix}{QUERY}.lora_A.weight": down, f"{prefix}{QUERY}.lora_B.weight": up}, tmp_path / "x.safetensors"
    )
    Loras((LoraSpec(str(tmp_path / "x.safetensors")),), unet, text)
    assert torch.allclose(weight(unet, QUERY), before + up @ down, atol=1e-5)


def test_an_old_attention_processor_is_the_layer_it_became(tmp_path: Path) -> None:
    text, _, unet = random_parts("tiny")
    down, up = torch.ones(1, 16), torch.ones(16, 1)
    name = OUT.removesuffix("to_out") + "processor.to_out_lora"
    save_file({f"unet.{name}.down.weight": down, f"unet.{name}.up.weight": up}, tmp_path / "x.safetensors")
    before = weight(unet, f"{OUT}.0")
    Loras((LoraSpec(str(tmp_path / "x.safetensors")),), unet, text)
    assert torch.allclose(weight(unet, f"{OUT}.0"), before + 1.0, atol=1e-6)


def test_several_have_live_weights_and_the_way_back_is_exact(tmp_path: Path) -> None:
    text, _, unet = random_parts("tiny")
    before = weight(unet, QUERY)
    specs = tuple(replace(written(tmp_path / f"{n}.safetensors", "peft", seed=n), weight=0.0) for n in (1, 2))
    loras = Loras(specs, unet, text)
    assert torch.equal(weight(unet, QUERY), before)
    loras.apply({"1": 0.5, "2": -0.25})
    wanted = before + sum(w * halves(n)[QUERY][1] @ halves(n)[QUERY][0] for n, w in ((1, 0.5), (2, -0.25)))
    assert torch.allclose(weight(unet, QUERY), wanted, atol=1e-5)
    address = unet.get_submodule(QUERY).weight.data_ptr()
    loras.apply({})
    assert torch.equal(weight(unet, QUERY), before)
    assert unet.get_submodule(QUERY).weight.data_ptr() == address  # a captured graph stays valid


def test_a_prompt_sets_the_weight_and_a_morph_passes_between_two(tmp_path: Path) -> None:
    written(tmp_path / "house.safetensors", "peft")
    own = RiffusionFamily.load(f"{toy_checkpoints() / 'modern'}?device=cpu&lora={tmp_path / 'house.safetensors'}:0")
    plain = family().render(REQUEST, never_cancel)
    assert np.array_equal(own.render(REQUEST, never_cancel).mel, plain.mel)

    def said(weight: float, to: float, alpha: float) -> np.ndarray:  # type: ignore[type-arg]
        start = replace(REQUEST.start, prompt=f"dub <lora:house:{weight}>")
        end = replace(REQUEST.start, prompt=f"dub <lora:house:{to}>")
        return own.render(replace(REQUEST, start=start, end=end, alpha=alpha), never_cancel).mel

    assert not np.array_equal(said(0.3, 0.3, 0.0), said(0.0, 0.0, 0.0))
    assert np.allclose(said(0.2, 0.4, 0.5), said(0.3, 0.3, 0.0), atol=1e-4)
    assert np.array_equal(own.render(REQUEST, never_cancel).mel, plain.mel)
    request = replace(REQUEST, start=replace(REQUEST.start, prompt="dub <lora:hause:1>"))
    assert own.render(request, never_cancel).unknown_words == ("<lora:hause>",)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"unet.x.lora_A.weight": torch.ones(1, 4), "unet.x.lora_B.weight": torch.ones(4, 1)}, "has no layer"),
        ({f"unet.{QUERY}.lora_A.weight": torch.ones(1, 4)}, "one of each"),
        (
            {f"unet.{QUERY}.lora_A.weight": torch.ones(1, 4), f"unet.{QUERY}.lora_B.weight": torch.ones(4, 1)},
            "another model",
        ),
        ({"conv_in.weight": torch.ones(1)}, "not a readable LoRA"),
    ],
)
def test_a_file_that_is_no_lora_of_this_model_is_refused(
    tensors: dict[str, Tensor], words: str, tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match=words):
        RiffusionFamily.load(f"{toy_checkpoints() / 'modern'}?lora={tmp_path / 'x.safetensors'}")


def test_a_missing_lora_is_reported() -> None:
    with pytest.raises(ModelError, match="does not exist"):
        RiffusionFamily.load(f"{toy_checkpoints() / 'modern'}?lora=/nowhere/x.safetensors")


def test_weights_are_told_apart_by_what_a_lora_holds_and_not_by_where_it_lies(tmp_path: Path) -> None:
    for folder, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tape.safetensors").write_bytes(content)
    here, elsewhere, trained_again = (LoraSpec(str(tmp_path / name / "tape.safetensors"), 0.4) for name in "abc")
    base = digest_with_loras("0123456789abcdef", [here])
    assert digest_with_loras("0123456789abcdef", [elsewhere]) == base
    others = [
        digest_with_loras("0123456789abcdef", [trained_again]),
        digest_with_loras("0123456789abcdef", [replace(here, weight=0.5)]),
        digest_with_loras("0123456789abcdef", [here, trained_again]),
        digest_with_loras("fedcba9876543210", [here]),
        digest_with_loras("0123456789abcdef", []),
    ]
    assert len({base, *others}) == 6 and others[-1] == "0123456789abcdef"
