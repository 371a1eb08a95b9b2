"""The layout of stable-audio-tools: model_config.json says what one file of weights holds. No torch.

Read into what the classes of diffusers are told. A setting that would make the network compute something else than they
do is refused, known or not; those of training and of memory are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riffengine.errors import ModelError, printable
from riffengine.files.json_text import read_json

TOOLS_INDEX = "model_config.json"
TOOLS_KIND = "diffusion_cond"
"""What ``model_type`` says of a model that is told text, in the place of a class of diffusers."""

DISTILLED, FLOW = "rf_denoiser", "rectified_flow"
T5_NAMES = {f"t5-{size}": f"google-t5/t5-{size}" for size in ("small", "base", "large")} | {
    f"google/flan-t5-{size}": f"google/flan-t5-{size}" for size in ("small", "base", "large")
}
"""Names of text encoders here, and on the hub. The weights are never in the model's own file."""

_CONFIG_BYTES = 4 << 20
_SECONDS = "seconds_total"
_LARGEST, _DEEPEST, _MOST_LEVELS, _MOST_TOKENS = 1 << 16, 64, 16, 512
_TIME_FEATURES = 256
_ROTARY_WIDTH = 32  # of a head, at least
_Value = int | float | str | bool | None
_FREE = "requires_grad", "checkpointing", "use_checkpointing"
_PLAIN_TRANSFORMER: Mapping[str, tuple[_Value, ...]] = {
    "transformer_type": ("continuous_transformer",), "patch_size": (1,), "global_cond_type": ("prepend",),
    "timestep_cond_type": ("global",), "project_global_cond": (True,), "input_concat_dim": (0,),
    "prepend_cond_dim": (0,), "num_memory_tokens": (0,),
}  # fmt: skip
_SIZES = "io_channels", "embed_dim", "depth", "num_heads", "cond_token_dim", "global_cond_dim"
_PLAIN_LEVELS: Mapping[str, tuple[_Value, ...]] = {
    "antialias_activation": (False,), "use_nearest_upsample": (False,), "use_snake": (True,)
}  # fmt: skip
_LEVELS = "in_channels", "out_channels", "channels", "c_mults", "strides", "latent_dim"


@dataclass(frozen=True)
class ToolsModel:
    """A latent model with a diffusion transformer, as its model_config.json tells it.

    ``transformer`` and ``autoencoder`` are configurations of ``StableAudioDiTModel`` and ``AutoencoderOobleck``,
    ``seconds`` the arguments of ``StableAudioNumberConditioner``. ``norms`` is whether queries and keys are normalised,
    ``distilled`` whether it was trained for few steps, ``text`` the hub's name of its text encoder.
    """

    transformer: dict[str, Any]
    autoencoder: dict[str, Any]
    seconds: dict[str, int]
    rotary_width: int
    norms: bool
    distilled: bool
    text: str
    most_tokens: int


