"""BundledModel: the family that ships with the package. Words → score → latents → stems of audio."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.errors import RenderCancelled, RendererError
from riffengine.processes.render_messages import RenderCost, RenderRequest
from riffengine.renderer.bundled.encoder import listen
from riffengine.renderer.bundled.inpainting import Sound, keeps, levelled, retaken
from riffengine.renderer.bundled.sampling import Dream, Heard, Sampler
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.bundled.weights import Networks, packaged_weights, read_weights
from riffengine.renderer.family import Check, Rendition
from riffengine.renderer.loop_audio import read_loop, resample_loop

LOUDNESS_LUFS = -19.0  # one channel; heard from two loudspeakers it is -16
PHASE_ITERATIONS = 8
OWN_RATE = 44100
# Of which something may be dreamt again, or that lend their phases: the ends of a bank are asked for with each of its
# points, so those of six decks stay. One is 2.1 MB at 120 bpm.
_SOUNDS_KEPT = 12


class BundledModel:
    """The bundled family: three stems, mono, 44.1 kHz inside, any tempo by the synthesis hop."""

    name = "bundled"
    channels = 1

    def __init__(self, networks: Networks) -> None:
        self._space = networks.space
        self._listener = networks.listener
        self.stems = networks.space.names
        words = Vocabulary.load()
        self.vocabulary = words.words
        self.weights_digest = networks.digest
        self._dreamer = Sampler(networks.score, networks.render, networks.space, words)
        self._sounds: OrderedDict[RenderRequest, Sound] = OrderedDict()
        self._decode_seconds = self._dream_seconds = 0.0  # of the loop in hand, beside its own dream

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
        unknown = self._dreamer.unknown_words(request)
        clock.append(time.perf_counter())
        dream = self._dreamer.dream(request, check, tune, self._hear)
        clock.append(time.perf_counter())
        self._decode_seconds = self._dream_seconds = 0.0
        sound = self._sound(request, dream, check, tune)
        clock.append(time.perf_counter())
        text, denoise, rest = (float(part) for part in np.diff(clock))
        phase = rest - self._decode_seconds - self._dream_seconds
        return Rendition(
            request=request,
            audio=sound.stems[:, :, None],
            mel=self._picture(resample_loop(sound.stems / np.float32(sound.gain), _own_frames(request)), request.beats),
            score=dream.score.numpy(),
            loudness_lufs=sound.loudness_lufs,
            peak=sound.peak,
            cost=RenderCost(text, denoise + self._dream_seconds, self._decode_seconds, phase),
            unknown_words=unknown,
        )

    def _sound(self, request: RenderRequest, dream: Dream, check: Check, tune: NDArray[np.float32] | None) -> Sound:
        """What is heard of a dream; what was not dreamt again is the same audio as before."""
        if tune is None and request in self._sounds:
            self._sounds.move_to_end(request)
            return self._sounds[request]
        *before, again = request.redreams or (None,)
        base: Sound | None = None
        others: tuple[str, ...] = ()
        if again is not None and keeps(again, self.stems, request.beats):
            first = replace(request, redreams=tuple(one for one in before if one is not None))
            base = self._sound(first, self._dreamer.dream(first, check, tune, self._hear), check, tune)
            others = tuple(stem for stem in self.stems if stem not in again.stems)
            check()
        # A change waits for what is dreamt again, and that sounds in no other loop: no ends are made for it.
        warm = request.phase_from_ends and not request.redreams and tune is None
        near = self._between_ends(request, check) if warm else None
        began = time.perf_counter()
        mels = self._space.decode(dream.latents)
        self._decode_seconds += time.perf_counter() - began
        silent = (*dream.silent, *others)
        audio = self._space.audio(mels, _own_frames(request), PHASE_ITERATIONS, silent, near).numpy()
        audio, rate = resample_loop(audio, _frames(request)), request.sample_rate
        if base is None or again is None:
            sound = levelled(audio, LOUDNESS_LUFS, rate)
        else:
            sound = retaken(base, audio, again, self.stems, request.beats, rate)
        if tune is None:
            self._sounds[request] = sound
            if len(self._sounds) > _SOUNDS_KEPT:
                self._sounds.popitem(last=False)
        return sound

    def _between_ends(self, request: RenderRequest, check: Check) -> Tensor | None:
        """The sounds of both ends of a morph mixed by alpha ``(stems, frames)``, as the request alone determines them.

        ``None`` when an end cannot sound: a loop between a sound and nothing finds its own phases.
        """
        mix = torch.zeros(len(self.stems), _own_frames(request))
        for alpha, share in ((0.0, 1.0 - request.alpha), (1.0, request.alpha)):
            end = replace(request, alpha=alpha).canonical()
            began = time.perf_counter()
            try:
                dream = self._dreamer.dream(end, check, None, self._hear)
                self._dream_seconds += time.perf_counter() - began
                check()
                sound = self._sound(end, dream, check, None)
            except RenderCancelled:
                raise
            except RendererError:
                return None
            mix += share * torch.from_numpy(resample_loop(sound.stems / np.float32(sound.gain), mix.shape[1]))
            check()
        return mix

    def _hear(self, request: RenderRequest) -> Heard:
        audio = read_loop(request.init, request.beats, request.tempo_dreamt, OWN_RATE)
        return self.listen(audio, request.beats)

    @torch.inference_mode()
    def listen(self, audio: NDArray[np.float32], beats: int = 8) -> Heard:
        """The score and the latents of a loop ``(frames,)`` of ``beats`` beats at the model's own rate."""
        return listen(self._listener, self._space, audio, beats)

    @torch.inference_mode()
    def reconstruct(self, stems: NDArray[np.float32], latents: bool = True) -> NDArray[np.float32]:
        """What is left of stems ``(stems, frames)`` after latents and phase: the best this model could ever sound.

        Without ``latents`` only their phases are lost and found again.
        """
        mels = self._space.listen(torch.from_numpy(stems))
        if latents:
            mels = self._space.decode(self._space.encode(mels))
        silent = [name for name, stem in zip(self.stems, stems, strict=True) if not np.abs(stem).max() > 1e-4]
        made = self._space.audio(mels, stems.shape[1], PHASE_ITERATIONS, silent)
        return np.asarray(made.numpy())

    def _picture(self, audio: NDArray[np.float32], beats: int) -> NDArray[np.float32]:
        mel = self._space.codecs_for(beats)[0].encode(torch.from_numpy(audio.sum(axis=0))[None])[0]
        return np.asarray(mel.numpy(), np.float32)


def _frames(request: RenderRequest) -> int:
    return round(request.beats * 60 * request.sample_rate / request.bpm)


def _own_frames(request: RenderRequest) -> int:
    return round(_frames(request) * OWN_RATE / request.sample_rate)
