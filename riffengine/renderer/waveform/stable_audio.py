"""Stable Audio (Open 1.0 and its kin): latents of stereo sound, a transformer, T5 text, seconds as a condition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from riffengine.errors import ModelError
from riffengine.renderer.cache import LruCache
from riffengine.renderer.checkpoints.part import move, read_part
from riffengine.renderer.checkpoints.state_dict import read_config
from riffengine.renderer.waveform.networks import Condition, guide, in_a_circle
from riffengine.renderer.waveform.schedules import CosineSchedule, Schedule
from riffengine.renderer.waveform.text_tokens import TokenReader

_MOST_TOKENS = 128
_CACHED_TEXTS = 64
_TIED = {"encoder.embed_tokens.weight": "shared.weight"}  # T5 stores them once


class StableAudioNetworks:
    """The parts of a ``StableAudioPipeline`` of diffusers. Renderer process; one thread at a time."""

    name = "stable audio"
    shortest = 4
    reads_text = True
    takes_steps = True

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, files: list[Path]) -> None:
        """Read the folder. ``ModelError`` for a part that is missing, damaged, or does not fit the others."""
        from diffusers import AutoencoderOobleck, StableAudioDiTModel
        from diffusers.models.embeddings import get_1d_rotary_pos_embed
        from diffusers.pipelines.stable_audio import StableAudioProjectionModel
        from transformers import T5Config, T5EncoderModel

        self._rotary = get_1d_rotary_pos_embed
        self._transformer = read_part(folder / "transformer", "transformer", StableAudioDiTModel.from_config, files)
        self._vae = read_part(folder / "vae", "autoencoder", AutoencoderOobleck.from_config, files)
        self._projection = read_part(
            folder / "projection_model", "projection", StableAudioProjectionModel.from_config, files
        )
        self._text = read_part(
            folder / "text_encoder", "text encoder", lambda c: T5EncoderModel(T5Config.from_dict(c)), files, _TIED
        )
        config, vae = self._transformer.config, self._vae.config
        halves = (config.in_channels, config.out_channels, vae.encoder_hidden_size / 2)  # mean and deviation of latents
        if any(half != vae.decoder_input_channels for half in halves):
            raise ModelError(
                f"{folder}: the transformer takes {config.in_channels} channels, the autoencoder has "
                f"{vae.decoder_input_channels}; the folder is mixed from several checkpoints"
            )
        width = self._projection.config.conditioning_dim
        if config.cross_attention_input_dim != width or config.global_states_input_dim != 2 * width:
            raise ModelError(f"{folder}: the transformer does not read the {width} numbers that the projection gives")
        if self._projection.config.text_encoder_dim != self._text.config.d_model:
            raise ModelError(f"{folder}: the projection reads another text encoder's numbers than those of this one")
        self._scheduler = read_config(folder / "scheduler" / "scheduler_config.json", "scheduler")
        self._tokens = TokenReader(folder / "tokenizer", _MOST_TOKENS, self._text.config.vocab_size)
        self._rotary_width = int(config.attention_head_dim) // 2
        self.sample_rate, self.channels = int(vae.sampling_rate), int(vae.audio_channels)
        self.latent_channels, self.hop = int(config.in_channels), int(self._vae.hop_length)
        self.longest = int(config.sample_size)
        self.device, self.dtype = device, dtype
        self._margin = reach_of_decoder(vae.downsampling_ratios)
        for part in (self._transformer, self._vae, self._projection, self._text):
            move(part, device, dtype)
        self._texts: LruCache[str, tuple[Tensor, Tensor]] = LruCache(_CACHED_TEXTS)

    def make_schedule(self, name: str) -> Schedule:
        """``own`` and ``dpm2m`` are the scheduler of the checkpoint; ``dpm1`` of first order, for very few steps."""
        if name not in ("own", "dpm2m", "dpm1"):
            raise ModelError(f"scheduler={name} is none that Stable Audio can use; allowed is own, dpm2m, dpm1")
        return CosineSchedule(self._scheduler, 1 if name == "dpm1" else 2)

    def condition(self, text: str, negative: str, seconds: float) -> Condition:
        """Text tokens and two of seconds for the attention, and the seconds for all of it. No negative is zeros."""
        lasting = self._projection(
            start_seconds=torch.zeros(1, device=self.device), end_seconds=torch.tensor([seconds], device=self.device)
        )
        first, last = lasting.seconds_start_hidden_states, lasting.seconds_end_hidden_states
        whole = torch.cat([self._embed(text, False), first, last], dim=1)
        without = torch.cat([self._embed(negative, True), first, last], dim=1) if negative else torch.zeros_like(whole)
        beside = torch.cat([first, last], dim=2)
        return Condition((whole, beside), (without, beside))

    def unread(self, text: str) -> str:
        """As ``Networks`` says."""
        return self._tokens.unread(text)

    def predict(self, latents: Tensor, time: Tensor, condition: Condition, guidance: float) -> Tensor:
        """The velocity of ``latents``."""
        guided = guidance != 1.0
        text, beside = condition.guided() if guided else condition.positive
        rotary = self._rotary(self._rotary_width, latents.shape[2] + 1, use_real=True, repeat_interleave_real=False)
        found = self._transformer(
            (latents.expand(2, -1, -1) if guided else latents).to(self.dtype),
            time[None].to(self.device),
            encoder_hidden_states=text,
            global_hidden_states=beside,
            rotary_embedding=tuple(each.to(self.device) for each in rotary),
            return_dict=False,
        )[0].float()
        return guide(found, guidance) if guided else found

    def encode(self, audio: Tensor) -> Tensor:
        """The mean of the encoder's distribution, so that the same sound gives the same latents."""

        def mean(sound: Tensor) -> Tensor:
            return self._vae.encode(sound.to(self.device, self.dtype)).latent_dist.mode().float()

        return in_a_circle(mean, audio, self._margin * self.hop, 1.0 / self.hop)

    def decode(self, latents: Tensor) -> Tensor:
        """As ``Networks`` says."""

        def sound(inner: Tensor) -> Tensor:
            return self._vae.decode(inner.to(self.dtype)).sample.float()

        return in_a_circle(sound, latents, self._margin, float(self.hop))

    def _embed(self, text: str, masked: bool) -> Tensor:
        """Projected text ``(1, tokens, width)``; padding is zero after the projection, before it too if ``masked``."""
        found = self._texts.get(text)
        if found is None:
            tokens, mask = (each.to(self.device) for each in self._tokens.read(text))
            found = self._texts.put(text, (self._text(tokens, attention_mask=mask)[0], mask[:, :, None]))
        words, kept = found
        projected = self._projection(text_hidden_states=torch.where(kept.bool(), words, 0.0) if masked else words)
        return projected.text_hidden_states * kept.to(words.dtype)


def reach_of_decoder(ratios: Sequence[int]) -> int:
    """How many latents on either side of one an Oobleck decoder (or encoder) hears it in.

    Its convolutions are 7 wide; each level has three, dilated by 1, 3 and 9, behind one that is two strides wide.
    """
    reach, zoom = 3.0, 1
    for ratio in reversed(ratios):
        reach += 1.0 / zoom
        zoom *= int(ratio)
        reach += 3.0 * (1 + 3 + 9) / zoom
    return math.ceil(reach + 3.0 / zoom) + 1
