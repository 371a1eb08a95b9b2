"""Sampler: words → score → latents, and retakes of parts of both.

Every result depends on the request alone. Earlier results are cached, so a new key, tempo or sample rate, or one more
retake, costs only its own share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.processes.render_request import LOOP_BEATS, MorphEnd, RenderRequest, Retake
from riffengine.renderer.bundled import conditioning as cond
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.encoder import EncodedLoop
from riffengine.renderer.bundled.flow_transformer import FlowTransformer
from riffengine.renderer.bundled.keys import Key, parse_key
from riffengine.renderer.bundled.latent_codec import LatentCodec
from riffengine.renderer.bundled.revoicing import major_scale, revoice
from riffengine.renderer.bundled.score import Score
from riffengine.renderer.bundled.stages import (
    SCORE_SHIFT,
    SOUND_SHIFT,
    Condition,
    Inpainting,
    as_trained,
    guided_velocity,
    sample_flow,
    score_from_flow,
    score_to_flow,
)
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.cache import LruCache
from riffengine.renderer.family import Check
from riffengine.renderer.interpolation import lerp, slerp

SCORE_STEPS = 12  # for drafts too: a draft and its refinement must play the same notes
SCORE_GUIDANCE = 4.0
_CACHE_SIZE = 64  # of scores (21 kB each) and of sampled loops (latents: 39 kB each)
_SCORE_STREAM, _LATENT_STREAM = 0, 1  # random streams of a seed
_TAKE_SEED_STEP = 0x9E3779B97F4A7C15  # takes of a seed are far apart, so that none equals another seed's first take


@dataclass(frozen=True)
class SampledLoop:
    """A loop before it becomes audio: ``score`` ``(T, 166)`` at sounding pitch, ``latents`` ``(1, T, channels)``.

    ``silent`` are the stems for which the score has no note; they are rendered as silence.
    """

    score: Tensor
    latents: Tensor
    silent: tuple[str, ...]


InitEncoder = Callable[[RenderRequest], EncodedLoop]
"""Reads and encodes the audio that a request starts from (its ``init``)."""


class Sampler:
    """The two stages and the cache of their results. Renderer process, one thread at a time."""

    def __init__(self, score: FlowTransformer, render: FlowTransformer, codec: LatentCodec, words: Vocabulary) -> None:
        self._score_net, self._render_net, self._codec, self._words = score, render, codec, words
        self._scores: LruCache[RenderRequest, Tensor] = LruCache(_CACHE_SIZE)
        self._loops: LruCache[RenderRequest, SampledLoop] = LruCache(_CACHE_SIZE)

    def sample(
        self, request: RenderRequest, check: Check, given_score: Score | None, encode_init: InitEncoder
    ) -> SampledLoop:
        """Sample the loop of a canonical ``request``, or of ``given_score``, a score in the home key.

        ``encode_init`` is called when the request starts from audio. Raises ``RenderCancelled`` through ``check``,
        ``RendererError`` for a request that cannot be rendered, and the errors of ``encode_init``.
        """
        # Final tempo and sample rate do not change score and latents.
        key = replace(request, bpm=request.source_tempo, source_bpm=0.0, sample_rate=0, phase_from_ends=False)
        if given_score is None and (cached := self._loops.get(key)) is not None:
            return cached
        if request.steps < 1:
            raise RendererError(f"steps is {request.steps}; at least 1 is needed")
        if request.beats not in LOOP_BEATS:
            allowed = ", ".join(map(str, LOOP_BEATS))
            raise RendererError(f"a loop of {request.beats} beats cannot be generated; choose one of {allowed}")
        base: SampledLoop | None = None  # what the last retake changes a part of
        if request.retakes:
            base = self.sample(replace(request, retakes=request.retakes[:-1]), check, given_score, encode_init)
        init = encode_init(request) if request.init and base is None else None
        score = self._score(request, check, given_score) if init is None else init.score
        if base is not None and request.init:
            score = base.score  # the notes of the init audio stay; a retake changes only their sound
        latents = self._sample_latents(request, check, score, init, base)
        loop = SampledLoop(score, latents, () if request.init else self._silent_stems(score))
        if given_score is None:
            self._loops.put(key, loop)
        return loop

    def unknown_words(self, request: RenderRequest) -> tuple[str, ...]:
        """The words of the request's prompts that the model does not know, each once."""
        ends = (request.start, request.end)
        texts = [point.prompt for point in ends] + [point.negative for point in ends]
        texts += [retake.prompt for retake in request.retakes]
        return tuple(dict.fromkeys(word for text in texts for word in self._words.parse(text).unknown))

    # --- the score -----------------------------------------------------------------------------------------------

    def _score(self, request: RenderRequest, check: Check, given_score: Score | None) -> Tensor:
        """The score ``(T, 166)`` at sounding pitch: transposed, and following the request's chords."""
        key = parse_key(request.key)
        home = self._home_score(request, key, check).numpy() if given_score is None else given_score
        shift = key.shift + request.transpose
        score = sheet.transpose(home, shift)
        if request.chords:
            score = revoice(score, request.chords, major_scale(shift))
        return torch.from_numpy(score)

    def _home_score(self, request: RenderRequest, key: Key, check: Check) -> Tensor:
        """The score ``(T, 166)`` in the home key. It does not depend on tempo, number of steps or tonic."""
        notes_only = replace(request, bpm=120.0, source_bpm=0.0, sample_rate=0, steps=0, transpose=0, chords=())
        cache_key = replace(notes_only, key=key.mode, brightness=0.0, phase_from_ends=False)
        if (cached := self._scores.get(cache_key)) is not None:
            return cached
        net = self._score_net
        shape = (1, request.beats * sheet.STEPS_PER_BEAT, sheet.COLUMNS)
        noise = self._noise(request, shape, _SCORE_STREAM)
        inpainting = None
        if request.retakes:
            *earlier, retake = request.retakes
            base = self._home_score(replace(request, retakes=tuple(earlier)), key, check)
            mask = torch.zeros(shape[1:], dtype=torch.bool)
            for stem in _rendered_stems(retake, request.beats, self._silent_stems(base)):
                for columns in sheet.STEM_COLUMNS.get(stem, ()):
                    mask[:, columns] = True
            mask &= _retake_steps(retake, request.beats)[:, None]
            if not mask.any():
                return self._scores.put(cache_key, base)
            noise = torch.where(mask, self._noise(request, shape, _SCORE_STREAM, retake.number), noise)
            inpainting = Inpainting(~mask, score_to_flow(as_trained(base, net.shape))[None])
        asked = request.for_last_retake()
        prompt, negative_prompt = self._embeddings(net, asked)
        positive = Condition(prompt, self._scalars(asked, 120.0, key.mode_sign, 0.0))
        negative = Condition(negative_prompt, self._scalars(_with_neutral_knobs(asked), 120.0, key.mode_sign, 0.0))
        velocity = guided_velocity(net, positive, negative, SCORE_GUIDANCE, self._without_negative(net, asked))
        steps = net.shape.flow_steps or SCORE_STEPS
        sampled = sample_flow(velocity, noise, steps, check, shift=SCORE_SHIFT, inpainting=inpainting)
        return self._scores.put(cache_key, score_from_flow(sampled, net.shape.velocities)[0])

    # --- the latents ---------------------------------------------------------------------------------------------

    def _sample_latents(
        self, request: RenderRequest, check: Check, score: Tensor, init: EncodedLoop | None, base: SampledLoop | None
    ) -> Tensor:
        net = self._render_net
        shape = (1, request.beats * sheet.STEPS_PER_BEAT, net.shape.channels)
        noise = self._noise(request, shape, _LATENT_STREAM)
        inpainting = None
        strength = lerp(request.start.strength, request.end.strength, request.alpha)
        if base is not None:
            retake = request.retakes[-1]
            mask = torch.zeros(shape[1:], dtype=torch.bool)
            for stem in _rendered_stems(retake, request.beats, base.silent):
                if stem in self._codec.names:
                    mask[:, self._codec.columns(stem)] = True
            mask &= _retake_steps(retake, request.beats)[:, None]
            if not mask.any():
                return base.latents
            noise = torch.where(mask, self._noise(request, shape, _LATENT_STREAM, retake.number), noise)
            inpainting = Inpainting(~mask, base.latents)
        # An empty score would be rendered as silence: then the score counts as unknown, and the words alone decide.
        known = torch.full((1, len(cond.CONDITION_PARTS)), float(score.any()))
        given = as_trained(score[None], net.shape)
        asked = request.for_last_retake()
        prompt, negative_prompt = self._embeddings(net, asked)
        bpm = request.source_tempo
        positive = Condition(prompt, self._scalars(asked, bpm, 0.0, asked.brightness), cond.score_context(given, known))
        # The negative condition has an unknown score: guidance away from it makes notes clearer and better in tune.
        unknown = cond.score_context(given, torch.zeros_like(known))
        negative = Condition(negative_prompt, self._scalars(_with_neutral_knobs(asked), bpm, 0.0, 0.0), unknown)
        guidance = lerp(request.start.guidance, request.end.guidance, request.alpha)
        velocity = guided_velocity(net, positive, negative, guidance, self._without_negative(net, asked))
        init_latents = None if init is None else init.latents
        return sample_flow(velocity, noise, request.steps, check, init_latents, strength, SOUND_SHIFT, inpainting)

    def _silent_stems(self, score: Tensor) -> tuple[str, ...]:
        """The stems without a note; none for an empty score, which counts as unknown."""
        if not score.any():
            return ()
        return tuple(
            stem
            for stem in self._codec.names
            if stem in sheet.STEM_COLUMNS and not any(score[:, columns].any() for columns in sheet.STEM_COLUMNS[stem])
        )

    # --- conditions and noise of both stages -----------------------------------------------------------------------

    @staticmethod
    def _scalars(request: RenderRequest, bpm: float, mode_sign: float, brightness: float) -> Tensor:
        character = torch.tensor([[request.density, brightness, request.energy]])
        return cond.scalars(torch.tensor([bpm]), torch.tensor([mode_sign]), character)

    def _embeddings(self, net: FlowTransformer, request: RenderRequest) -> tuple[Tensor, Tensor]:
        """Embeddings of the prompt and of the negative prompt, interpolated between the request's two points."""
        points = (request.start, request.end)
        prompts, negatives = (
            [self._word_weights(p.prompt, net.shape.words) for p in points],
            [self._word_weights(p.negative, net.shape.words) for p in points],
        )
        return (
            torch.lerp(net.embed_words(prompts[0]), net.embed_words(prompts[1]), request.alpha),
            torch.lerp(net.embed_words(negatives[0]), net.embed_words(negatives[1]), request.alpha),
        )

    def _without_negative(self, net: FlowTransformer, request: RenderRequest) -> bool:
        """Whether no negative prompt has a word that ``net`` knows."""
        return not any(self._word_weights(p.negative, net.shape.words).any() for p in (request.start, request.end))

    def _word_weights(self, prompt: str, words: int) -> Tensor:
        """``(1, words)``: the weights of the first ``words`` words of the vocabulary, 0 for those not in ``prompt``."""
        weights = torch.zeros(1, words)
        for index, weight in self._words.parse(prompt).weights:
            if index < words:
                weights[0, index] = weight
        return weights

    @staticmethod
    def _noise(request: RenderRequest, shape: tuple[int, ...], stream: int, take: int = 0) -> Tensor:
        """Gaussian noise of the request's seeds, interpolated between its two points."""

        def drawn(point: MorphEnd) -> Tensor:
            generator = torch.Generator().manual_seed((point.seed * 2 + stream + take * _TAKE_SEED_STEP) % 2**63)
            return torch.randn(shape, generator=generator)

        noise = drawn(request.start)
        return noise if request.start.seed == request.end.seed else slerp(noise, drawn(request.end), request.alpha)


def _with_neutral_knobs(request: RenderRequest) -> RenderRequest:
    """The request with density and energy in the middle: guidance away from it makes a turned knob audible."""
    return replace(request, density=0.0, energy=0.0)


def _rendered_stems(retake: Retake, beats: int, silent: Sequence[str]) -> tuple[str, ...]:
    """The stems that ``retake`` renders in a loop in which ``silent`` stems have no note.

    Other words on some beats alone, such as a fill, are for what plays: a stem without a note stays silent.
    """
    if not retake.prompt or _retake_steps(retake, beats).all():
        return retake.stems
    return tuple(stem for stem in retake.stems if stem not in silent)


def _retake_steps(retake: Retake, beats: int) -> Tensor:
    """Which sixteenths of a loop of ``beats`` beats are generated again ``(T,) bool``."""
    steps = torch.tensor([bool(retake.beats >> beat & 1) for beat in range(beats)])
    return steps.repeat_interleave(sheet.STEPS_PER_BEAT)
