"""PictureSampler: generates the spectrogram image of a request, together with others where the device can do it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.cache import LruCache
from riffengine.renderer.checkpoints.lap_timer import LapTimer
from riffengine.renderer.family import Check
from riffengine.renderer.riffusion.batching import bank_of, picture_of
from riffengine.renderer.riffusion.checkpoint import Checkpoint
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT
from riffengine.renderer.riffusion.conditioning import Conditioning
from riffengine.renderer.riffusion.init_image import InitSource
from riffengine.renderer.riffusion.masks import latent_mask, retake_mask
from riffengine.renderer.riffusion.memory_fallback import MemoryFallback
from riffengine.renderer.riffusion.networks import Networks
from riffengine.renderer.riffusion.prompt_weights import Prompt
from riffengine.renderer.riffusion.sampling import sample

MOST_COLUMNS = 4096
_CACHE_SIZE = 64  # of latents (64 kB each) and of pictures (1 to 3 MB each)


class PictureSampler:
    """Pictures of requests, and the cache of pictures and latents. Renderer process; one thread at a time.

    Which alphas are sampled in one batch follows from the request alone, so equal requests give equal pictures whatever
    was rendered before. ``scheduler`` is the diffusers scheduler.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        networks: Networks,
        conditioning: Conditioning,
        scheduler: Any,
        memory: MemoryFallback,
    ) -> None:
        self.scheduler = scheduler
        self._params = checkpoint.params
        self._networks, self._conditioning, self._memory = networks, conditioning, memory
        self._device = networks.policy.device
        self._factor = checkpoint.factor
        self._latent_channels = int(checkpoint.vae.config.latent_channels)
        self._column_multiple = self._factor * 2 ** (len(checkpoint.unet.config.block_out_channels) - 1)
        self._latents: LruCache[tuple[object, ...], Tensor] = LruCache(_CACHE_SIZE)
        self._pictures: LruCache[tuple[object, ...], Tensor] = LruCache(_CACHE_SIZE)

    def clear(self) -> None:
        """Forget every picture."""
        self._latents.clear()
        self._pictures.clear()

    def picture(self, request: RenderRequest, check: Check, timer: LapTimer) -> Tensor:
        """``(1, channels, bands, columns)`` for the codec, on the device; ``check`` is called between steps."""
        key = _cache_key(request)
        cached = self._pictures.get(key)
        if cached is not None:
            return cached
        latents = self._latents_of(request, check, timer)
        timer.lap("denoise")
        check()
        decoded = self._memory.run(lambda _: self._networks.decode(latents), 1).flip(2)
        picture = decoded[:, 1:] if self._params.stereo else decoded.mean(dim=1, keepdim=True)
        if request.retakes:
            base = self.picture(replace(request, retakes=request.retakes[:-1]), check, timer)
            mask = retake_mask(request.retakes[-1], request.beats, self._params)
            picture = torch.lerp(base, picture, mask.to(picture))
        timer.lap("decode")
        return self._pictures.put(key, picture)

    def _latents_of(self, request: RenderRequest, check: Check, timer: LapTimer) -> Tensor:
        key = _cache_key(request)
        if key not in self._latents:
            self._sample_all([replace(request, alpha=alpha) for alpha in self._batch_alphas(request)], check, timer)
        latents = self._latents.get(key)
        assert latents is not None
        return latents

    def _batch_alphas(self, request: RenderRequest) -> tuple[float, ...]:
        """The alphas to sample with ``request``: only those with the same LoRA weights and the same steps."""
        a, b = (Prompt.parse(point.prompt).loras for point in (request.start, request.end))
        same = dict(a) == dict(b) and (not request.init or request.start.strength == request.end.strength)
        same = same and not request.retakes
        return bank_of(request.alpha) if same and self._memory.batch > 1 else (request.alpha,)

    def _sample_all(self, requests: list[RenderRequest], check: Check, timer: LapTimer) -> None:
        """Sample ``requests``, which differ in alpha alone, in as few batches as memory allows."""
        finished = 0

        def work(batch: int) -> Tensor:
            return self._sample_batch(requests[finished : finished + batch], check, timer)

        while finished < len(requests):
            sampled = self._memory.run(work, min(self._memory.batch, len(requests) - finished))
            for request, latents in zip(requests[finished:], sampled.split(1), strict=False):
                self._latents.put(_cache_key(request), latents)
            finished += len(sampled)

    def _sample_batch(self, requests: list[RenderRequest], check: Check, timer: LapTimer) -> Tensor:
        first = requests[0]
        shape = self._latent_shape(first)
        batch = self._conditioning.batch([request.for_last_retake() for request in requests], timer)
        if first.retakes:
            base = replace(first, retakes=first.retakes[:-1])
            retake = first.retakes[-1]
            mask = retake_mask(retake, base.beats, self._params)
            batch = replace(
                batch,
                noise=replace(batch.noise, take=retake.number),
                init=self._latents_of(base, check, timer),
                strength=1.0,
                mask=latent_mask(mask, *shape[1:]).to(self._device),
            )
        return sample(batch, self._networks, self.scheduler, check, shape)

    def _latent_shape(self, request: RenderRequest) -> tuple[int, int, int]:
        """Channels, rows and columns of the latents. Raises ``RendererError`` for a request that cannot be rendered."""
        if request.steps < 1:
            raise RendererError(f"steps is {request.steps}; at least 1 is needed")
        columns = request.beats * COLUMNS_PER_BEAT
        if not 0 < columns <= MOST_COLUMNS or columns % self._column_multiple:
            raise RendererError(
                f"{request.beats} beats need a picture of {columns} columns; multiples of {self._column_multiple} up "
                f"to {MOST_COLUMNS} can be generated"
            )
        return self._latent_channels, self._params.num_frequencies // self._factor, columns // self._factor


def _cache_key(request: RenderRequest) -> tuple[object, ...]:
    file_state = InitSource.parse(request.init).file_state() if request.init else ()
    return picture_of(request), file_state
