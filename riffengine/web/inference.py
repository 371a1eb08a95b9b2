"""InferenceRequest: what a client of Riffusion's server asks for, checked as that server did. Pure.

The shapes and the words of the errors are those of ``POST /run_inference/`` (riffusion-hobby, server.py and dacite), so
that clients that were written for it work unchanged: whole numbers stand for floats, unknown keys are ignored. What it
did wrong is not kept: no name becomes a path, and negative prompts are heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from riffengine.errors import RiffError
from riffengine.processes.render_request import MorphEnd, RenderRequest

SEED_IMAGES: Mapping[str, str] = {
    "og_beat": "straight", "agile": "swing", "marim": "clave", "motorway": "broken", "vibes": "dawn"
}  # fmt: skip
"""Riffusion's seed images, and the picture of ours that takes the place of each."""

MASK_IMAGES: Mapping[str, str] = {
    "mask_beat_lines_80": "keep-beats",
    "mask_gradient_dark": "gradient",
    "mask_gradient_top_70": "gradient",
    "mask_gradient_top_fifth_75": "keep-low",
    "mask_top_third_75": "keep-low",
    "mask_top_third_95": "keep-low",
}
"""Riffusion's masks, likewise."""

_LONGEST_PROMPT = 400
_MOST_STEPS = 1000


class InferenceError(RiffError):
    """The request is refused; the words are those of Riffusion's server."""


@dataclass(frozen=True)
class InferenceRequest:
    """A checked request. ``seed_image`` and ``mask_image`` are names of our pictures, ``mask_image`` may be ""."""

    start: MorphEnd
    end: MorphEnd
    alpha: float
    steps: int
    seed_image: str
    mask_image: str

    def following(self) -> tuple[InferenceRequest, ...]:
        """What Riffusion's app asks for next: the other alphas of this step, then the first one of the next seed."""
        step = 0.25
        alphas = [self.alpha + step * count for count in (1, 2, 3) if self.alpha + step * count <= 1.0]
        found = [self._at(self.start, self.end, alpha) for alpha in alphas]
        after = MorphEnd(self.end.prompt, self.end.seed + 1, self.end.negative, self.end.guidance, self.end.strength)
        return (*found, self._at(self.end, after, step))[:3]

    def _at(self, start: MorphEnd, end: MorphEnd, alpha: float) -> InferenceRequest:
        return InferenceRequest(start, end, alpha, self.steps, self.seed_image, self.mask_image)


def parse_inference(asked: Mapping[str, Any], seeds: frozenset[str], masks: frozenset[str]) -> InferenceRequest:
    """The request in ``asked``; ``seeds`` and ``masks`` are the names of our pictures. ``InferenceError``."""
    start, end = (_end(asked, name) for name in ("start", "end"))
    alpha = _number(asked, "alpha", "alpha")
    steps = _whole(asked, "num_inference_steps", "num_inference_steps", 50)
    seed_image = _text(asked, "seed_image_id", "seed_image_id", "og_beat")
    mask_image = asked.get("mask_image_id")
    if mask_image is not None and not isinstance(mask_image, str):
        raise _wrong_type("mask_image_id", "Optional", mask_image)
    seed, mask = SEED_IMAGES.get(seed_image, seed_image), MASK_IMAGES.get(mask_image or "", mask_image or "")
    if seed not in seeds:
        raise InferenceError(f"Invalid seed image: {seed_image}")
    if mask and mask not in masks:
        raise InferenceError(f"Invalid mask image: {mask_image}")
    return InferenceRequest(start, end, min(1.0, max(0.0, alpha)), min(_MOST_STEPS, max(1, steps)), seed, mask)


def render_request(asked: InferenceRequest, base: RenderRequest, pictures: bool) -> RenderRequest:
    """The loop to render: tempo, length, key and model of ``base``, at most its steps.

    ``pictures``: the model starts from pictures and was made for Riffusion's guidance; else both are left out.
    """
    start, end, init = asked.start, asked.end, ""
    if pictures:
        init = asked.seed_image + (f"?mask={asked.mask_image}" if asked.mask_image else "")
    else:
        start, end = (MorphEnd(point.prompt, point.seed, point.negative) for point in (start, end))
    return RenderRequest(
        start=start, end=end, alpha=asked.alpha, steps=min(asked.steps, base.steps), bpm=base.bpm, beats=base.beats,
        sample_rate=base.sample_rate, key=base.key, init=init, model=base.model,
    )  # fmt: skip


def _end(asked: Mapping[str, Any], name: str) -> MorphEnd:
    if name not in asked:
        raise InferenceError(f'missing value for field "{name}"')
    found = asked[name]
    if not isinstance(found, dict):
        raise _wrong_type(name, "PromptInput", found)
    prompt = _text(found, "prompt", f"{name}.prompt")
    seed = _whole(found, "seed", f"{name}.seed")
    negative = found.get("negative_prompt")
    if negative is not None and not isinstance(negative, str):
        raise _wrong_type(f"{name}.negative_prompt", "Optional", negative)
    denoising = _number(found, "denoising", f"{name}.denoising", 0.75)
    guidance = _number(found, "guidance", f"{name}.guidance", 7.0)
    words, unwanted = (_printable(text)[:_LONGEST_PROMPT] for text in (prompt, negative or ""))
    return MorphEnd(words, seed % 2**31, unwanted, min(20.0, max(0.0, guidance)), min(1.0, max(0.0, denoising)))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _text(asked: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = _value(asked, key, where, default)
    if not isinstance(value, str):
        raise _wrong_type(where, "str", value)
    return value


def _whole(asked: Mapping[str, Any], key: str, where: str, default: int | None = None) -> int:
    value = _value(asked, key, where, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(where, "int", value)
    return value


def _number(asked: Mapping[str, Any], key: str, where: str, default: float | None = None) -> float:
    value = _value(asked, key, where, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) > 1e6:
        raise _wrong_type(where, "float", value)
    return float(value)


def _value(asked: Mapping[str, Any], key: str, where: str, default: object) -> object:
    if key in asked:
        return asked[key]
    if default is None:
        raise InferenceError(f'missing value for field "{where}"')
    return default


def _wrong_type(where: str, wanted: str, value: object) -> InferenceError:
    shown = str(value)[:80]
    return InferenceError(
        f'wrong value type for field "{where}" - should be "{wanted}" instead of value "{shown}" of type '
        f'"{type(value).__name__}"'
    )
