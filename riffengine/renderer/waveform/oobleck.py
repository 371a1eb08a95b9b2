"""What all Stable Audio Open models share: a transformer of diffusers on latents of an Oobleck autoencoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from riffengine.renderer.checkpoints.part import read_part
from riffengine.renderer.waveform.networks import Condition, guide, in_a_circle

CACHED_TEXTS = 64
_TIED = {"encoder.embed_tokens.weight": "shared.weight"}  # T5 stores them once


class OobleckLatents:
    """Velocities, latents and sound of a ``StableAudioDiTModel`` and an ``AutoencoderOobleck``, whatever is told them.

    ``rotary_width`` is how many numbers of a head are turned by position. Renderer process; one thread at a time.
    """

    def __init__(self, transformer: Any, vae: Any, rotary_width: int, device: torch.device, dtype: torch.dtype) -> None:
        from diffusers.models.embeddings import get_1d_rotary_pos_embed

        self._rotary, self._rotary_width = get_1d_rotary_pos_embed, rotary_width
        self._transformer, self._vae = transformer, vae
        self.sample_rate, self.channels = int(vae.config.sampling_rate), int(vae.config.audio_channels)
        self.latent_channels, self.hop = int(transformer.config.in_channels), int(vae.hop_length)
        self.longest = int(transformer.config.sample_size)
        self.device, self.dtype = device, dtype
        self._margin = reach_of_decoder(vae.config.downsampling_ratios)

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


def read_t5(folder: Path, files: list[Path], without: tuple[str, ...] = ()) -> Any:
    """The encoder of T5 in ``folder``; see ``read_part``."""
    from transformers import T5Config, T5EncoderModel

    return read_part(folder, "text encoder", lambda c: T5EncoderModel(T5Config.from_dict(c)), files, _TIED, without)


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
