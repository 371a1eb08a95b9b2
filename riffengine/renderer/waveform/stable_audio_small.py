"""Stable Audio Open Small: one file of weights in the layout of stable-audio-tools, rectified flow, few steps.

The transformer is that of diffusers with its queries and keys normalised; T5, which the file does not hold, lies in the
folder or in the library.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from riffengine.errors import ModelError, printable
from riffengine.renderer.cache import LruCache
from riffengine.renderer.checkpoints.model_library import Library
from riffengine.renderer.checkpoints.part import build_part, move
from riffengine.renderer.checkpoints.state_dict import fit, read_tensors, weights_file
from riffengine.renderer.checkpoints.tools_layout import TOOLS_INDEX, read_tools_model
from riffengine.renderer.waveform.networks import Condition
from riffengine.renderer.waveform.oobleck import CACHED_TEXTS, OobleckLatents, read_t5
from riffengine.renderer.waveform.schedules import Schedule, TruncatedFlowSchedule
from riffengine.renderer.waveform.text_tokens import TokenReader

_NORM_EPSILON = 1e-6  # of queries and keys
_PREFIXES = {
    "model.model.": "transformer",
    "pretransform.model.": "autoencoder",
    "conditioner.conditioners.seconds_total.embedder.embedding.": "seconds",
}
_COMPUTED = "transformer.rotary_pos_emb.inv_freq"
_STEMS = {
    "timestep_features": "time_proj", "to_timestep_embed": "timestep_proj", "to_cond_embed": "cross_attention_proj",
    "to_global_embed": "global_proj", "transformer.project_in": "proj_in", "transformer.project_out": "proj_out",
    "pre_norm.gamma": "norm1.weight", "pre_norm.beta": "norm1.bias", "cross_attend_norm.gamma": "norm2.weight",
    "cross_attend_norm.beta": "norm2.bias", "ff_norm.gamma": "norm3.weight", "ff_norm.beta": "norm3.bias",
    "self_attn": "attn1", "cross_attn": "attn2", "ff.ff.0": "ff.net.0", "ff.ff.2": "ff.net.2",
}  # fmt: skip
"""Beginnings of names in the transformer and in each of its layers, there and in diffusers."""
_IN_ATTENTION = {"to_out": "to_out.0", "q_norm": "norm_q", "k_norm": "norm_k"}
_FUSED = {"to_qkv": ("to_q", "to_k", "to_v"), "to_kv": ("to_k", "to_v")}
_IN_UNIT: tuple[str, ...] = ("snake1", "conv1", "snake2", "conv2")
_IN_LEVEL: dict[str, tuple[str, ...]] = {
    "encoder": ("res_unit1", "res_unit2", "res_unit3", "snake1", "conv1"),
    "decoder": ("snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3"),
}
_LAYER = re.compile(r"(encoder|decoder)\.layers\.(\d{1,2})\.(.+)")
_INNER = re.compile(r"layers\.(\d)\.(.+)")


class StableAudioSmallNetworks(OobleckLatents):
    """The parts of a ``diffusion_cond`` of stable-audio-tools. Renderer process; one thread at a time."""

    name = "stable audio small"
    shortest = 4
    reads_text = True
    takes_steps = True

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, files: list[Path]) -> None:
        """Read the folder. ``ModelError`` for a part that is missing, damaged, or does not fit the others."""
        from diffusers import AutoencoderOobleck, StableAudioDiTModel
        from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioNumberConditioner

        told, index = read_tools_model(folder), folder / TOOLS_INDEX

        def normed(config: dict[str, Any]) -> nn.Module:
            transformer_class: Any = StableAudioDiTModel
            transformer = transformer_class.from_config(config)
            for block in transformer.transformer_blocks if told.norms else ():
                for attention in (block.attn1, block.attn2):
                    attention.norm_q = nn.LayerNorm(config["attention_head_dim"], eps=_NORM_EPSILON)
                    attention.norm_k = nn.LayerNorm(config["attention_head_dim"], eps=_NORM_EPSILON)
            return transformer

        def numbers(config: dict[str, Any]) -> nn.Module:
            return StableAudioNumberConditioner(**config)

        texts, words = Library.standard().text_encoder(folder)
        path = weights_file(folder, "model")
        stored = sorted_tensors(read_tensors(path), path, len(told.autoencoder["downsampling_ratios"]))
        parts = {
            "transformer": build_part(told.transformer, index, "transformer", normed),
            "autoencoder": build_part(told.autoencoder, index, "autoencoder", AutoencoderOobleck.from_config),
            "seconds": build_part(dict(told.seconds), index, "embedding of seconds", numbers),
        }
        for name, part in parts.items():
            fit(part, stored[name], path, f"{name} of the shape in its {TOOLS_INDEX}")
        files += [path, index]
        self._text = read_t5(texts, files, ("decoder.", "lm_head."))
        self._seconds, self._distilled = parts["seconds"], told.distilled
        if self._text.config.d_model != told.seconds["number_embedding_dim"]:
            raise ModelError(
                f"{texts}: the text encoder gives {self._text.config.d_model} numbers, the model reads "
                f"{told.seconds['number_embedding_dim']}; it needs {told.text}"
            )
        self._tokens = TokenReader(words, told.most_tokens, self._text.config.vocab_size)
        super().__init__(parts["transformer"], parts["autoencoder"], told.rotary_width, device, dtype)
        for part in (*parts.values(), self._text):
            move(part.eval().requires_grad_(False), device, dtype)
        self._texts: LruCache[str, Tensor] = LruCache(CACHED_TEXTS)

    def make_schedule(self, name: str) -> Schedule:
        """``own`` is as the checkpoint was trained: ``pingpong`` where it is distilled, else ``euler``."""
        if name not in ("own", "pingpong", "euler"):
            raise ModelError(
                f"scheduler={name} is none that Stable Audio Small can use; allowed is own, pingpong, euler"
            )
        return TruncatedFlowSchedule(self._distilled if name == "own" else name == "pingpong")

    def condition(self, text: str, negative: str, seconds: float) -> Condition:
        """Text and a token of seconds for the attention, and the seconds for all of it. No negative is zeros."""
        lasting = self._seconds(torch.tensor([seconds], device=self.device))
        whole = torch.cat([self._embed(text), lasting], dim=1)
        without = torch.cat([self._embed(negative), lasting], dim=1) if negative else torch.zeros_like(whole)
        return Condition((whole, lasting), (without, lasting))

    def unread(self, text: str) -> str:
        """As ``Networks`` says."""
        return self._tokens.unread(text)

    def _embed(self, text: str) -> Tensor:
        """The text ``(1, tokens, width)``, zero where there is padding."""
        found = self._texts.get(text)
        if found is None:
            tokens, mask = (each.to(self.device) for each in self._tokens.read(text))
            words = self._text(tokens, attention_mask=mask)[0]
            found = self._texts.put(text, words * mask[:, :, None].to(words.dtype))
        return found


def sorted_tensors(tensors: dict[str, Tensor], path: Path, levels: int) -> dict[str, dict[str, Tensor]]:
    """The ``tensors`` of ``path`` by part, under their names in diffusers; ``levels`` is how many the autoencoder has.

    Raises ``ModelError`` for a name that belongs to none.
    """
    found: dict[str, dict[str, Tensor]] = {part: {} for part in _PREFIXES.values()}
    for name, tensor in tensors.items():
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
        if prefix is None:
            raise ModelError(
                f"{path} holds {printable(name, 80)}, which is no part of a model of stable-audio-tools that is told "
                "text and seconds; it belongs to another kind of model"
            )
        part, inner = _PREFIXES[prefix], name.removeprefix(prefix)
        if part == "transformer":
            found[part] |= _in_transformer(inner, tensor)
        elif part == "autoencoder":
            found[part][_in_autoencoder(inner, levels)] = tensor
        else:
            found[part][f"time_positional_embedding.{inner}"] = tensor
    return found


def _in_transformer(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """One tensor of the transformer under its name in diffusers, or several, where they are stored as one."""
    if name == _COMPUTED:
        return {}
    layer = re.fullmatch(r"transformer\.layers\.(\d+)\.(.+)", name)
    place, inner = (f"transformer_blocks.{layer[1]}.", layer[2]) if layer else ("", name)
    stem = next((stem for stem in _STEMS if inner == stem or inner.startswith(f"{stem}.")), None)
    inner = inner if stem is None else _STEMS[stem] + inner.removeprefix(stem)
    attention, _, rest = inner.partition(".")
    if attention in ("attn1", "attn2"):
        key, _, last = rest.partition(".")
        fused = _FUSED.get(key, ())
        if fused and tensor.ndim == 2 and len(tensor) and len(tensor) % len(fused) == 0:
            pieces = tensor.chunk(len(fused))
            return {f"{place}{attention}.{each}.{last}": piece for each, piece in zip(fused, pieces, strict=True)}
        inner = f"{attention}.{_IN_ATTENTION.get(key, key)}.{last}"
    return {place + inner: tensor}


def _in_autoencoder(name: str, levels: int) -> str:
    """The name of a tensor of the autoencoder in diffusers; as it is where it is none."""
    layer = _LAYER.fullmatch(name)
    if not layer:
        return name
    end, number, inner = layer[1], int(layer[2]), layer[3]
    outer = {0: "conv1", levels + 1: "snake1", levels + 2: "conv2"}
    if number in outer:
        return f"{end}.{outer[number]}.{inner}"
    place, names = f"{end}.block.{number - 1}", _IN_LEVEL[end]
    for _ in range(2):
        deeper = _INNER.fullmatch(inner)
        if not deeper or int(deeper[1]) >= len(names):
            break
        place, inner, names = f"{place}.{names[int(deeper[1])]}", deeper[2], _IN_UNIT
    return f"{place}.{inner}"
