"""Loras: applies LoRA files to a UNet and a text encoder, several at once, with strengths that may change per loop.

LoRA (Hu et al. 2021): W = W0 + sum of s_i * alpha_i / rank_i * up_i @ down_i. The sum is written into the weights in
place, so steps cost nothing extra and captured graphs stay valid. W0 of the changed layers is kept separately.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from riffengine.errors import ModelError, printable
from riffengine.files.json_text import parse_json
from riffengine.files.regular import home_path
from riffengine.renderer.checkpoints.state_dict import digest_of, read_tensors
from riffengine.renderer.riffusion.model_spec import LoraSpec

# peft, old diffusers and kohya's trainers use different names for the two factors.
_DOWN = re.compile(r"^(.*?)[._](?:lora_A(?:\.\w+)?|lora\.down|lora_down|lora_linear_layer\.down)\.weight$")
_UP = re.compile(r"^(.*?)[._](?:lora_B(?:\.\w+)?|lora\.up|lora_up|lora_linear_layer\.up)\.weight$")
_WRAPPED = re.compile(r"^((?:unet|text_encoder)\.)?base_model\.model\.")  # what peft writes before a layer
_PART = re.compile(r"^(unet|text_encoder|te|lora_unet|lora_te|lora_te1)[._]")
_TEXT = ("text_encoder", "te", "lora_te", "lora_te1")


class _Addition:
    """What one LoRA adds to one layer: ``up @ down`` times ``scale``, in the shape of the layer's weight."""

    def __init__(self, down: Tensor, up: Tensor, scale: float) -> None:
        self.down, self.up, self.scale = down, up, scale

    def on(self, weight: Tensor) -> Tensor:
        up, down = (half.to(weight.device, torch.float32) for half in (self.up, self.down))
        return (up.flatten(1) @ down.flatten(1)).reshape(weight.shape) * self.scale


class Loras:
    """The LoRAs of a session, for one UNet and one text encoder. Renderer process; one thread at a time."""

    def __init__(self, specs: tuple[LoraSpec, ...], unet: nn.Module, text: nn.Module) -> None:
        """Read every file of ``specs`` and apply its weight. Raises ``ModelError`` for a file that does not fit."""
        self._defaults = {spec.name: spec.weight for spec in specs}
        self._additions: dict[str, dict[str, _Addition]] = {}
        self._layers: dict[str, nn.Module] = {}
        self._originals: dict[str, Tensor] = {}
        self.state: tuple[tuple[str, float], ...] = ()
        """Names and weights that are applied now; part of the cache keys of everything made with them."""
        layers = {f"unet.{name}": module for name, module in unet.named_modules() if hasattr(module, "weight")}
        layers |= {f"text.{name}": module for name, module in text.named_modules() if hasattr(module, "weight")}
        for spec in specs:
            self._additions[spec.name] = _read(home_path(spec.path), layers)
            for name in self._additions[spec.name]:
                self._layers[name] = layers[name]
                self._originals.setdefault(name, layers[name].weight.detach().clone())
        self.apply({})

    @property
    def names(self) -> tuple[str, ...]:
        """The names that prompts use."""
        return tuple(self._defaults)

    def unknown(self, asked: Mapping[str, float]) -> tuple[str, ...]:
        """The names in ``asked`` that are no LoRA of the session."""
        return tuple(name for name in asked if name not in self._defaults)

    def wanted(self, asked: Mapping[str, float]) -> dict[str, float]:
        """The weight of every LoRA: from ``asked``, else its default."""
        return {name: asked.get(name, weight) for name, weight in self._defaults.items()}

    @torch.no_grad()
    def apply(self, asked: Mapping[str, float]) -> None:
        """Change the applied weights to ``wanted(asked)``; does nothing if they are equal."""
        weights = self.wanted(asked)
        state = tuple(weights.items())
        if state == self.state:
            return
        before = dict(self.state)
        moved = {name for name, weight in weights.items() if before.get(name, 0.0) != weight}
        for layer in {layer for name in moved for layer in self._additions[name]}:
            weight: Tensor = self._layers[layer].weight  # type: ignore[assignment]
            total = self._originals[layer].to(weight.device, torch.float32)
            for name, additions in self._additions.items():
                if layer in additions and weights[name]:
                    total = total + weights[name] * additions[layer].on(weight)
            weight.copy_(total)
        self.state = state


