"""WaveformFamily: checkpoints that generate waveforms, or latents of them, behind the engine's ``Family`` protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.processes.audio import Samples
from riffengine.processes.render_messages import RenderCost
from riffengine.processes.render_request import DEFAULT_LOOP_BEATS, RENDER_CONTROLS, MorphEnd, RenderRequest, Retake
from riffengine.renderer.cache import LruCache
from riffengine.renderer.checkpoints.lap_timer import LapTimer
from riffengine.renderer.codec import Codec, CodecParams
from riffengine.renderer.family import Check, Rendition
from riffengine.renderer.interpolation import lerp
from riffengine.renderer.levelling import LOUDNESS_LUFS, level
from riffengine.renderer.loop_audio import resample_loop
from riffengine.renderer.time_stretch import stretch_loop
from riffengine.renderer.waveform.canvas import canvas_length, nearest_canvas, played_tempo, told_text
from riffengine.renderer.waveform.init_audio import InitAudio
from riffengine.renderer.waveform.loading import Loaded, load_networks
from riffengine.renderer.waveform.networks import Condition
from riffengine.renderer.waveform.noise import MorphNoise
from riffengine.renderer.waveform.sampling import SampleJob, TokenNetworks, sample
from riffengine.renderer.waveform.waveform_spec import WaveformSpec

_CACHED_LOOPS = 32  # as latents, and as sound of 1.4 MB a loop
_CACHED_INITS = 4  # a morph needs one for each length of its canvas, and two decks may have one each
_EDGE_SECONDS = 0.005  # over which what is rendered again fades into what stays
STEM = "mix"


class WaveformFamily:
    """One checkpoint, ready to render loops of one stem. Equal requests give equal samples, whatever came before.

    A request becomes a canvas of whole latents, the canvas a circular loop, and the loop is stretched by what the
    canvas was rounded, and by what the model plays another tempo than it was told. Renderer process; one thread.
    """

    name = "waveform"
    stems: tuple[str, ...] = (STEM,)
    vocabulary: tuple[str, ...] = ()  # empty: prompts may use any words

    def __init__(self, loaded: Loaded, spec: WaveformSpec) -> None:
        self.networks = loaded.networks
        self.device, self.dtype = loaded.networks.device, loaded.networks.dtype
        if loaded.networks.takes_steps or spec.scheduler != "own":
            self.schedule = loaded.networks.make_schedule(spec.scheduler)
        self.channels = loaded.networks.channels
        self.weights_digest = loaded.digest
        self._measures = spec.tempo == "measured"
        self._latents: LruCache[tuple[object, ...], Tensor] = LruCache(_CACHED_LOOPS)
        self._sounds: LruCache[tuple[object, ...], Samples] = LruCache(_CACHED_LOOPS)
        self._inits: LruCache[tuple[object, ...], Tensor] = LruCache(_CACHED_INITS)
        self._mels: LruCache[tuple[int, int], Codec] = LruCache(4)

    @classmethod
    def load(cls, model: str) -> WaveformFamily:
        """The family for a preset's ``model``. ``ModelError`` when it cannot be loaded."""
        spec = WaveformSpec.parse(model)
        return cls(load_networks(spec), spec)

    @torch.inference_mode()
    def render(self, request: RenderRequest, check: Check) -> Rendition:
        """Render one loop, deterministic for equal requests.

        Raises ``RenderCancelled`` through ``check``, ``RendererError`` when the result is not usable (NaN, silence) or
        the request cannot be rendered, ``AudioFileError`` when its ``init`` cannot be read.
        """
        request = request.canonical()
        if request.steps < 1:
            raise RendererError(f"steps is {request.steps}; at least 1 is needed")
        timer = LapTimer(self.networks.device)
        musical = _musical(request)
        loop = self._loop(musical if self.networks.takes_steps else replace(musical, steps=1), check, timer)
        check()
        frames = round(request.beats * 60 * request.sample_rate / request.bpm)
        own = round(frames * self.networks.sample_rate / request.sample_rate)
        stretched = stretch_loop(loop, own, self.networks.sample_rate)
        audio = np.ascontiguousarray(resample_loop(np.ascontiguousarray(stretched.T), frames).T)
        levelled = level(audio[None], LOUDNESS_LUFS, request.sample_rate)
        mel = self._mel(levelled.audio[0], request)
        timer.lap("phase")
        texts = dict.fromkeys((request.start.prompt, request.end.prompt))
        unread = dict.fromkeys(filter(None, (self.networks.unread(text) for text in texts)))
        return Rendition(
            request=request,
            audio=levelled.audio,
            mel=mel,
            score=None,
            loudness_lufs=levelled.loudness_lufs,
            peak=levelled.peak,
            cost=RenderCost(**timer.seconds),
            unknown_words=tuple(unread),
        )

    def _loop(self, request: RenderRequest, check: Check, timer: LapTimer) -> Samples:
        """The whole canvas of ``request`` as ``(frames, channels)`` at the model's rate."""
        length = nearest_canvas(request.beats, self._tempo(request, check, timer), self.networks)
        return self._sound(request, length, check, timer)

    def _tempo(self, request: RenderRequest, check: Check, timer: LapTimer) -> float:
        """The tempo that the canvas has: the told one, or what the ends of the morph play, between them by alpha.

        So every loop of a morph has nearly the same canvas, and with it nearly the same noise.
        """
        told = request.source_tempo
        length = canvas_length(request.beats, told, self.networks)
        if not self._measures:
            return told
        tempos = []
        for end in dict.fromkeys((request.start, request.end)):
            alone = replace(request, start=end, end=end, alpha=0.0, retakes=()).canonical()
            sound = self._sound(alone, length, check, timer)
            tempos.append(played_tempo(sound, self.networks.sample_rate, told))
        return lerp(tempos[0], tempos[-1], request.alpha)

    def _sound(self, request: RenderRequest, length: int, check: Check, timer: LapTimer) -> Samples:
        key = (*_cache_key(request), length)
        cached = self._sounds.get(key)
        if cached is not None:
            return cached
        latents = self._sampled(request, length, check, timer)
        timer.lap("denoise")
        check()
        sound = np.ascontiguousarray(self.networks.decode(latents)[0].T.cpu().numpy())
        if request.retakes:
            base = self._sound(replace(request, retakes=request.retakes[:-1]), length, check, timer)
            again = _taken(request.retakes[-1], request.beats, len(sound), self.networks.sample_rate)
            sound = base + again[:, None] * (sound - base)
        timer.lap("decode")
        return self._sounds.put(key, sound)

    def _sampled(self, request: RenderRequest, length: int, check: Check, timer: LapTimer) -> Tensor:
        key = (*_cache_key(request), length)
        cached = self._latents.get(key)
        if cached is not None:
            return cached
        told = request.for_last_retake()
        start, end, alpha = told.start, told.end, told.alpha
        seconds = length * self.networks.hop / self.networks.sample_rate
        noise = MorphNoise(start.seed, end.seed, alpha)
        job = SampleJob(
            length=length,
            condition=self._condition(told, start, seconds).towards(self._condition(told, end, seconds), alpha),
            noise=noise,
            steps=request.steps,
            guidance=lerp(start.guidance, end.guidance, alpha),
        )
        timer.lap("text")
        if request.retakes:
            again = request.retakes[-1]
            job = replace(
                job,
                noise=replace(noise, take=again.number),
                init=self._sampled(replace(request, retakes=request.retakes[:-1]), length, check, timer),
                mask=_taken_latents(again, request.beats, length).to(self.networks.device),
            )
        elif request.init:
            strength = lerp(start.strength, end.strength, alpha)
            job = replace(job, init=self._init(request, length), strength=strength)
        if self.networks.takes_steps:
            return self._latents.put(key, sample(job, self.networks, self.schedule, check))
        return self._latents.put(key, cast(TokenNetworks, self.networks).sample(job, check))

    def _condition(self, request: RenderRequest, end: MorphEnd, seconds: float) -> Condition:
        return self.networks.condition(told_text(request, end), end.negative.strip(), seconds)

    def _init(self, request: RenderRequest, length: int) -> Tensor:
        source, own = InitAudio.parse(request.init), self.networks
        key = (source.file_state(), request.beats, request.source_tempo, length)
        encoded = self._inits.get(key)
        if encoded is not None:
            return encoded
        sound = source.read(request.beats, request.source_tempo, own.sample_rate, own.channels, length * own.hop)
        return self._inits.put(key, own.encode(sound))

    def _mel(self, mix: Samples, request: RenderRequest) -> np.ndarray[Any, np.dtype[np.float32]]:
        key = (request.sample_rate, request.beats)
        codec = self._mels.get(key) or self._mels.put(key, Codec(_mel_params(*key)))
        mel = codec.encode(torch.from_numpy(np.ascontiguousarray(mix.mean(axis=1)))[None])[0]
        return np.asarray(mel.numpy(), np.float32)


