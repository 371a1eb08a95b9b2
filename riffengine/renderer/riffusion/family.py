"""RiffusionFamily: spectrogram checkpoints behind the engine's ``Family`` protocol."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.processes.render_messages import Point, RenderCost, RenderRequest
from riffengine.renderer.family import Check, Rendition
from riffengine.renderer.interpolation import lerp
from riffengine.renderer.riffusion.bands import BANDS
from riffengine.renderer.riffusion.batching import bank_of, picture_of
from riffengine.renderer.riffusion.checkpoint import Checkpoint, read_checkpoint
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionCodec
from riffengine.renderer.riffusion.device_policy import DevicePolicy, plan_memory
from riffengine.renderer.riffusion.init_image import InitReader, Start
from riffengine.renderer.riffusion.lora import Loras
from riffengine.renderer.riffusion.masks import latent_mask, mask_of
from riffengine.renderer.riffusion.model_spec import ModelSpec
from riffengine.renderer.riffusion.networks import Networks
from riffengine.renderer.riffusion.noise_schedulers import make_scheduler
from riffengine.renderer.riffusion.postprocess import Postprocessor
from riffengine.renderer.riffusion.prompt_weights import Prompt
from riffengine.renderer.riffusion.sampling import Dream, Noise, dream
from riffengine.renderer.riffusion.text_encoder import TextEncoder

LOUDNESS_LUFS = -16.0
PHASE_ITERATIONS = 8
MOST_COLUMNS = 4096
_KEPT = 64  # latents (64 kB each) and pictures (1 to 3 MB each) of loops that were dreamt
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class _Words:
    """Both ends' prompts and negative prompts, read."""

    prompts: tuple[Prompt, Prompt]
    negatives: tuple[Prompt, Prompt]
    unread: tuple[str, ...]


