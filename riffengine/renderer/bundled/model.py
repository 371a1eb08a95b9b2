"""BundledModel: the family that ships with the package. Words → score → latents → mel → audio."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.renderer.bundled import conditions as cond
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.keys import Key, parse_key
from riffengine.renderer.bundled.stages import SCORE_SHIFT, guided, run, score_from_flow
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.bundled.weights import Networks, packaged_weights, read_weights
from riffengine.renderer.codec import Codec
from riffengine.renderer.interpolation import lerp, slerp
from riffengine.renderer.loop_audio import read_loop, resample_loop
from riffengine.renderer.loudness import level
from riffengine.renderer.rendition import Check, Rendition
from riffengine.renderer.request import RenderCost, RenderRequest

SCORE_STEPS = 12  # never fewer for a draft: a draft and its refinement must play the same notes
SCORE_GUIDANCE = 2.5
LOUDNESS_LUFS = -16.0
PHASE_ITERATIONS = 8
_KEPT = 64  # scores and mels kept: a new tempo, key or step count plays the tune that was dreamt before
_SCORE_STREAM, _SOUND_STREAM = 0, 1


def noise(shape: tuple[int, ...], seed: int, stream: int) -> Tensor:
    """Gaussian noise named by ``seed``; each stage draws from a stream of its own."""
    generator = torch.Generator().manual_seed((seed * 2 + stream) % 2**63)
    return torch.randn(shape, generator=generator)


class BundledModel:
    """The bundled family: one stem (the mix), mono, 44.1 kHz inside, any tempo by the synthesis hop."""

    name = "bundled"
    stems: tuple[str, ...] = ("mix",)
    channels = 1

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._words = Vocabulary.load()
        self.vocabulary = self._words.words
        self.weights_digest = networks.digest
        self._codec = Codec(networks.codec)
        self._scores: OrderedDict[RenderRequest, Tensor] = OrderedDict()
        self._mels: OrderedDict[RenderRequest, tuple[Tensor, Tensor]] = OrderedDict()

    @classmethod
    def load(cls, path: Path | None = None) -> BundledModel:
        """The model with the weights at ``path``, or those in the package. ``ModelError`` when they cannot be read."""
        return cls(read_weights(path or packaged_weights()))

    @torch.inference_mode()
    def render(self, request: RenderRequest, check: Check, tune: NDArray[np.float32] | None = None) -> Rendition:
        """Render one loop, deterministic for equal requests; ``tune`` is a score to play instead of a dreamt one.

        Raises ``RenderCancelled`` through ``check``, ``RendererError`` when the result is not sound (NaN, silence).
        """
        request = request.canonical()
        clock = [time.perf_counter()]
        weights, empty, unknown = self._read_prompts(request)
        key = parse_key(request.key)
        clock.append(time.perf_counter())
        dream = replace(request, bpm=request.tempo_dreamt, dreamt_bpm=0.0, sample_rate=0)
        kept = self._mels.pop(dream, None) if tune is None else None
        if kept is None:
            score = self._dream_score(request, weights, empty, key, check) if tune is None else _sounding(tune, key)
            latents = self._dream_sound(request, weights, empty, score, check)
            clock.append(time.perf_counter())
            mel = self._networks.lapped.decode(latents)
        else:  # only the tempo is another
            mel, score = kept
            clock.append(time.perf_counter())
        if tune is None:
            self._mels[dream] = mel, score
            if len(self._mels) > _KEPT:
                self._mels.popitem(last=False)
        clock.append(time.perf_counter())
        frames = round(request.beats * 60 * request.sample_rate / request.bpm)
        own_frames = round(frames * self._codec.params.sample_rate / request.sample_rate)
        audio = self._codec.decode(mel, own_frames, iterations=PHASE_ITERATIONS).numpy()
        samples, lufs, peak = level(resample_loop(audio, frames)[:, :, None], LOUDNESS_LUFS, request.sample_rate)
        clock.append(time.perf_counter())
        text, denoise, decode, phase = (float(part) for part in np.diff(clock))
        return Rendition(
            request=request,
            audio=samples,
            mel=mel[0].numpy(),
            score=score.numpy(),
            loudness_lufs=lufs,
            peak=peak,
            cost=RenderCost(text, denoise, decode, phase),
            unknown_words=unknown,
        )

    def encode(self, audio: NDArray[np.float32]) -> Tensor:
        """Latents ``(1, 32, dims)`` of a loop ``(frames,)`` at the model's own rate."""
        return self._networks.lapped.encode(self._codec.encode(torch.from_numpy(audio)[None]))

    @torch.inference_mode()
    def reconstruct(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is left of a loop ``(frames,)`` after latents and phase: the best this model could ever sound."""
        mel = self._networks.lapped.decode(self.encode(audio))
        return np.asarray(self._codec.decode(mel, len(audio), iterations=PHASE_ITERATIONS)[0].numpy())

    def _bag(self, prompt: str) -> tuple[Tensor, tuple[str, ...]]:
        parsed = self._words.parse(prompt)
        bag = torch.zeros(1, len(self._words))
        for index, weight in parsed.weights:
            bag[0, index] = weight
        return bag, parsed.unknown

    def _read_prompts(
        self, request: RenderRequest
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], tuple[str, ...]]:
        points = (request.start, request.end)
        prompts, negatives = [self._bag(p.prompt) for p in points], [self._bag(p.negative) for p in points]
        unknown = dict.fromkeys(word for _, words in prompts + negatives for word in words)
        return (prompts[0][0], prompts[1][0]), (negatives[0][0], negatives[1][0]), tuple(unknown)

    def _dream_score(
        self,
        request: RenderRequest,
        bags: tuple[Tensor, Tensor],
        negatives: tuple[Tensor, Tensor],
        key: Key,
        check: Check,
    ) -> Tensor:
        """The score ``(steps, columns)`` at sounding pitch. Tempo and step count do not change a tune."""
        named = replace(
            request, bpm=120.0, dreamt_bpm=0.0, steps=0, sample_rate=0, key="" if not key.mode else key.mode
        )
        if named not in self._scores:
            net = self._networks.score
            text, empty = self._blend(net.embed_words, request, bags), self._blend(net.embed_words, request, negatives)
            scalars = cond.scalars(torch.tensor([120.0]), torch.tensor([key.mode_sign]))
            start = self._noise(request, (1, sheet.STEPS, sheet.COLUMNS), _SCORE_STREAM)
            velocity = guided(net, text, empty, scalars, None, SCORE_GUIDANCE)
            self._scores[named] = score_from_flow(run(velocity, start, SCORE_STEPS, check, shift=SCORE_SHIFT))[0]
            if len(self._scores) > _KEPT:
                self._scores.popitem(last=False)
        self._scores.move_to_end(named)
        return _sounding(self._scores[named].numpy(), key)

    def _dream_sound(
        self,
        request: RenderRequest,
        bags: tuple[Tensor, Tensor],
        negatives: tuple[Tensor, Tensor],
        score: Tensor,
        check: Check,
    ) -> Tensor:
        net = self._networks.render
        text, empty = self._blend(net.embed_words, request, bags), self._blend(net.embed_words, request, negatives)
        init = None
        # a score without a note would sound as silence: then the words alone say what to play
        known = torch.full((1, len(cond.PARTS)), float(score.any()))
        if request.init:
            own = self._networks.codec.sample_rate
            loop = read_loop(request.init, request.beats, request.tempo_dreamt, own)
            init = self.encode(loop)
            known = torch.zeros_like(known)  # the notes are those of the audio, which nobody has written down
        context = cond.score_context(score[None], known)
        scalars = cond.scalars(torch.tensor([request.tempo_dreamt]), torch.zeros(1))
        start = self._noise(request, (1, sheet.STEPS, net.shape.channels), _SOUND_STREAM)
        guidance = lerp(request.start.guidance, request.end.guidance, request.alpha)
        strength = lerp(request.start.strength, request.end.strength, request.alpha)
        if request.steps < 1:
            raise RendererError(f"steps is {request.steps}; at least 1 is needed")
        velocity = guided(net, text, empty, scalars, context, guidance)
        return run(velocity, start, request.steps, check, init, strength)

    @staticmethod
    def _blend(embed: object, request: RenderRequest, bags: tuple[Tensor, Tensor]) -> Tensor:
        a, b = (embed(bag) for bag in bags)  # type: ignore[operator]
        return torch.lerp(a, b, request.alpha)

    @staticmethod
    def _noise(request: RenderRequest, shape: tuple[int, ...], stream: int) -> Tensor:
        start = noise(shape, request.start.seed, stream)
        if request.start.seed == request.end.seed:
            return start
        return slerp(start, noise(shape, request.end.seed, stream), request.alpha)


def _sounding(score: NDArray[np.float32], key: Key) -> Tensor:
    """A score in the home key, moved to where it sounds."""
    return torch.from_numpy(sheet.transpose(score, key.shift))