class _Section:
    """One object of the file; every wrong value is refused with its place, its value, and what is allowed."""

    def __init__(self, path: Path, place: str, found: object) -> None:
        if not isinstance(found, dict):
            raise self._refusal(path, place, found, "an object")
        self._path, self._place, self._found = path, place, found

    def section(self, key: str) -> _Section:
        return _Section(self._path, f"{self._place}{key}.", self._found.get(key))

    def sections(self, key: str) -> list[_Section]:
        found = self._found.get(key)
        if not isinstance(found, list) or len(found) > _MOST_LEVELS:
            raise self.wrong(key, f"a list of up to {_MOST_LEVELS} objects")
        return [_Section(self._path, f"{self._place}{key}[{number}].", each) for number, each in enumerate(found)]

    def number(self, key: str, least: int = 1, most: int = _LARGEST, default: int | None = None) -> int:
        found = self._found.get(key, default)
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise self.wrong(key, f"{least} to {most:,}")
        return found

    def numbers(self, key: str) -> list[int]:
        found = self._found.get(key)
        if not isinstance(found, list) or not 1 <= len(found) <= _MOST_LEVELS:
            raise self.wrong(key, f"a list of 1 to {_MOST_LEVELS} numbers")
        if any(isinstance(each, bool) or not isinstance(each, int) or not 1 <= each <= _LARGEST for each in found):
            raise self.wrong(key, f"a list of whole numbers from 1 to {_LARGEST:,}")
        return found

    def choice(self, key: str, allowed: tuple[_Value, ...], default: _Value = None) -> _Value:
        found = self._found.get(key, default)
        if not any(type(found) is type(each) and found == each for each in allowed):
            raise self.wrong(key, ", ".join(str(each) for each in allowed))
        assert found is None or isinstance(found, int | float | str | bool)
        return found

    def has(self, key: str) -> bool:
        return self._found.get(key) is not None

    def list_of(self, key: str, names: list[str], needed: bool = True) -> None:
        """Refuse any other list than ``names``; none at all too, where one is ``needed``."""
        if (self.has(key) or needed) and self._found.get(key) != names:
            raise self.wrong(key, str(names))

    def plain(self, settings: Mapping[str, tuple[_Value, ...]], read: tuple[str, ...]) -> None:
        """Refuse every setting but those that are ``read`` elsewhere, make no difference, or have a plain value."""
        for key in self._found:
            if key in settings:
                self.choice(key, settings[key])
            elif key not in (*read, *_FREE):
                raise self.wrong(key, "to leave it out")

    def wrong(self, key: str, allowed: str) -> ModelError:
        return self._refusal(self._path, f"{self._place}{printable(key, 60)}.", self._found.get(key), allowed)

    @staticmethod
    def _refusal(path: Path, place: str, found: object, allowed: str) -> ModelError:
        said = "missing" if found is None else printable(repr(found), 60)
        return ModelError(
            f"{path}: {place.rstrip('.') or 'the file'} is {said}; allowed is {allowed}: it belongs to another kind of "
            "model, which is not played from this layout, or is damaged. Copy it again, or give another folder"
        )


def read_tools_model(folder: Path) -> ToolsModel:
    """What ``folder``/model_config.json tells. ``ModelError`` where it is missing, damaged or of another kind."""
    path = folder / TOOLS_INDEX
    try:
        found = read_json(path, _CONFIG_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path} cannot be read as JSON ({printable(reason)}); download or copy it again") from None
    whole = _Section(path, "", found)
    whole.choice("model_type", (TOOLS_KIND,))
    model = whole.section("model")
    autoencoder = _autoencoder(model.section("pretransform"))
    autoencoder["sampling_rate"] = whole.number("sample_rate", 1000, 384_000)
    channels = whole.number("audio_channels", 1, 2, default=2)
    if channels != autoencoder["audio_channels"]:
        raise whole.wrong("audio_channels", f"{autoencoder['audio_channels']}, which the autoencoder has")
    diffusion = model.section("diffusion")
    diffusion.choice("type", ("dit",))
    distilled = diffusion.choice("diffusion_objective", (DISTILLED, FLOW)) == DISTILLED
    config = diffusion.section("config")
    levels = model.section("pretransform").section("config")
    hop = math.prod(levels.section("encoder").section("config").numbers("strides"))
    transformer, rotary_width, norms = _transformer(
        config, levels.section("decoder").section("config").number("latent_dim")
    )
    transformer["sample_size"] = whole.number("sample_size", hop, 1 << 30) // hop
    text, most_tokens, seconds = _conditions(model.section("conditioning"), diffusion, config)
    return ToolsModel(transformer, autoencoder, seconds, rotary_width, norms, distilled, text, most_tokens)


