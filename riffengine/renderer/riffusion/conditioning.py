"""Conditioning: text embeddings, LoRA weights, noise, init latents and mask for a batch of requests."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.cache import LruCache
from riffengine.renderer.checkpoints.lap_timer import LapTimer
from riffengine.renderer.interpolation import lerp
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT
from riffengine.renderer.riffusion.init_image import InitReader, InitSource
from riffengine.renderer.riffusion.lora import Loras
from riffengine.renderer.riffusion.masks import latent_mask
from riffengine.renderer.riffusion.networks import Networks
from riffengine.renderer.riffusion.prompt_weights import Prompt
from riffengine.renderer.riffusion.sampling import MorphNoise, SampleBatch
from riffengine.renderer.riffusion.text_encoder import TextEncoder

_CACHED_INITS = 64  # latents, 64 kB each


@dataclass(frozen=True)
class _ParsedPrompts:
    """Prompts and negative prompts at alpha 0 and at alpha 1, and the words that have no effect."""

    prompts: tuple[Prompt, Prompt]
    negatives: tuple[Prompt, Prompt]
    unknown: tuple[str, ...]


class Conditioning:
    """Builds a ``SampleBatch`` from requests. Renderer process; one thread at a time.

    The LoRA weights are part of the UNet: building a batch sets them, so it must be sampled before the next is built.
    """

    def __init__(self, text_encoder: TextEncoder, loras: Loras, networks: Networks, init_reader: InitReader) -> None:
        self.text_encoder, self.loras = text_encoder, loras
        self._networks, self._init_reader = networks, init_reader
        self._device = networks.policy.device
        self._init_latents: LruCache[tuple[object, ...], Tensor] = LruCache(_CACHED_INITS)

    def batch(self, requests: list[RenderRequest], timer: LapTimer) -> SampleBatch:
        """The batch for ``requests``, which differ in alpha alone. Raises ``AudioFileError`` for an unreadable init."""
        first = requests[0]
        parsed = self._parse(first)
        a, b = (self.loras.wanted(dict(prompt.loras)) for prompt in parsed.prompts)
        self.loras.apply({name: lerp(a[name], b[name], first.alpha) for name in a})
        text, negative = self._embed(requests, parsed)
        timer.lap("text")
        init, mask = self._init(first)
        return SampleBatch(
            text=text,
            negative=negative,
            guidance=torch.tensor([lerp(r.start.guidance, r.end.guidance, r.alpha) for r in requests]),
            noise=MorphNoise(tuple((r.start.seed, r.end.seed, r.alpha) for r in requests)),
            steps=first.steps,
            init=init,
            strength=lerp(first.start.strength, first.end.strength, first.alpha),
            mask=mask,
        )

    def unknown_words(self, request: RenderRequest) -> tuple[str, ...]:
        """The words of the request's prompts that have no effect: text beyond the last token, unknown LoRAs."""
        return self._parse(request).unknown

    def _parse(self, request: RenderRequest) -> _ParsedPrompts:
        points = (request.start, request.end)
        prompts, negatives = [Prompt.parse(p.prompt) for p in points], [Prompt.parse(p.negative) for p in points]
        unknown = [self.text_encoder.unread(prompt) for prompt in (*prompts, *negatives)]
        unknown += [f"<lora:{name}>" for p in prompts for name in self.loras.unknown(dict(p.loras))]
        return _ParsedPrompts(
            (prompts[0], prompts[1]), (negatives[0], negatives[1]), tuple(dict.fromkeys(filter(None, unknown)))
        )

    def _embed(self, requests: list[RenderRequest], parsed: _ParsedPrompts) -> tuple[Tensor, Tensor]:
        """Embeddings of prompts and negative prompts ``(batch, tokens, width)``, interpolated by alpha."""
        prompts = (*parsed.prompts, *parsed.negatives)
        chunks = max(self.text_encoder.chunks(prompt) for prompt in prompts)
        embedded = [self.text_encoder.encode(p, chunks, self.loras.state).to(self._device) for p in prompts]
        alphas = [request.alpha for request in requests]
        return (
            torch.cat([torch.lerp(embedded[0], embedded[1], alpha) for alpha in alphas]),
            torch.cat([torch.lerp(embedded[2], embedded[3], alpha) for alpha in alphas]),
        )

    def _init(self, request: RenderRequest) -> tuple[Tensor | None, Tensor | None]:
        """Latents ``(1, …)`` of the request's init and the mask over them; ``None`` where there is none."""
        if not request.init:
            return None, None
        source = InitSource.parse(request.init)
        key = (*source.file_state(), request.beats, request.source_tempo)
        latents = self._init_latents.get(key)
        if latents is None:
            picture = self._init_reader.read(source, request.beats, request.source_tempo)
            latents = self._networks.encode(picture.expand(-1, 3, -1, -1).flip(2).to(self._device))
            self._init_latents.put(key, latents)
        mask = self._init_reader.read_mask(source, request.beats * COLUMNS_PER_BEAT)
        if mask is None:
            return latents, None
        return latents, latent_mask(mask, *latents.shape[2:]).to(self._device)
