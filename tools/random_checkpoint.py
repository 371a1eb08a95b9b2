"""Spectrogram checkpoints with random weights: python tools/random_checkpoint.py FOLDER.

Nothing is downloaded. ``sd15`` has the shapes of Stable Diffusion 1.5 (1.07 billion weights), ``tiny`` the same parts
at toy size. ``modern`` is what diffusers writes today, ``converted`` a layout of 2022 whose pickles became safetensors,
``pickled`` the same with the pickles. Used by tests and by tools/bench/render.py.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from riffengine.renderer.torchaudio_import import prepare_for_transformers

prepare_for_transformers()

import torch  # noqa: E402
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer  # noqa: E402

SIZES = ("tiny", "sd15")
LAYOUTS = ("modern", "converted", "pickled")
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
_OLD_VAE = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
_SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}


def _shapes(size: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    if size == "sd15":
        text = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
        vae: dict[str, Any] = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "norm_num_groups": 32}
        unet: dict[str, Any] = {"cross_attention_dim": 768}  # the rest of Stable Diffusion 1.5 is diffusers' default
        words = 49408
    else:
        text = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
        vae = {"block_out_channels": (8, 8, 8, 8), "layers_per_block": 1, "norm_num_groups": 4}
        unet = {
            "block_out_channels": (16, 32),
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "attention_head_dim": 4,
            "cross_attention_dim": 32,
        }
        words = 600
    text |= {"vocab_size": words, "bos_token_id": words - 2, "eos_token_id": words - 1, "pad_token_id": words - 1}
    text |= {"projection_dim": text["hidden_size"], "hidden_act": "quick_gelu"}
    vae |= {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    vae |= {"sample_size": 512, "latent_channels": 4}
    unet |= {"sample_size": 64, "in_channels": 4, "out_channels": 4}
    return text, vae, unet


def random_parts(size: str, seed: int = 0) -> tuple[CLIPTextModel, AutoencoderKL, UNet2DConditionModel]:
    """The three networks of ``size`` with the weights that ``seed`` draws."""
    torch.manual_seed(seed)
    text, vae, unet = _shapes(size)
    return CLIPTextModel(CLIPTextConfig(**text)), AutoencoderKL(**vae), UNet2DConditionModel(**unet)


def random_tokenizer(words: int) -> CLIPTokenizer:
    """A tokenizer that spells: every byte is a token. Its marks are the last two of ``words``."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = [chr(code) for code in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    vocab = {sign: number for number, sign in enumerate([*signs, *(f"{sign}</w>" for sign in signs)])}
    vocab |= {BEGIN: words - 2, END: words - 1}
    return CLIPTokenizer(vocab=vocab, merges=[], unk_token=END, bos_token=BEGIN, eos_token=END, pad_token=END)


def write_checkpoint(
    folder: Path, size: str = "tiny", layout: str = "modern", seed: int = 0, half: bool = False
) -> Path:
    """Write a checkpoint of ``size`` in ``layout`` into ``folder`` and return it."""
    text, vae, unet = random_parts(size, seed)
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, nn.Module] = {"text_encoder": text, "vae": vae, "unet": unet}
    for name, part in parts.items():
        _write_part(folder / name, name, part, layout, half)
    _write_tokenizer(folder / "tokenizer", random_tokenizer(text.config.vocab_size), text.config.vocab_size)
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(_SCHEDULER))
    index: dict[str, Any] = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.9.0"}
    index |= {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}
    index |= {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    index |= {"scheduler": ["diffusers", "PNDMScheduler"], "safety_checker": [None, None]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))
    return folder


def write_tiny_decoder(folder: Path, seed: int = 0) -> Path:
    """Write an ``AutoencoderTiny`` at toy size into ``folder`` and return it."""
    torch.manual_seed(seed)
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    ).save_pretrained(folder)
    return folder


def _write_part(folder: Path, name: str, part: nn.Module, layout: str, half: bool) -> None:
    tensors = {key: value.half() if half else value for key, value in part.state_dict().items()}
    told: Any = part.config if name == "text_encoder" else part
    config = json.loads(told.to_json_string())
    if layout != "modern":
        tensors = {_old_name(name, key): value for key, value in tensors.items()}
        if name == "text_encoder":
            tensors["text_model.embeddings.position_ids"] = torch.arange(77).expand(1, -1).clone()
        config = {key: value for key, value in config.items() if not key.startswith("_") and value is not None}
        config["_class_name"] = type(part).__name__
    stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    if layout == "pickled":
        old = "pytorch_model" if name == "text_encoder" else stem
        torch.save(tensors, folder / f"{old}.bin")
    else:
        variant = ".fp16" if half else ""
        contiguous = {key: value.contiguous() for key, value in tensors.items()}
        save_file(contiguous, folder / f"{stem}{variant}.safetensors", {"format": "pt"})


def _old_name(part: str, key: str) -> str:
    if part == "text_encoder" and not key.startswith("text_model."):
        return f"text_model.{key}"
    if part == "vae" and ".attentions." in key:
        for new, old in _OLD_VAE.items():
            key = key.replace(f".{new}.", f".{old}.")
    return key


def _write_tokenizer(folder: Path, tokenizer: CLIPTokenizer, words: int) -> None:
    """The files of 2022, which every version reads: vocab.json, merges.txt and two small ones."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(tokenizer.get_vocab()), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    marks = {"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": END}
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))
    facts = marks | {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))


def main() -> None:
    """Write one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--layout", choices=LAYOUTS, default="modern")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--half", action="store_true", help="half precision, in files named .fp16")
    options = parser.parse_args()
    print(write_checkpoint(options.folder, options.size, options.layout, options.seed, options.half))


if __name__ == "__main__":
    main()