class RiffusionFamily:
    """One checkpoint, ready to render: three bands as stems, mono or stereo as its pictures are.

    Alphas of one bank are dreamt together where the device can; which ones follows from the request alone, so equal
    requests give equal samples whatever was rendered before. When memory runs out the batch is halved, and ``remarks``
    tells it. Renderer process; one thread at a time.
    """

    name = "riffusion"
    stems: tuple[str, ...] = BANDS
    vocabulary: tuple[str, ...] = ()  # any words: CLIP has read most of them

    def __init__(self, checkpoint: Checkpoint, spec: ModelSpec, policy: DevicePolicy) -> None:
        number_bytes = torch.finfo(policy.dtype).bits // 8
        # from what is stored to what it will be: a half-precision file may be played in single precision
        weights = {
            part: sum(p.numel() for p in model.parameters()) * number_bytes
            for part in ("text", "unet", "vae", "tiny")
            if (model := getattr(checkpoint, part)) is not None
        }
        plan = plan_memory(spec.vram_bytes, weights, policy.bank_batch, number_bytes)
        self.policy = replace(policy, bank_batch=plan.batch)
        if spec.vram_bytes and policy.device.type == "cuda":
            whole = torch.cuda.get_device_properties(policy.device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, spec.vram_bytes / whole), policy.device)
        self.remarks: list[str] = []  # all there ever were; each rendition has its own
        self.params = checkpoint.params
        self.channels = checkpoint.params.channels
        self._factor = checkpoint.factor
        self._latents = int(checkpoint.vae.config.latent_channels)
        self._multiple = self._factor * 2 ** (len(checkpoint.unet.config.block_out_channels) - 1)
        text_kind = torch.float32 if plan.text_rests else policy.dtype
        checkpoint.text.to(device="cpu" if plan.text_rests else policy.device, dtype=text_kind)
        self.networks = Networks(checkpoint, self.policy, self._remark)
        self.networks.decode_alone = plan.decode_alone
        self.loras = Loras(spec.loras, checkpoint.unet, checkpoint.text)
        self._text = TextEncoder(checkpoint.tokenizer, checkpoint.text)
        self._scheduler: Any = make_scheduler(spec.scheduler, checkpoint.scheduler)
        # MPS lacks some of what complex spectra need
        phase_device = "cpu" if policy.device.type == "mps" else policy.device
        self.codec = RiffusionCodec(checkpoint.params, phase_device)
        self._finisher = Postprocessor(self.codec.device, LOUDNESS_LUFS)
        self._seeds = InitReader(self.codec)
        told = " ".join(str(lora) for lora in spec.loras)
        self.weights_digest = checkpoint.digest if not told else f"{checkpoint.digest} {told}"
        self._known_latents: OrderedDict[tuple[object, ...], Tensor] = OrderedDict()
        self._known_pictures: OrderedDict[tuple[object, ...], Tensor] = OrderedDict()
        self._known_inits: OrderedDict[tuple[object, ...], Tensor] = OrderedDict()

    @classmethod
    def load(cls, model: str) -> RiffusionFamily:
        """The family for a preset's ``model``. ``ModelError`` when it cannot be loaded."""
        spec = ModelSpec.parse(model)
        policy = DevicePolicy.choose(spec)
        family = cls(read_checkpoint(spec), spec, policy)
        if policy.graphs or policy.compiled:
            family.warm_up()
        return family

    def warm_up(self) -> None:
        """Render one step of every shape that a set asks for: graphs are captured and kernels built before play."""
        alphas = (0.0, 1 / 8, 1 / 16) if self.policy.bank_batch > 1 else (0.0,)
        for guidance in (7.0, 1.0):
            for alpha in alphas:
                a, b = Point("warm", 0, guidance=guidance), Point("up", 1, guidance=guidance)
                with suppress(RendererError):  # a silent loop has warmed as well as any
                    self.render(RenderRequest(a, b, alpha=alpha, steps=1), lambda: None)
        self._known_latents.clear()
        self._known_pictures.clear()

    @torch.inference_mode()
    def render(self, request: RenderRequest, check: Check) -> Rendition:
        """Render one loop, deterministic for equal requests.

        Raises ``RenderCancelled`` through ``check``, ``RendererError`` when the result is not sound (NaN, silence) or
        the request cannot be met, ``AudioFileError`` when its ``init`` cannot be read.
        """
        return self._render([request.canonical()], check)[0]

    @torch.inference_mode()
    def render_bank(self, requests: Sequence[RenderRequest], check: Check) -> list[Rendition]:
        """Render several loops of one length and tempo, as many at once as the device takes; errors as ``render``."""
        if len({(r.beats, r.bpm, r.sample_rate) for r in requests}) > 1:
            raise RendererError("a bank's loops have one length and one tempo; these differ")
        return self._render([request.canonical() for request in requests], check)

    def _render(self, requests: list[RenderRequest], check: Check) -> list[Rendition]:
        clock, told = _Clock(self.policy.device), len(self.remarks)
        pictures = [self._picture(request, check, clock) for request in requests]
        first = requests[0]
        frames = round(first.beats * 60 * first.sample_rate / first.bpm)
        back, sound = self.networks.ferry.back, self._sound(requests, check, clock)
        done = self._finisher.finish(sound, frames, first.sample_rate)
        renditions = []
        for number, (request, picture) in enumerate(zip(requests, pictures, strict=True)):
            samples = back(done.stems[number]).numpy()
            mel = back(1.0 - picture[0].mean(dim=0).T).numpy()
            lufs, peak, unread = done.lufs[number], done.peaks[number], self._read(request).unread
            renditions.append(Rendition(request, samples, mel, None, lufs, peak, RenderCost(), unread))
        clock.lap("phase")
        cost = RenderCost(**{part: seconds / len(requests) for part, seconds in clock.seconds.items()})
        return [replace(rendition, cost=cost, remarks=tuple(self.remarks[told:])) for rendition in renditions]

    def _sound(self, requests: list[RenderRequest], check: Check, clock: _Clock) -> Tensor:
        """``(batch, channels, frames)`` at the pictures' own rate; what is redreamt starts from the phase it had."""
        pictures = torch.cat([self._picture(request, check, clock) for request in requests])
        frames = round(requests[0].beats * 60 * self.params.sample_rate / requests[0].bpm)
        again = [bool(request.redreams) for request in requests]
        near = None
        if all(again):
            before = [replace(request, redreams=request.redreams[:-1]) for request in requests]
            near = self._sound(before, check, clock)
        elif any(again):
            return torch.cat([self._sound([request], check, clock) for request in requests])
        check()
        return self._within_memory(lambda _: self.codec.decode(pictures, frames, near, PHASE_ITERATIONS), 1)

    # --- pictures ---------------------------------------------------------------------------------------------------

    def _picture(self, request: RenderRequest, check: Check, clock: _Clock) -> Tensor:
        """``(1, channels, bands, columns)`` for the codec, on the device."""
        key = self._key(request)
        found = self._known_pictures.get(key)
        if found is None:
            latents = self._latents_of(request, check, clock)
            clock.lap("denoise")
            check()
            painted = self._within_memory(lambda batch: self.networks.decode(latents), 1).flip(2)
            found = painted[:, 1:] if self.channels == 2 else painted.mean(dim=1, keepdim=True)
            if request.redreams:
                base = self._picture(replace(request, redreams=request.redreams[:-1]), check, clock)
                found = torch.lerp(base, found, mask_of(request.redreams[-1], request.beats, self.params).to(found))
            clock.lap("decode")
        return _keep(self._known_pictures, key, found)

    def _key(self, request: RenderRequest) -> tuple[object, ...]:
        stamp = Start.parse(request.init).stamp() if request.init else ()
        return picture_of(request), stamp

    def _latents_of(self, request: RenderRequest, check: Check, clock: _Clock) -> Tensor:
        key = self._key(request)
        if key not in self._known_latents:
            bank = [replace(request, alpha=alpha) for alpha in self._together(request)]
            self._dream_all(bank, check, clock)
        return _keep(self._known_latents, key, self._known_latents[key])

    def _together(self, request: RenderRequest) -> tuple[float, ...]:
        """The alphas to dream with ``request``: only those that take the same weights through the same steps."""
        a, b = (Prompt.parse(point.prompt).loras for point in (request.start, request.end))
        same = dict(a) == dict(b) and (not request.init or request.start.strength == request.end.strength)
        same = same and not request.redreams
        return bank_of(request.alpha) if same and self.policy.bank_batch > 1 else (request.alpha,)

    def _dream_all(self, requests: list[RenderRequest], check: Check, clock: _Clock) -> None:
        """Dream every one of ``requests``, which differ in alpha alone, in as few batches as memory allows."""
        finished = 0

        def work(batch: int) -> Tensor:
            return self._dream_batch(requests[finished : finished + batch], check, clock)

        while finished < len(requests):
            done = self._within_memory(work, min(self.policy.bank_batch, len(requests) - finished))
            for request, latents in zip(requests[finished:], done.split(1), strict=False):
                _keep(self._known_latents, self._key(request), latents)
            finished += len(done)

    def _dream_batch(self, requests: list[RenderRequest], check: Check, clock: _Clock) -> Tensor:
        wish, shape = self._wish(requests, clock)
        if requests[0].redreams:
            base = replace(requests[0], redreams=requests[0].redreams[:-1])
            again = requests[0].redreams[-1]
            mask = mask_of(again, base.beats, self.params)
            wish = replace(
                wish,
                noise=replace(wish.noise, take=again.take),
                init=self._latents_of(base, check, clock),
                strength=1.0,
                mask=latent_mask(mask, *shape[1:]).to(self.policy.device),
            )
        return dream(wish, self.networks, self._scheduler, check, shape)

    def _within_memory(self, work: Callable[[int], Tensor], batch: int) -> Tensor:
        """``work(batch)``, and again with half the loops each time that memory runs out."""
        while True:
            try:
                return work(batch)
            except torch.OutOfMemoryError as error:
                self.networks.forget()
                if batch == 1:
                    if self.networks.decode_alone:
                        raise RendererError(
                            "the device has no memory left for a single loop; close what else uses it, allow more "
                            "(vram=), or play on the CPU (device=cpu)"
                        ) from error
                    self.networks.decode_alone = True
                    self._remark("memory ran out: pictures are decoded one by one from now on")
                    continue
                batch = (batch + 1) // 2
                self.policy = replace(self.policy, bank_batch=batch)
                self._remark(f"memory ran out: {batch} loops at once from now on")

    def _remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks.append(text)

    # --- what a batch is made from ----------------------------------------------------------------------------------

    def _wish(self, requests: list[RenderRequest], clock: _Clock) -> tuple[Dream, tuple[int, int, int]]:
        first = requests[0]
        if first.steps < 1:
            raise RendererError(f"steps is {first.steps}; at least 1 is needed")
        columns = first.beats * COLUMNS_PER_BEAT
        if not 0 < columns <= MOST_COLUMNS or columns % self._multiple:
            raise RendererError(
                f"{first.beats} beats are a picture of {columns} columns; multiples of {self._multiple} up to "
                f"{MOST_COLUMNS} can be dreamt"
            )
        words = self._read(first)
        a, b = (self.loras.wanted(dict(prompt.loras)) for prompt in words.prompts)
        self.loras.apply({name: lerp(a[name], b[name], first.alpha) for name in a})
        text, negative = self._embed(requests, words)
        clock.lap("text")
        init, mask = self._init(first, columns)
        wish = Dream(
            text=text,
            negative=negative,
            guidance=torch.tensor([lerp(r.start.guidance, r.end.guidance, r.alpha) for r in requests]),
            noise=Noise(tuple((r.start.seed, r.end.seed, r.alpha) for r in requests)),
            steps=first.steps,
            init=init,
            strength=lerp(first.start.strength, first.end.strength, first.alpha),
            mask=mask,
        )
        return wish, (self._latents, self.params.num_frequencies // self._factor, columns // self._factor)

    def _read(self, request: RenderRequest) -> _Words:
        points = (request.start, request.end)
        prompts, negatives = [Prompt.parse(p.prompt) for p in points], [Prompt.parse(p.negative) for p in points]
        unread = [self._text.unread(prompt) for prompt in (*prompts, *negatives)]
        unread += [f"<lora:{name}>" for p in prompts for name in self.loras.unknown(dict(p.loras))]
        return _Words(
            (prompts[0], prompts[1]), (negatives[0], negatives[1]), tuple(dict.fromkeys(filter(None, unread)))
        )

    def _embed(self, requests: list[RenderRequest], words: _Words) -> tuple[Tensor, Tensor]:
        every = (*words.prompts, *words.negatives)
        chunks = max(self._text.chunks(prompt) for prompt in every)
        found = [self._text.encode(p, chunks, self.loras.state).to(self.policy.device) for p in every]
        alphas = [request.alpha for request in requests]
        return (
            torch.cat([torch.lerp(found[0], found[1], alpha) for alpha in alphas]),
            torch.cat([torch.lerp(found[2], found[3], alpha) for alpha in alphas]),
        )

    def _init(self, request: RenderRequest, columns: int) -> tuple[Tensor | None, Tensor | None]:
        """Latents ``(1, …)`` of what the request starts from, and the mask over them, where there are such."""
        if not request.init:
            return None, None
        start = Start.parse(request.init)
        key = (*start.stamp(), request.beats, request.tempo_dreamt)
        found = self._known_inits.get(key)
        if found is None:
            picture = self._seeds.read(start, request.beats, request.tempo_dreamt)
            found = self.networks.encode(picture.expand(-1, 3, -1, -1).flip(2).to(self.policy.device))
        _keep(self._known_inits, key, found)
        mask = self._seeds.read_mask(start, columns)
        if mask is None:
            return found, None
        return found, latent_mask(mask, *found.shape[2:]).to(self.policy.device)


class _Clock:
    """Seconds by part; waits for the device at the borders of parts, never inside one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """What has passed since the last lap was ``part``."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now


def _keep(shelf: OrderedDict[Any, Kept], key: object, value: Kept) -> Kept:
    shelf[key] = value
    shelf.move_to_end(key)
    if len(shelf) > _KEPT:
        shelf.popitem(last=False)
    return value