def _mel_params(sample_rate: int, beats: int) -> CodecParams:
    """Of the picture of a loop: as many frames a beat as the bundled model's."""
    frames = CodecParams().frames // DEFAULT_LOOP_BEATS * beats
    return CodecParams(sample_rate=sample_rate, frames=frames, fmax=min(16000.0, sample_rate / 2))


def _musical(request: RenderRequest) -> RenderRequest:
    """The request with all that the canvas does not depend on at a standard: tempo and rate come in afterwards."""
    plain: dict[str, Any] = {c.name: c.default for c in RENDER_CONTROLS if c.name != "transpose"}
    transpose = request.transpose if request.key else 0
    return replace(
        request, bpm=request.source_tempo, source_bpm=0.0, sample_rate=0, chords=(), phase_from_ends=False,
        **plain | {"transpose": transpose},
    )  # fmt: skip


def _cache_key(request: RenderRequest) -> tuple[object, ...]:
    return request.canonical(), InitAudio.parse(request.init).file_state() if request.init else ()


def _taken(retake: Retake, beats: int, frames: int, sample_rate: int) -> Samples:
    """``(frames,)``: 1 on the beats of ``retake``, else 0, with short fades. ``RendererError`` for another stem."""
    if STEM not in retake.stems:
        raise RendererError(f"there is no stem {retake.stems[0]!r}; a model of waveforms has {STEM}")
    beat = np.arange(frames) * beats // frames
    hard = np.array([retake.beats >> number & 1 for number in range(beats)], np.float64)[beat]
    width = max(1, round(_EDGE_SECONDS * sample_rate)) | 1
    window = np.hanning(width + 2)[1:-1]
    around = np.take(hard, np.arange(-(width // 2), frames + width // 2), mode="wrap")
    return np.convolve(around, window / window.sum(), "valid").astype(np.float32)


def _taken_latents(retake: Retake, beats: int, length: int) -> Tensor:
    """``(1, 1, length)``: 1 for every latent that a beat of ``retake`` touches."""
    first = np.arange(length) * beats / length
    last = (np.arange(length) + 1) * beats / length - 1e-9
    touched = [
        any(retake.beats >> beat & 1 for beat in range(int(a), int(b) + 1)) for a, b in zip(first, last, strict=True)
    ]
    return torch.tensor(touched, dtype=torch.float32)[None, None]