def _transformer(config: _Section, latents: int) -> tuple[dict[str, Any], int, bool]:
    config.plain(_PLAIN_TRANSFORMER, (*_SIZES, "project_cond_tokens", "attn_kwargs"))
    if config.number("io_channels") != latents:
        raise config.wrong("io_channels", f"{latents}, which the autoencoder has")
    width, heads, told = config.number("embed_dim"), config.number("num_heads"), config.number("cond_token_dim")
    head, projected = width // heads, bool(config.choice("project_cond_tokens", (True, False), True))
    read = width if projected else told
    if width % heads or head < _ROTARY_WIDTH or head % 4 or read % head:
        raise config.wrong("num_heads", f"what divides {width} into heads of {_ROTARY_WIDTH} and more, by fours")
    norms = False
    if config.has("attn_kwargs"):
        attention = config.section("attn_kwargs")
        attention.plain({"qk_norm": ("ln", "none")}, ())
        norms = attention.choice("qk_norm", ("ln", "none"), "none") == "ln"
    return {
        "in_channels": latents, "out_channels": latents, "num_layers": config.number("depth", 1, _DEEPEST),
        "attention_head_dim": head, "num_attention_heads": heads, "num_key_value_attention_heads": read // head,
        "cross_attention_dim": read, "cross_attention_input_dim": told, "time_proj_dim": _TIME_FEATURES,
        "global_states_input_dim": config.number("global_cond_dim"),
    }, max(head // 2, _ROTARY_WIDTH), norms  # fmt: skip


def _autoencoder(pretransform: _Section) -> dict[str, Any]:
    pretransform.choice("type", ("autoencoder",))
    pretransform.choice("scale", (1, 1.0), 1)
    config = pretransform.section("config")
    config.section("bottleneck").choice("type", ("vae",))
    ends = []
    for end in ("encoder", "decoder"):
        config.section(end).choice("type", ("oobleck",))
        ends.append(config.section(end).section("config"))
    encoder, decoder = ends
    encoder.plain(_PLAIN_LEVELS, _LEVELS)
    decoder.plain({**_PLAIN_LEVELS, "final_tanh": (False,)}, _LEVELS)
    decoder.choice("final_tanh", (False,))
    for side in (encoder, decoder):
        side.choice("use_snake", (True,))
        for levels in ("strides", "c_mults"):
            if side.numbers(levels) != encoder.numbers(levels):
                raise side.wrong(levels, f"{encoder.numbers(levels)}, which the encoder has")
    strides, latents = encoder.numbers("strides"), decoder.number("latent_dim")
    if len(encoder.numbers("c_mults")) != len(strides):
        raise encoder.wrong("c_mults", f"one for each of the {len(strides)} strides")
    if any(stride % 2 for stride in strides) or max(strides) > _DEEPEST:
        raise encoder.wrong("strides", f"even numbers up to {_DEEPEST}")
    if encoder.number("latent_dim") != 2 * latents:
        raise encoder.wrong("latent_dim", f"{2 * latents}, a mean and a deviation of each latent")
    if encoder.number("channels") != 2 * latents:
        raise encoder.wrong("channels", f"{2 * latents}, as many as it gives")
    channels = encoder.number("in_channels", 1, 2)
    if decoder.number("out_channels", 1, 2) != channels:
        raise decoder.wrong("out_channels", f"{channels}, which the encoder takes")
    return {
        "encoder_hidden_size": 2 * latents, "downsampling_ratios": strides,
        "channel_multiples": encoder.numbers("c_mults"), "decoder_channels": decoder.number("channels"),
        "decoder_input_channels": latents, "audio_channels": channels,
    }  # fmt: skip


def _conditions(told: _Section, diffusion: _Section, config: _Section) -> tuple[str, int, dict[str, int]]:
    """The text encoder, how many tokens of a text are read, and the bounds of the seconds."""
    width = told.number("cond_dim")
    for key in ("cond_token_dim", "global_cond_dim"):
        if config.number(key) != width:
            raise config.wrong(key, f"{width}, the cond_dim")
    for key, names in (("cross_attention_cond_ids", ["prompt", _SECONDS]), ("global_cond_ids", [_SECONDS])):
        diffusion.list_of(key, names)
    for key in ("input_concat_ids", "prepend_cond_ids"):
        diffusion.list_of(key, [], needed=False)
    found = told.sections("configs")
    if len(found) != 2:
        raise told.wrong("configs", f"prompt and {_SECONDS}")
    prompt, seconds = sorted(found, key=lambda each: str(each.choice("id", ("prompt", _SECONDS))))
    prompt.choice("id", ("prompt",))
    seconds.choice("id", (_SECONDS,))
    prompt.choice("type", ("t5",))
    seconds.choice("type", ("number",))
    text, bounds = prompt.section("config"), seconds.section("config")
    text.choice("project_out", (False,), False)
    name = str(text.choice("t5_model_name", tuple(T5_NAMES), "t5-base"))
    least, most = bounds.number("min_val", 0, 3600, default=0), bounds.number("max_val", 1, 3600, default=1)
    if least >= most:
        raise bounds.wrong("max_val", f"more than {least}")
    limits = {"number_embedding_dim": width, "min_value": least, "max_value": most}
    return T5_NAMES[name], text.number("max_length", 1, _MOST_TOKENS, default=128), limits