def digest_with_loras(digest: str, loras: Sequence[LoraSpec]) -> str:
    """``digest`` of a checkpoint where there are no ``loras``, else one that names what their files hold as well.

    Names and weights count; the folders that the files lie in do not: they differ from machine to machine.
    """
    if not loras:
        return digest
    files = [home_path(lora.path) for lora in loras]
    return digest_of(files, " ".join([digest, *(f"{lora.name}:{lora.weight:g}" for lora in loras)]))


def _read(path: Path, layers: Mapping[str, nn.Module]) -> dict[str, _Addition]:
    """Additions by layer name of the LoRA file at ``path``; reads names of peft, old diffusers and kohya."""
    tensors = read_tensors(path)
    flat = {name.replace(".", "_"): name for name in layers}
    header_alphas = _header_alphas(path)
    downs, ups, alphas = {}, {}, {}
    for name, tensor in tensors.items():
        if match := _DOWN.match(name):
            downs[match[1]] = tensor
        elif match := _UP.match(name):
            ups[match[1]] = tensor
        elif name.endswith(".alpha"):
            alphas[name.removesuffix(".alpha")] = _alpha(path, name, tensor.item() if tensor.numel() == 1 else None)
        else:
            raise ModelError(
                f"{path} is not a readable LoRA: {printable(name, 80)} is not part of one; allowed are names of peft, "
                "diffusers, kohya"
            )
    if not downs or set(downs) != set(ups):
        raise ModelError(
            f"{path} is not a LoRA: it has {len(downs)} down and {len(ups)} up matrices; each layer needs one of each"
        )
    additions = {}
    for name, down in downs.items():
        layer = _layer_of(name, flat)
        if layer is None:
            raise ModelError(f"{path} is a LoRA for another model: this one has no layer {printable(name, 80)}")
        up, weight = ups[name], layers[layer].weight
        if min(up.ndim, down.ndim) < 2 or not down.numel():
            raise ModelError(
                f"{path} is not a readable LoRA: {printable(name, 80)} is {tuple(up.shape)} times {tuple(down.shape)}; "
                "two matrices of rank 1 or more are needed: save it again"
            )
        if up.shape[1] != down.shape[0] or up.shape[0] * down.flatten(1).shape[1] != weight.numel():  # type: ignore[operator]
            shapes = f"{tuple(up.shape)} times {tuple(down.shape)}, the layer {tuple(weight.shape)}"  # type: ignore[arg-type]
            raise ModelError(f"{path} is a LoRA for another model: {printable(name, 80)} is {shapes}")
        rank = down.shape[0]
        alpha = alphas.get(name, header_alphas.get("text" if layer.startswith("text.") else "unet", float(rank)))
        additions[layer] = _Addition(down, up, alpha / rank)
    return additions


def _layer_of(name: str, flat: Mapping[str, str]) -> str | None:
    name = _WRAPPED.sub(r"\1", name)
    match = _PART.match(name)
    part = "text" if match and match[1] in _TEXT else "unet"
    rest = name[match.end() :] if match else name
    rest = rest.replace(".processor.", ".").replace("_lora", "")
    candidates = [rest, f"{rest}.0"]  # the former to_out is to_out.0 now
    if part == "text":
        candidates += [c.removeprefix("text_model").lstrip("._") for c in candidates] + [f"text_model.{rest}"]
    for candidate in candidates:
        found = flat.get(f"{part}_{candidate}".replace(".", "_"))
        if found is not None:
            return found
    return None


def _header_alphas(path: Path) -> dict[str, float]:
    """``lora_alpha`` of each part, if the file's header stores it in the way of diffusers."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata: Any = parse_json((file.metadata() or {}).get("lora_adapter_metadata", "{}"))
    except (SafetensorError, OSError, ValueError):
        return {}
    parts = {"unet": "unet", "text_encoder": "text"}
    stated = metadata if isinstance(metadata, dict) else {}
    names = {own: f"{part}.lora_alpha" for part, own in parts.items()}
    return {own: _alpha(path, name, stated[name]) for own, name in names.items() if name in stated}


def _alpha(path: Path, name: str, value: object) -> float:
    """``value`` as the alpha of a layer; ``ModelError`` unless it is one finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ModelError(
            f"{path} is not a readable LoRA: {printable(name, 80)} is {printable(value, 40)}; one finite number is "
            "needed: save it again"
        )
    return float(value)
