"""A checkpoint like Stable Audio Open Small with random weights, in the layout of stable-audio-tools.

model_config.json and one model.safetensors, with the names and shapes that the package itself gives its tensors; T5,
which that file never holds, lies beside it in ``text_encoder`` and ``tokenizer``. Used by tools/random_waveforms.py.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

_TRANSFORMER, _AUTOENCODER = "model.model.", "pretransform.model."
_SECONDS = "conditioner.conditioners.seconds_total.embedder.embedding."
_FEATURES = 256


def model_config(size: str) -> dict[str, Any]:
    """What model_config.json says: ``full`` is Small as it is published, ``tiny`` the same at toy size and 8 kHz."""
    full = size == "full"
    latents, width, embedded = (64, 768, 1024) if full else (8, 16, 64)
    levels: dict[str, Any] = {
        "channels": 2 * latents, "c_mults": [1, 2, 4, 8, 16] if full else [1, 2, 2],
        "strides": [2, 4, 4, 8, 8] if full else [4, 8, 8], "use_snake": True,
    }  # fmt: skip
    autoencoder = {
        "encoder": {"type": "oobleck", "config": levels | {"in_channels": 2, "latent_dim": 2 * latents}},
        "decoder": {
            "type": "oobleck",
            "config": levels | {"out_channels": 2, "latent_dim": latents, "final_tanh": False}
            | ({} if full else {"channels": 8}),
        },
        "bottleneck": {"type": "vae"}, "latent_dim": latents, "io_channels": 2,
        "downsampling_ratio": math.prod(levels["strides"]),
    }  # fmt: skip
    transformer = {
        "io_channels": latents, "embed_dim": embedded, "depth": 16 if full else 2, "num_heads": 8 if full else 2,
        "cond_token_dim": width, "global_cond_dim": width, "transformer_type": "continuous_transformer",
        "attn_kwargs": {"qk_norm": "ln"},
    }  # fmt: skip
    conditions = [
        {"id": "prompt", "type": "t5", "config": {"t5_model_name": "t5-base", "max_length": 64}},
        {"id": "seconds_total", "type": "number", "config": {"min_val": 0, "max_val": 256}},
    ]
    return {
        "model_type": "diffusion_cond", "sample_size": 524_288 if full else 65_536,
        "sample_rate": 44_100 if full else 8_000, "audio_channels": 2,
        "model": {
            "pretransform": {"type": "autoencoder", "iterate_batch": True, "config": autoencoder},
            "conditioning": {"configs": conditions, "cond_dim": width},
            "diffusion": {
                "cross_attention_cond_ids": ["prompt", "seconds_total"], "global_cond_ids": ["seconds_total"],
                "diffusion_objective": "rf_denoiser", "type": "dit", "config": transformer,
            },
            "io_channels": latents,
        },
    }  # fmt: skip


def random_tensors(config: dict[str, Any], seed: int) -> dict[str, Tensor]:
    """Every tensor of the single file, for a ``config`` of ``model_config``."""
    drawn = _Drawn(torch.Generator().manual_seed(seed))
    drawn.transformer(config["model"]["diffusion"]["config"])
    autoencoder = config["model"]["pretransform"]["config"]
    for end in ("encoder", "decoder"):
        drawn.autoencoder(end, autoencoder[end]["config"])
    width = config["model"]["conditioning"]["cond_dim"]
    drawn.tensors[f"{_SECONDS}0.weights"] = drawn.normal(_FEATURES // 2)
    drawn.linear(f"{_SECONDS}1", width, _FEATURES + 1, bias=True)
    return drawn.tensors


def write_tools_layout(folder: Path, size: str, seed: int, half: bool) -> None:
    """Write model_config.json and model.safetensors into ``folder``."""
    config = model_config(size)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_config.json").write_text(json.dumps(config, indent=2))
    tensors = random_tensors(config, seed)
    save_file(
        {name: tensor.half() if half else tensor for name, tensor in tensors.items()}, folder / "model.safetensors"
    )


class _Drawn:
    """Random tensors by name, as wide as layers usually begin."""

    def __init__(self, generator: torch.Generator) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._generator = generator

    def normal(self, *shape: int, deviation: float = 1.0) -> Tensor:
        return deviation * torch.randn(*shape, generator=self._generator)

    def linear(self, name: str, outputs: int, inputs: int, bias: bool = False) -> None:
        self.tensors[f"{name}.weight"] = self.normal(outputs, inputs, deviation=inputs**-0.5)
        if bias:
            self.tensors[f"{name}.bias"] = self.normal(outputs, deviation=0.1)

    def norm(self, scale: str, shift: str, width: int) -> None:
        self.tensors[scale] = 1.0 + self.normal(width, deviation=0.1)
        self.tensors[shift] = self.normal(width, deviation=0.1)

    def transformer(self, config: dict[str, Any]) -> None:
        channels, width, told = config["io_channels"], config["embed_dim"], config["cond_token_dim"]
        head = width // config["num_heads"]
        for name in ("preprocess_conv", "postprocess_conv"):
            self.tensors[f"{_TRANSFORMER}{name}.weight"] = self.normal(channels, channels, 1, deviation=0.1)
        self.tensors[f"{_TRANSFORMER}timestep_features.weight"] = self.normal(_FEATURES // 2, 1)
        for name, inputs in (("to_timestep_embed", _FEATURES), ("to_cond_embed", told), ("to_global_embed", told)):
            self.linear(f"{_TRANSFORMER}{name}.0", width, inputs, bias=inputs == _FEATURES)
            self.linear(f"{_TRANSFORMER}{name}.2", width, width, bias=inputs == _FEATURES)
        inside = f"{_TRANSFORMER}transformer."
        self.linear(f"{inside}project_in", width, channels)
        self.linear(f"{inside}project_out", channels, width)
        turned = max(head // 2, 32)
        self.tensors[f"{inside}rotary_pos_emb.inv_freq"] = 10000.0 ** (-torch.arange(0, turned, 2) / turned)
        for layer in range(config["depth"]):
            self._layer(f"{inside}layers.{layer}.", width, head)

    def _layer(self, at: str, width: int, head: int) -> None:
        for name in ("pre_norm", "cross_attend_norm", "ff_norm"):
            self.norm(f"{at}{name}.gamma", f"{at}{name}.beta", width)
        self.linear(f"{at}self_attn.to_qkv", 3 * width, width)
        self.linear(f"{at}cross_attn.to_q", width, width)
        self.linear(f"{at}cross_attn.to_kv", 2 * width, width)
        for attention in ("self_attn", "cross_attn"):
            self.linear(f"{at}{attention}.to_out", width, width)
            for each in ("q_norm", "k_norm"):
                self.norm(f"{at}{attention}.{each}.weight", f"{at}{attention}.{each}.bias", head)
        self.linear(f"{at}ff.ff.0.proj", 8 * width, width, bias=True)
        self.linear(f"{at}ff.ff.2", width, 4 * width, bias=True)

    def autoencoder(self, end: str, config: dict[str, Any]) -> None:
        at, channels = f"{_AUTOENCODER}{end}.layers.", config["channels"]
        widths = [channels * times for times in (1, *config["c_mults"])]
        levels = list(zip(widths, widths[1:], config["strides"], strict=False))
        first, last = config.get("in_channels", config["latent_dim"]), config.get("out_channels", config["latent_dim"])
        if end == "decoder":
            levels = [(wide, narrow, stride) for narrow, wide, stride in reversed(levels)]
            self._convolution(f"{at}0", widths[-1], first, 7)
        else:
            self._convolution(f"{at}0", widths[0], first, 7)
        for number, (inputs, outputs, stride) in enumerate(levels, 1):
            inside = f"{at}{number}.layers."
            if end == "encoder":
                self._units(inside, 0, inputs)
                self._snake(f"{inside}3", inputs)
                self._convolution(f"{inside}4", outputs, inputs, 2 * stride)
            else:
                self._snake(f"{inside}0", inputs)
                self._convolution(f"{inside}1", outputs, inputs, 2 * stride, transposed=True)
                self._units(inside, 2, outputs)
        closing = len(levels) + 1
        self._snake(f"{at}{closing}", widths[-1] if end == "encoder" else widths[0])
        if end == "encoder":
            self._convolution(f"{at}{closing + 1}", last, widths[-1], 3)
        else:
            self._convolution(f"{at}{closing + 1}", last, widths[0], 7, bias=False)

    def _units(self, at: str, first: int, width: int) -> None:
        for number in range(first, first + 3):
            self._snake(f"{at}{number}.layers.0", width)
            self._convolution(f"{at}{number}.layers.1", width, width, 7)
            self._snake(f"{at}{number}.layers.2", width)
            self._convolution(f"{at}{number}.layers.3", width, width, 1)

    def _snake(self, name: str, width: int) -> None:
        self.tensors[f"{name}.alpha"] = self.normal(width, deviation=0.1)
        self.tensors[f"{name}.beta"] = self.normal(width, deviation=0.1)

    def _convolution(
        self, name: str, outputs: int, inputs: int, width: int, bias: bool = True, transposed: bool = False
    ) -> None:
        shape = (inputs, outputs, width) if transposed else (outputs, inputs, width)
        direction = self.normal(*shape, deviation=(3 * inputs * width) ** -0.5)
        self.tensors[f"{name}.weight_v"] = direction
        self.tensors[f"{name}.weight_g"] = direction.flatten(1).norm(dim=1)[:, None, None]
        if bias:
            self.tensors[f"{name}.bias"] = self.normal(outputs, deviation=0.02)
