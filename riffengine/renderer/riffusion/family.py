"""RiffusionFamily: spectrogram checkpoints behind the engine's ``Family`` protocol."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.processes.render_messages import RenderCost
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.checkpoints.lap_timer import LapTimer
from riffengine.renderer.checkpoints.noise_schedulers import make_scheduler
from riffengine.renderer.family import Check, Rendition
from riffengine.renderer.levelling import LOUDNESS_LUFS
from riffengine.renderer.riffusion.bands import BANDS
from riffengine.renderer.riffusion.checkpoint import Checkpoint, read_checkpoint
from riffengine.renderer.riffusion.codec import RiffusionCodec
from riffengine.renderer.riffusion.conditioning import Conditioning
from riffengine.renderer.riffusion.device_policy import DevicePolicy, plan_memory
from riffengine.renderer.riffusion.init_image import InitReader
from riffengine.renderer.riffusion.lora import Loras, digest_with_loras
from riffengine.renderer.riffusion.memory_fallback import MemoryFallback, Notices
from riffengine.renderer.riffusion.model_spec import ModelSpec
from riffengine.renderer.riffusion.networks import Networks
from riffengine.renderer.riffusion.picture_sampler import PictureSampler
from riffengine.renderer.riffusion.postprocess import Postprocessor
from riffengine.renderer.riffusion.text_encoder import TextEncoder

PHASE_ITERATIONS = 8


class RiffusionFamily:
    """One checkpoint, ready to render: three frequency bands as stems, mono or stereo as its pictures are.

    A request becomes a picture (``PictureSampler``), the picture audio (``RiffusionCodec``), the audio levelled bands
    (``Postprocessor``). Equal requests give equal samples whatever was rendered before. When memory runs out, batches
    get smaller and ``remarks`` says so. Renderer process; one thread at a time.
    """

    name = "riffusion"
    stems: tuple[str, ...] = BANDS
    vocabulary: tuple[str, ...] = ()  # empty: prompts may use any words

    def __init__(self, checkpoint: Checkpoint, spec: ModelSpec, policy: DevicePolicy) -> None:
        plan = plan_memory(
            spec.vram_bytes, _weights_bytes(checkpoint, policy), policy.bank_batch, _number_bytes(policy)
        )
        self.policy = replace(policy, bank_batch=plan.batch)
        self.device, self.dtype = policy.device, policy.dtype
        if spec.vram_bytes and policy.device.type == "cuda":
            total = torch.cuda.get_device_properties(policy.device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, spec.vram_bytes / total), policy.device)
        self._notices = Notices()
        self.params = checkpoint.params
        self.channels = checkpoint.params.channels
        text_dtype = torch.float32 if plan.text_on_cpu else policy.dtype
        checkpoint.text.to(device="cpu" if plan.text_on_cpu else policy.device, dtype=text_dtype)
        self.networks = Networks(checkpoint, self.policy, self._notices.add)
        self.networks.decode_one_by_one = plan.decode_one_by_one
        loras = Loras(spec.loras, checkpoint.unet, checkpoint.text)
        # MPS lacks some operations on complex spectra.
        phase_device = "cpu" if policy.device.type == "mps" else policy.device
        self.codec = RiffusionCodec(checkpoint.params, phase_device)
        text_encoder = TextEncoder(checkpoint.tokenizer, checkpoint.text)
        self.conditioning = Conditioning(text_encoder, loras, self.networks, InitReader(self.codec))
        self._memory = MemoryFallback(self.networks, plan.batch, self._notices)
        scheduler = make_scheduler(spec.scheduler, checkpoint.scheduler)
        self.pictures = PictureSampler(checkpoint, self.networks, self.conditioning, scheduler, self._memory)
        self._postprocessor = Postprocessor(self.codec.device, LOUDNESS_LUFS)
        self.weights_digest = digest_with_loras(checkpoint.digest, spec.loras)

    @classmethod
    def load(cls, model: str) -> RiffusionFamily:
        """The family for a preset's ``model``. ``ModelError`` when it cannot be loaded."""
        spec = ModelSpec.parse(model)
        policy = DevicePolicy.choose(spec)
        family = cls(read_checkpoint(spec), spec, policy)
        if policy.graphs or policy.compiled:
            family.warm_up()
        return family

    @property
    def remarks(self) -> list[str]:
        """All remarks so far; each rendition has its own."""
        return self._notices.texts

    def warm_up(self) -> None:
        """Render one step of every shape that a set needs, so that graphs and kernels are ready before playing."""
        alphas = (0.0, 1 / 8, 1 / 16) if self._memory.batch > 1 else (0.0,)
        for guidance in (7.0, 1.0):
            for alpha in alphas:
                a, b = MorphEnd("warm", 0, guidance=guidance), MorphEnd("up", 1, guidance=guidance)
                with suppress(RendererError):  # a silent loop warms up as well as any other
                    self.render(RenderRequest(a, b, alpha=alpha, steps=1), lambda: None)
        self.pictures.clear()

    @torch.inference_mode()
    def render(self, request: RenderRequest, check: Check) -> Rendition:
        """Render one loop, deterministic for equal requests.

        Raises ``RenderCancelled`` through ``check``, ``RendererError`` when the result is not usable (NaN, silence) or
        the request cannot be rendered, ``AudioFileError`` when its ``init`` cannot be read.
        """
        return self._render([request.canonical()], check)[0]

    @torch.inference_mode()
    def render_bank(self, requests: Sequence[RenderRequest], check: Check) -> list[Rendition]:
        """Render several loops of one length and tempo, as many at once as possible; errors as in ``render``."""
        if len({(r.beats, r.bpm, r.sample_rate) for r in requests}) > 1:
            raise RendererError("the loops of a bank must have one length and one tempo; these differ")
        return self._render([request.canonical() for request in requests], check)

    def _render(self, requests: list[RenderRequest], check: Check) -> list[Rendition]:
        timer, earlier_remarks = LapTimer(self.policy.device), len(self.remarks)
        pictures = [self.pictures.picture(request, check, timer) for request in requests]
        first = requests[0]
        frames = round(first.beats * 60 * first.sample_rate / first.bpm)
        finished = self._postprocessor.process(self._audio(requests, check, timer), frames, first.sample_rate)
        to_host = self.networks.async_copy.to_host
        renditions = []
        for number, (request, picture) in enumerate(zip(requests, pictures, strict=True)):
            renditions.append(
                Rendition(
                    request=request,
                    audio=to_host(finished.stems[number]).numpy(),
                    mel=to_host(1.0 - picture[0].mean(dim=0).T).numpy(),
                    score=None,
                    loudness_lufs=finished.lufs[number],
                    peak=finished.peaks[number],
                    cost=RenderCost(),
                    unknown_words=self.conditioning.unknown_words(request),
                )
            )
        timer.lap("phase")
        cost = RenderCost(**{phase: seconds / len(requests) for phase, seconds in timer.seconds.items()})
        remarks = tuple(self.remarks[earlier_remarks:])
        return [replace(rendition, cost=cost, remarks=remarks) for rendition in renditions]

    def _audio(self, requests: list[RenderRequest], check: Check, timer: LapTimer) -> Tensor:
        """``(batch, channels, frames)`` at the pictures' sample rate. A retake starts from the phases of its base."""
        pictures = torch.cat([self.pictures.picture(request, check, timer) for request in requests])
        frames = round(requests[0].beats * 60 * self.params.sample_rate / requests[0].bpm)
        is_retake = [bool(request.retakes) for request in requests]
        phase_from = None
        if all(is_retake):
            bases = [replace(request, retakes=request.retakes[:-1]) for request in requests]
            phase_from = self._audio(bases, check, timer)
        elif any(is_retake):
            return torch.cat([self._audio([request], check, timer) for request in requests])
        check()
        return self._memory.run(lambda _: self.codec.decode(pictures, frames, phase_from, PHASE_ITERATIONS), 1)


def _number_bytes(policy: DevicePolicy) -> int:
    return torch.finfo(policy.dtype).bits // 8


def _weights_bytes(checkpoint: Checkpoint, policy: DevicePolicy) -> dict[str, int]:
    """Bytes of every part in the precision in which it runs, which may differ from that of its file."""
    return {
        part: sum(p.numel() for p in model.parameters()) * _number_bytes(policy)
        for part in ("text", "unet", "vae", "tiny")
        if (model := getattr(checkpoint, part)) is not None
    }
