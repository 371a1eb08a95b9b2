"""MusicGen (Copet et al. 2023): text to tokens of EnCodec, mono or stereo, in the layout of transformers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from riffengine.errors import ModelError
from riffengine.renderer.beat_tracking import seamless
from riffengine.renderer.cache import LruCache
from riffengine.renderer.checkpoints.part import move, read_part
from riffengine.renderer.family import Check
from riffengine.renderer.waveform.networks import Condition, guide, in_a_circle
from riffengine.renderer.waveform.sampling import SampleJob
from riffengine.renderer.waveform.schedules import Schedule
from riffengine.renderer.waveform.text_tokens import TokenReader
from riffengine.renderer.waveform.token_sampling import Canvas, MorphChoice, forced_tokens, guided_pair, write_tokens

_MOST_TOKENS = 128
_CACHED_TEXTS = 64
_LONGEST_SECONDS = 30.0  # that it was trained on
_SHORTEST = 16
_MARGIN_SECONDS = 1.0  # that the codec hears of the loop before its beginning and after its end
_TIED = {"text_encoder.encoder.embed_tokens.weight": "text_encoder.shared.weight"}


class MusicgenNetworks:
    """A ``MusicgenForConditionalGeneration`` of transformers. Renderer process; one thread at a time.

    Its latents are tokens, ``(1, codebooks, tokens) int64``. It samples by itself (``sample``) and knows no steps.
    """

    name = "musicgen"
    shortest = _SHORTEST
    reads_text = True
    takes_steps = False

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, files: list[Path]) -> None:
        """Read the folder. ``ModelError`` for a part that is missing, damaged, or does not fit the others."""
        from transformers import MusicgenConfig, MusicgenForConditionalGeneration
        from transformers.utils import logging

        log: Any = logging
        log.set_verbosity_error()  # it warns of the padding, which lies behind the vocabulary in every MusicGen
        build: Any = MusicgenForConditionalGeneration
        self._model = read_part(folder, "MusicGen", lambda c: build(MusicgenConfig(**c)), files, _TIED)
        decoder, codec = self._model.decoder.config, self._model.audio_encoder.config
        self.channels, self.latent_channels = int(decoder.audio_channels), int(decoder.num_codebooks)
        if self.channels not in (1, 2) or self.latent_channels != self.channels * codec.num_quantizers:
            raise ModelError(
                f"{folder}: the decoder writes {self.latent_channels} codebooks for {self.channels} channels, the "
                f"codec has {codec.num_quantizers}; the weights are mixed from several models"
            )
        if decoder.vocab_size != codec.codebook_size or codec.audio_channels != 1 or codec.chunk_length_s:
            raise ModelError(f"{folder}: the codec is none that MusicGen writes for; take the whole folder again")
        self._padding = int(decoder.vocab_size)  # behind the last word, as in all its checkpoints
        self._delays = torch.arange(codec.num_quantizers).repeat_interleave(self.channels)
        self.sample_rate, self.hop = int(codec.sampling_rate), int(np.prod(codec.upsampling_ratios))
        rate = self.sample_rate / self.hop
        self.longest = int(_LONGEST_SECONDS * rate / 2.0625)  # it is written twice, and a sixteenth of it
        self._margin = round(_MARGIN_SECONDS * rate)
        self._tokens = TokenReader(folder, _MOST_TOKENS, self._model.text_encoder.config.vocab_size)
        self.device, self.dtype = device, dtype
        move(self._model, device, dtype)
        self._texts: LruCache[str, tuple[Tensor, Tensor]] = LruCache(_CACHED_TEXTS)

    def make_schedule(self, name: str) -> Schedule:
        """None: it has no steps."""
        raise ModelError(f"scheduler={name} means nothing to MusicGen, which has no steps; leave it out")

    def condition(self, text: str, negative: str, seconds: float) -> Condition:
        """Text as the decoder reads it, with a weight for every token of it. No negative is no text at all."""
        words, weights = self._embed(text)
        without = self._embed(negative) if negative else (torch.zeros_like(words), torch.ones_like(weights))
        return Condition((words, weights), without)

    def unread(self, text: str) -> str:
        """As ``Networks`` says."""
        return self._tokens.unread(text)

    def predict(self, latents: Tensor, time: Tensor, condition: Condition, guidance: float) -> Tensor:
        """None: it does not denoise."""
        raise NotImplementedError("MusicGen writes tokens; see sample")

    def encode(self, audio: Tensor) -> Tensor:
        """The tokens ``(1, codebooks, length)`` of a circular loop; of stereo, left and right take turns."""

        def codes(sound: Tensor) -> Tensor:
            found = self._model.audio_encoder.encode(sound.to(self.device, self.dtype))
            return found.audio_codes[0]

        sides = [in_a_circle(codes, side[:, None], self._margin * self.hop, 1.0 / self.hop) for side in audio.unbind(1)]
        return torch.stack(sides, dim=2).flatten(1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """The loop ``(1, channels, length * hop)`` of a whole canvas; what would follow fades into its beginning."""
        canvas = Canvas.holding(latents.shape[2])
        sides = [latents[:, side :: self.channels] for side in range(self.channels)]
        sound = torch.cat([self._model.audio_encoder.decode(each[None], [None]).audio_values for each in sides], dim=1)
        whole = sound[0].float().T.cpu().numpy()
        loop = seamless(whole, canvas.length * self.hop, canvas.length * self.hop, canvas.tail * self.hop)
        return torch.from_numpy(loop.T.copy())[None].to(self.device)

    @torch.inference_mode()
    def sample(self, job: SampleJob, check: Check) -> Tensor:
        """The whole canvas of ``job``, ``(1, codebooks, total)``, with the loop in it."""
        canvas = Canvas(job.length)
        if job.init is not None and job.init.shape[2] == job.length:  # of a sound, and not of a loop that was written
            job = replace(job, init=canvas.around(job.init))
        choice = MorphChoice(job.noise.start, job.noise.end, job.noise.alpha, job.noise.take)
        reader = _Reader(self._model.decoder, guided_pair(job.condition, job.guidance), job.guidance)
        forced = forced_tokens(job, canvas, self.latent_channels).to(self.device)
        found = write_tokens(forced, self._delays, self._padding, reader, choice.draw, check)
        return found[None]

    def _embed(self, text: str) -> tuple[Tensor, Tensor]:
        """What the decoder reads ``(1, tokens, width)``, and the weights ``(1, tokens)``: 0 for the padding."""
        found = self._texts.get(text)
        if found is None:
            tokens, mask = (each.to(self.device) for each in self._tokens.read(text))
            words = self._model.text_encoder(tokens, attention_mask=mask)[0]
            if hasattr(self._model, "enc_to_dec_proj"):
                words = self._model.enc_to_dec_proj(words)
            weights = mask.to(words.dtype)
            found = self._texts.put(text, (words * weights[:, :, None], weights))
        return found


class _Reader:
    """The decoder with what it has read of one loop."""

    def __init__(self, decoder: Any, told: tuple[Tensor, ...], guidance: float) -> None:
        words, weights = told
        self._decoder, self._words, self._guidance = decoder, words, guidance
        # A weight between 0 and 1 is a text that only one end of a morph has: it comes in by degrees.
        self._mask = torch.log(weights.float()).clamp_min(torch.finfo(words.dtype).min)[:, None, None].to(words.dtype)
        self._memory: Any = None

    def read(self, tokens: Tensor) -> Tensor:
        """As ``Reader`` says."""
        batch = len(self._words)
        found = self._decoder(
            tokens.repeat(batch, 1),
            encoder_hidden_states=self._words,
            encoder_attention_mask=self._mask.expand(-1, -1, tokens.shape[1], -1),
            past_key_values=self._memory,
            use_cache=True,
        )
        self._memory = found.past_key_values
        logits = found.logits[:, -1].unflatten(0, (batch, -1)).float()
        return (guide(logits, self._guidance) if batch == 2 else logits)[0]
