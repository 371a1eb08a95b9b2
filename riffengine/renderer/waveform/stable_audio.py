"""Stable Audio (Open 1.0 and its kin): latents of stereo sound, a transformer, T5 text, seconds as a condition."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from riffengine.errors import ModelError
from riffengine.renderer.cache import LruCache
from riffengine.renderer.checkpoints.part import move, read_part
from riffengine.renderer.checkpoints.state_dict import read_config
from riffengine.renderer.waveform.networks import Condition
from riffengine.renderer.waveform.oobleck import CACHED_TEXTS, OobleckLatents, read_t5
from riffengine.renderer.waveform.schedules import CosineSchedule, Schedule
from riffengine.renderer.waveform.text_tokens import TokenReader

_MOST_TOKENS = 128


class StableAudioNetworks(OobleckLatents):
    """The parts of a ``StableAudioPipeline`` of diffusers. Renderer process; one thread at a time."""

    name = "stable audio"
    shortest = 4
    reads_text = True
    takes_steps = True

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, files: list[Path]) -> None:
        """Read the folder. ``ModelError`` for a part that is missing, damaged, or does not fit the others."""
        from diffusers import AutoencoderOobleck, StableAudioDiTModel
        from diffusers.pipelines.stable_audio import StableAudioProjectionModel

        transformer = read_part(folder / "transformer", "transformer", StableAudioDiTModel.from_config, files)
        vae = read_part(folder / "vae", "autoencoder", AutoencoderOobleck.from_config, files)
        self._projection = read_part(
            folder / "projection_model", "projection", StableAudioProjectionModel.from_config, files
        )
        self._text = read_t5(folder / "text_encoder", files)
        config, latents = transformer.config, vae.config.decoder_input_channels
        mean = vae.config.encoder_hidden_size / 2  # beside it the encoder gives the deviation
        if any(channels != latents for channels in (config.in_channels, config.out_channels, mean)):
            raise ModelError(
                f"{folder}: the transformer takes {config.in_channels} channels, the autoencoder has "
                f"{latents}; the folder is mixed from several checkpoints"
            )
        width = self._projection.config.conditioning_dim
        if config.cross_attention_input_dim != width or config.global_states_input_dim != 2 * width:
            raise ModelError(f"{folder}: the transformer does not read the {width} numbers that the projection gives")
        if self._projection.config.text_encoder_dim != self._text.config.d_model:
            raise ModelError(f"{folder}: the projection reads another text encoder's numbers than those of this one")
        self._scheduler = read_config(folder / "scheduler" / "scheduler_config.json", "scheduler")
        self._tokens = TokenReader(folder / "tokenizer", _MOST_TOKENS, self._text.config.vocab_size)
        super().__init__(transformer, vae, int(config.attention_head_dim) // 2, device, dtype)
        for part in (transformer, vae, self._projection, self._text):
            move(part, device, dtype)
        self._texts: LruCache[str, tuple[Tensor, Tensor]] = LruCache(CACHED_TEXTS)

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

    def _embed(self, text: str, masked: bool) -> Tensor:
        """Projected text ``(1, tokens, width)``; padding is zero after the projection, before it too if ``masked``."""
        found = self._texts.get(text)
        if found is None:
            tokens, mask = (each.to(self.device) for each in self._tokens.read(text))
            found = self._texts.put(text, (self._text(tokens, attention_mask=mask)[0], mask[:, :, None]))
        words, kept = found
        projected = self._projection(text_hidden_states=torch.where(kept.bool(), words, 0.0) if masked else words)
        return projected.text_hidden_states * kept.to(words.dtype)
