"""Writes a toy checkpoint as one file, with the tensor names that programs of 2022 used in such files."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import save_file

from tools.random_checkpoint import random_parts

LAYERS = 1  # per level of the toy networks
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_WHOLE = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def write_single_file(path: Path) -> Path:
    """Write the tiny checkpoint of seed 0 to ``path``, a .ckpt or a .safetensors."""
    text, vae, unet = random_parts("tiny")
    tensors = {f"model.diffusion_model.{_unet(key)}": value for key, value in unet.state_dict().items()}
    for key, value in vae.state_dict().items():
        kernel = value[..., None, None] if ".attentions." in key and value.ndim == 2 else value
        tensors[f"first_stage_model.{_vae(key, len(vae.config.block_out_channels))}"] = kernel
    for key, value in text.state_dict().items():
        tensors[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = value
    tensors = {key: value.clone().contiguous() for key, value in tensors.items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({"state_dict": tensors, "global_step": 1}, path)
    return path


def _unet(key: str) -> str:
    part, ending = key.rsplit(".", 1)
    if part in _WHOLE:
        return f"{_WHOLE[part]}.{ending}"
    match = re.match(
        r"(down|mid|up)_block(?:s\.(\d+))?\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", key
    )
    assert match is not None, key
    side, level, kind, number, rest = match[1], int(match[2] or 0), match[3], int(match[4]), match[5]
    if kind == "resnets":
        name, tail = rest.rsplit(".", 1)
        rest = f"{_RESNET[name]}.{tail}"
    if side == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * number}.{rest}"
    if side == "down":
        if kind == "downsamplers":
            return f"input_blocks.{(level + 1) * (LAYERS + 1)}.0.op.{rest.removeprefix('conv.')}"
        return f"input_blocks.{1 + level * (LAYERS + 1) + number}.{int(kind == 'attentions')}.{rest}"
    if kind == "upsamplers":  # the tiny network's first level has no attention before it
        return f"output_blocks.{level * (LAYERS + 1) + LAYERS}.1.{rest}"
    return f"output_blocks.{level * (LAYERS + 1) + number}.{int(kind == 'attentions')}.{rest}"


def _vae(key: str, levels: int) -> str:
    key = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", key)
    key = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d+)\.resnets\.(\d+)", lambda m: f"up.{levels - 1 - int(m[1])}.block.{m[2]}", key)
    key = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", key)
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    if ".attentions." in key:
        for new, old in _ATTENTION.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        key = key.replace("mid_block.attentions.0", "mid.attn_1")
    return key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
