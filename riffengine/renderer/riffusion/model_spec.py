"""ModelSpec: what a preset's ``model`` says about a Riffusion checkpoint. No torch: the engine reads it too.

riffusion/riffusion-model-v1                            a name on the hub, downloaded with `riffengine models get`
~/checkpoints/mine?scheduler=lcm&lora=lcm.safetensors   a folder, with options
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from riffengine.errors import ModelError

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "float16", "bfloat16")
MOST_BATCH = 32
_SIZES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}


@dataclass(frozen=True)
class LoraSpec:
    """A LoRA file and the weight it has where a prompt does not say another one (``<lora:name:0.5>``)."""

    path: str
    weight: float = 1.0

    @property
    def name(self) -> str:
        """What prompts call it: the file's name without its ending."""
        return Path(self.path).stem


@dataclass(frozen=True)
class ModelSpec:
    """A checkpoint and how it is run; an option that is not given has its default.

    ``scheduler`` is a diffusers scheduler by name (``""``: the checkpoint's own), ``decoder`` the folder of a tiny
    decoder, ``vram_bytes`` a budget on the accelerator (0: all of it), ``batch`` the loops rendered at once (0: as the
    device can). ``compiled`` asks for ``torch.compile``, ``stereo`` for pictures that hold left and right.
    """

    source: str
    scheduler: str = ""
    loras: tuple[LoraSpec, ...] = ()
    decoder: str = ""
    device: str = "auto"
    precision: str = "auto"
    vram_bytes: int = 0
    batch: int = 0
    compiled: bool = False
    stereo: bool = False

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """Read ``NAME?option=value&option=value``. ``ModelError`` names what is wrong and what is allowed."""
        source, _, rest = text.partition("?")
        if not source:
            raise ModelError(
                f"model {text!r} names no checkpoint; write NAME?option=value, where NAME is a folder or a hub name"
            )
        spec = cls(source)
        seen: set[str] = set()
        for entry in filter(None, rest.split("&")):
            option, equals, value = entry.partition("=")
            if "?" in entry:
                raise ModelError(
                    f"model {text!r} has several question marks; the first begins the options, so a folder whose path "
                    "holds one cannot be named: rename it"
                )
            if option not in _OPTIONS or not equals or not value:
                raise ModelError(
                    f"model option {entry!r} is not understood; known are {', '.join(f'{name}=' for name in _OPTIONS)}"
                )
            if option in seen and option != "lora":
                raise ModelError(f"model option {option} is given twice in {text!r}; keep one")
            seen.add(option)
            fact, read = _OPTIONS[option]
            found = read(option, value)
            facts: dict[str, Any] = {fact: (*spec.loras, found) if option == "lora" else found}
            spec = replace(spec, **facts)
        names = [lora.name for lora in spec.loras]
        if len(set(names)) < len(names):
            raise ModelError(f"two LoRAs of {text!r} have the same file name; prompts use this name: rename one")
        return spec

    def canonical(self) -> str:
        """What determines the sound: the same text for the same options in any order."""
        options = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name not in ("vram_bytes", "batch")]
        return " ".join(options)


def _choice(allowed: tuple[str, ...]) -> Callable[[str, str], str]:
    def read(option: str, value: str) -> str:
        if value.lower() not in allowed:
            raise ModelError(f"model option {option} is {value!r}; allowed is {', '.join(allowed)}")
        return value.lower()

    return read


def _precision(option: str, value: str) -> str:
    short = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "half": "float16"}
    return _choice(PRECISIONS)(option, short.get(value.lower(), value))


def _switch(option: str, value: str) -> bool:
    return _choice(("yes", "no", "true", "false", "1", "0"))(option, value) in ("yes", "true", "1")


def _batch(option: str, value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= MOST_BATCH:
        raise ModelError(f"model option {option} is {value!r}; 1 to {MOST_BATCH} loops at once are possible")
    return int(value)


def _text(_: str, value: str) -> str:
    return value


def _lora(option: str, value: str) -> LoraSpec:
    path, colon, weight = value.rpartition(":")
    if not colon or not re.fullmatch(r"-?\d*\.?\d+", weight):
        return LoraSpec(value)
    if abs(float(weight)) > 4.0:
        raise ModelError(f"model option {option} has weight {weight}; -4 to 4 is possible")
    return LoraSpec(path, float(weight))


def parse_bytes(option: str, text: str) -> int:
    """Bytes of ``4GiB``, ``3.5G``, ``800 MiB``. ``ModelError`` for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?", text.strip().lower())
    if match is None or (size := int(float(match[1]) * _SIZES[match[2]])) <= 0:
        raise ModelError(f"{option} is {text!r}; a size such as 4GiB or 800MiB is needed")
    return size


_OPTIONS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "scheduler": ("scheduler", _text),
    "lora": ("loras", _lora),
    "decoder": ("decoder", _text),
    "device": ("device", _choice(DEVICES)),
    "precision": ("precision", _precision),
    "vram": ("vram_bytes", parse_bytes),
    "batch": ("batch", _batch),
    "compile": ("compiled", _switch),
    "stereo": ("stereo", _switch),
}
