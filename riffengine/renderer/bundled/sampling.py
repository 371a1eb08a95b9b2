"""Sampler: what the words become before they sound. Words → score → latents, and parts of both dreamt again.

Everything follows from the request alone; what was dreamt before is kept, so a new key, tempo or sample rate, or one
more part dreamt again, costs only its own share.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.processes.render_messages import Point, Redream, RenderRequest
from riffengine.renderer.bundled import conditioning as cond
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.flow_transformer import FlowTransformer
from riffengine.renderer.bundled.keys import Key, parse_key
from riffengine.renderer.bundled.latent_codec import LatentCodec
from riffengine.renderer.bundled.loop_lengths import LOOP_BEATS
from riffengine.renderer.bundled.revoicing import major_scale, revoice
from riffengine.renderer.bundled.score import Score
from riffengine.renderer.bundled.stages import (
    SCORE_SHIFT,
    SOUND_SHIFT,
    Kept,
    Told,
    guided,
    run,
    score_from_flow,
    score_to_flow,
)
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.family import Check
from riffengine.renderer.interpolation import lerp, slerp

SCORE_STEPS = 12  # never fewer for a draft: a draft and its refinement must play the same notes
SCORE_GUIDANCE = 4.0
_KEPT = 64  # dreams kept of each kind; a score is 21 kB, latents 39 kB
_SCORE_STREAM, _SOUND_STREAM = 0, 1
_T = TypeVar("_T")
_TAKE = 0x9E3779B97F4A7C15  # far apart, so that no take of one seed is the first of another


@dataclass(frozen=True)
class Heard:
    """What the listener made of audio that a dream starts from: a score at sounding pitch, and latents."""

    score: Tensor
    latents: Tensor


@dataclass(frozen=True)
class Dream:
    """A loop before it sounds: ``score`` ``(T, 166)`` at sounding pitch, ``latents`` ``(1, T, channels)``.

    ``silent`` are the stems for which the score has no note: they are not to sound at all.
    """

    score: Tensor
    latents: Tensor
    silent: tuple[str, ...]


Hear = Callable[[RenderRequest], Heard]


class Sampler:
    """The two stages and their memory. Renderer process, one thread at a time."""

    def __init__(self, score: FlowTransformer, render: FlowTransformer, space: LatentCodec, words: Vocabulary) -> None:
        self._score_net, self._render_net, self._space, self._words = score, render, space, words
        self._scores: OrderedDict[RenderRequest, Tensor] = OrderedDict()
        self._dreams: OrderedDict[RenderRequest, Dream] = OrderedDict()

    def dream(self, request: RenderRequest, check: Check, tune: Score | None, hear: Hear) -> Dream:
        """The dream of a canonical ``request``; of ``tune``, a score in the home key, if there is one.

        ``hear`` is asked when the request starts from audio. Raises ``RenderCancelled`` through ``check``,
        ``RendererError`` for a request that cannot be dreamt, and what ``hear`` raises.
        """
        named = replace(request, bpm=request.tempo_dreamt, dreamt_bpm=0.0, sample_rate=0, phase_from_ends=False)
        if tune is None and named in self._dreams:  # only the tempo or the rate is another
            self._dreams.move_to_end(named)
            return self._dreams[named]
        if request.steps < 1:
            raise RendererError(f"steps is {request.steps}; at least 1 is needed")
        if request.beats not in LOOP_BEATS:
            allowed = ", ".join(map(str, LOOP_BEATS))
            raise RendererError(f"a loop of {request.beats} beats cannot be dreamt; choose one of {allowed}")
        first: Dream | None = None
        if request.redreams:
            first = self.dream(replace(request, redreams=request.redreams[:-1]), check, tune, hear)
        heard = hear(request) if request.init and first is None else None
        score = self._sounding_score(request, check, tune) if heard is None else heard.score
        if first is not None and request.init:
            score = first.score  # the notes that were heard stay; their sound is dreamt again
        latents = self._dream_sound(request, check, score, heard, first)
        dream = Dream(score, latents, () if request.init else self._silent(score))
        if tune is None:
            _keep(self._dreams, named, dream)
        return dream

    def unknown_words(self, request: RenderRequest) -> tuple[str, ...]:
        """The words of the request's prompts that the model does not know, each once."""
        texts = (request.start.prompt, request.end.prompt, request.start.negative, request.end.negative)
        return tuple(dict.fromkeys(word for text in texts for word in self._words.parse(text).unknown))

    # --- the score -----------------------------------------------------------------------------------------------

    def _sounding_score(self, request: RenderRequest, check: Check, tune: Score | None) -> Tensor:
        key = parse_key(request.key)
        home = self._home_score(request, key, check).numpy() if tune is None else tune
        shift = key.shift + request.transpose
        score = sheet.transpose(home, shift)
        if request.harmony:
            score = revoice(score, request.harmony, major_scale(shift))
        return torch.from_numpy(score)

    def _home_score(self, request: RenderRequest, key: Key, check: Check) -> Tensor:
        """The score ``(T, 166)`` in the home key. Tempo, step count and key do not change a tune."""
        tune_only = replace(request, bpm=120.0, dreamt_bpm=0.0, sample_rate=0, steps=0, transpose=0, harmony=())
        named = replace(tune_only, key=key.mode, brightness=0.0, phase_from_ends=False)
        if named in self._scores:
            self._scores.move_to_end(named)
            return self._scores[named]
        net = self._score_net
        shape = (1, request.beats * sheet.STEPS_PER_BEAT, sheet.COLUMNS)
        start = self._noise(request, shape, _SCORE_STREAM)
        kept = None
        if request.redreams:
            *before, again = request.redreams
            first = self._home_score(replace(request, redreams=tuple(before)), key, check)
            mask = torch.zeros(shape[1:], dtype=torch.bool)
            for stem in again.stems:
                for columns in sheet.STEM_COLUMNS.get(stem, ()):
                    mask[:, columns] = True
            mask &= _fresh_steps(again, request.beats)[:, None]
            other = self._noise(request, shape, _SCORE_STREAM, again.take)
            start = torch.where(mask, other, start)
            kept = Kept(~mask, score_to_flow(first)[None])
        toward, away = self._texts(net, request)
        told = Told(toward, self._scalars(request, 120.0, key.mode_sign, 0.0))
        untold = Told(away, self._scalars(_plain(request), 120.0, key.mode_sign, 0.0))
        velocity = guided(net, told, untold, SCORE_GUIDANCE)
        score = score_from_flow(run(velocity, start, SCORE_STEPS, check, shift=SCORE_SHIFT, kept=kept))[0]
        _keep(self._scores, named, score)
        return score

    # --- the sound -----------------------------------------------------------------------------------------------

    def _dream_sound(
        self, request: RenderRequest, check: Check, score: Tensor, heard: Heard | None, first: Dream | None
    ) -> Tensor:
        net = self._render_net
        shape = (1, request.beats * sheet.STEPS_PER_BEAT, net.shape.channels)
        start = self._noise(request, shape, _SOUND_STREAM)
        kept = None
        init = None if heard is None else heard.latents
        strength = lerp(request.start.strength, request.end.strength, request.alpha)
        if first is not None:
            again = request.redreams[-1]
            mask = torch.zeros(shape[1:], dtype=torch.bool)
            for stem in again.stems:
                if stem in self._space.names:
                    mask[:, self._space.columns(stem)] = True
            mask &= _fresh_steps(again, request.beats)[:, None]
            start = torch.where(mask, self._noise(request, shape, _SOUND_STREAM, again.take), start)
            kept = Kept(~mask, first.latents)
        # A score without a note would sound as silence: then the words alone say what to play.
        known = torch.full((1, len(cond.PARTS)), float(score.any()))
        toward, away = self._texts(net, request)
        bpm = request.tempo_dreamt
        told = Told(
            toward, self._scalars(request, bpm, 0.0, request.brightness), cond.score_context(score[None], known)
        )
        # Guidance leads away from an untold score as well: the notes come out clearer, in tune and at no cost.
        nothing = cond.score_context(score[None], torch.zeros_like(known))
        untold = Told(away, self._scalars(_plain(request), bpm, 0.0, 0.0), nothing)
        guidance = lerp(request.start.guidance, request.end.guidance, request.alpha)
        velocity = guided(net, told, untold, guidance)
        return run(velocity, start, request.steps, check, init, strength, SOUND_SHIFT, kept)

    def _silent(self, score: Tensor) -> tuple[str, ...]:
        if not score.any():
            return ()
        return tuple(
            stem
            for stem in self._space.names
            if stem in sheet.STEM_COLUMNS and not any(score[:, columns].any() for columns in sheet.STEM_COLUMNS[stem])
        )

    # --- what both stages are told ---------------------------------------------------------------------------------

    @staticmethod
    def _scalars(request: RenderRequest, bpm: float, mode_sign: float, brightness: float) -> Tensor:
        character = torch.tensor([[request.density, brightness, request.energy]])
        return cond.scalars(torch.tensor([bpm]), torch.tensor([mode_sign]), character)

    def _texts(self, net: FlowTransformer, request: RenderRequest) -> tuple[Tensor, Tensor]:
        """What to go towards and what to stay away from, between the two ends."""
        points = (request.start, request.end)
        toward, away = [self._bag(p.prompt) for p in points], [self._bag(p.negative) for p in points]
        return (
            torch.lerp(net.embed_words(toward[0]), net.embed_words(toward[1]), request.alpha),
            torch.lerp(net.embed_words(away[0]), net.embed_words(away[1]), request.alpha),
        )

    def _bag(self, prompt: str) -> Tensor:
        bag = torch.zeros(1, len(self._words))
        for index, weight in self._words.parse(prompt).weights:
            bag[0, index] = weight
        return bag

    @staticmethod
    def _noise(request: RenderRequest, shape: tuple[int, ...], stream: int, take: int = 0) -> Tensor:
        def drawn(point: Point) -> Tensor:
            generator = torch.Generator().manual_seed((point.seed * 2 + stream + take * _TAKE) % 2**63)
            return torch.randn(shape, generator=generator)

        start = drawn(request.start)
        return start if request.start.seed == request.end.seed else slerp(start, drawn(request.end), request.alpha)


def _keep(memory: OrderedDict[RenderRequest, _T], name: RenderRequest, dream: _T) -> None:
    memory[name] = dream
    if len(memory) > _KEPT:
        memory.popitem(last=False)


def _plain(request: RenderRequest) -> RenderRequest:
    """The request with its knobs in the middle: guidance leads away from it, so that a turned knob is heard."""
    return replace(request, density=0.0, energy=0.0)


def _fresh_steps(again: Redream, beats: int) -> Tensor:
    """Which sixteenths of a loop of ``beats`` are dreamt again ``(T,) bool``."""
    fresh = torch.tensor([bool(again.beats >> beat & 1) for beat in range(beats)])
    return fresh.repeat_interleave(sheet.STEPS_PER_BEAT)
