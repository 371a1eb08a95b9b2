"""Stable Audio 3: rectified flow on latents of the SAME autoencoder, Gemma's text encoder, few steps if distilled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from riffengine.errors import ModelError
from riffengine.renderer.cache import LruCache
from riffengine.renderer.checkpoints.part import move, read_part
from riffengine.renderer.checkpoints.state_dict import read_config
from riffengine.renderer.waveform.networks import Condition, guide, in_a_circle
from riffengine.renderer.waveform.schedules import FlowSchedule, Schedule
from riffengine.renderer.waveform.text_tokens import TokenReader

_MOST_TOKENS = 256
_CACHED_TEXTS = 64


class StableAudio3Networks:
    """The parts of a ``StableAudio3Pipeline`` of diffusers. Renderer process; one thread at a time."""

    name = "stable audio 3"
    shortest = 4
    reads_text = True
    takes_steps = True

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, files: list[Path]) -> None:
        """Read the folder. ``ModelError`` for a part that is missing, damaged, or does not fit the others."""
        from diffusers import AutoencoderSAME, StableAudio3DiTModel
        from diffusers.pipelines.stable_audio_3.modeling_stable_audio_3 import StableAudio3DurationEmbedder
        from transformers import T5GemmaConfig, T5GemmaEncoderModel

        def text_model(config: dict[str, Any]) -> Any:
            return T5GemmaEncoderModel(T5GemmaConfig.from_dict(config))

        self._transformer = read_part(folder / "transformer", "transformer", StableAudio3DiTModel.from_config, files)
        self._vae = read_part(folder / "vae", "autoencoder", AutoencoderSAME.from_config, files)
        self._duration = read_part(
            folder / "duration_embedder", "duration embedder", StableAudio3DurationEmbedder.from_config, files
        )
        self._text = read_part(folder / "text_encoder", "text encoder", text_model, files)
        config, vae, encoder = self._transformer.config, self._vae.config, self._text.config.encoder
        if config.io_channels != vae.latent_dim:
            raise ModelError(
                f"{folder}: the transformer takes {config.io_channels} channels, the autoencoder has {vae.latent_dim}; "
                "the folder is mixed from several checkpoints"
            )
        width = self._duration.config.output_dim
        if not config.cond_token_dim == config.global_cond_dim == width == encoder.hidden_size:
            raise ModelError(
                f"{folder}: text has {encoder.hidden_size} numbers, the duration {width}, and the transformer reads "
                f"{config.cond_token_dim} and {config.global_cond_dim}; they must be equal"
            )
        self._scheduler = read_config(folder / "scheduler" / "scheduler_config.json", "scheduler")
        self._tokens = TokenReader(folder / "tokenizer", _MOST_TOKENS, encoder.vocab_size)
        self.sample_rate, self.channels = int(vae.sampling_rate), int(vae.audio_channels)
        self.latent_channels, self.hop = int(vae.latent_dim), int(self._vae.downsampling_ratio)
        self.longest = int(self._duration.config.max_val * self.sample_rate / self.hop)
        self.device, self.dtype = device, dtype
        # Every layer of the autoencoder hears ``sliding_window`` latents farther on both sides.
        self._margin = int(vae.sliding_window) * sum(vae.encoder_transformer_depths) + 1
        for part in (self._transformer, self._vae, self._duration, self._text):
            move(part, device, dtype)
        self._texts: LruCache[str, Tensor] = LruCache(_CACHED_TEXTS)

    def make_schedule(self, name: str) -> Schedule:
        """``own`` is as the checkpoint says, ``pingpong`` for distilled ones, ``euler`` for those that are not."""
        if name not in ("own", "pingpong", "euler"):
            raise ModelError(f"scheduler={name} is none that Stable Audio 3 can use; allowed is own, pingpong, euler")
        return FlowSchedule(self._scheduler, None if name == "own" else name == "pingpong")

    def condition(self, text: str, negative: str, seconds: float) -> Condition:
        """Text and a token of seconds for the attention, and the seconds for all of it. No negative is empty text."""
        lasting = self._duration(torch.tensor([seconds], device=self.device))
        return Condition((self._embed(text, lasting), lasting), (self._embed(negative, lasting), lasting))

    def unread(self, text: str) -> str:
        """As ``Networks`` says."""
        return self._tokens.unread(text)

    def predict(self, latents: Tensor, time: Tensor, condition: Condition, guidance: float) -> Tensor:
        """The velocity of ``latents``."""
        guided = guidance != 1.0
        text, lasting = condition.guided() if guided else condition.positive
        batch = 2 if guided else 1
        found = self._transformer(
            latents.expand(batch, -1, -1).to(self.dtype),
            time.to(self.device).expand(batch),
            encoder_hidden_states=text,
            global_hidden_states=lasting,
            return_dict=False,
        )[0].float()
        return guide(found, guidance) if guided else found

    def encode(self, audio: Tensor) -> Tensor:
        """As ``Networks`` says."""

        def latents(sound: Tensor) -> Tensor:
            return self._vae.encode(sound.to(self.device, self.dtype)).latents.float()

        return in_a_circle(latents, audio, self._margin * self.hop, 1.0 / self.hop)

    def decode(self, latents: Tensor) -> Tensor:
        """As ``Networks`` says; within full scale, as its pipeline cuts it."""

        def sound(inner: Tensor) -> Tensor:
            return self._vae.decode(inner.to(self.dtype)).sample.float()

        return in_a_circle(sound, latents, self._margin, float(self.hop)).clamp(-1.0, 1.0)

    def _embed(self, text: str, lasting: Tensor) -> Tensor:
        """Text and duration ``(1, tokens + 1, width)``; the network's own embedding where there is padding.

        The network would put it there itself, but two texts of different lengths can be mixed only afterwards.
        """
        found = self._texts.get(text)
        if found is None:
            tokens, mask = (each.to(self.device) for each in self._tokens.read(text))
            words = self._text(tokens, attention_mask=mask)[0]
            padding = self._transformer.prompt_padding_embedding.to(words.dtype)
            found = self._texts.put(text, torch.where(mask[:, :, None].bool(), words, padding))
        return torch.cat([found, lasting[:, None].to(found.dtype)], dim=1)
