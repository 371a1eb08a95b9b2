"""BundledModel: the family that ships with the package. Words → score → latents → stems of audio."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from riffengine.renderer.bundled.dreaming import Dreamer, Heard
from riffengine.renderer.bundled.listener import listen
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.bundled.weights import Networks, packaged_weights, read_weights
from riffengine.renderer.loop_audio import read_loop, resample_loop
from riffengine.renderer.loudness import level
from riffengine.renderer.rendition import Check, Rendition
from riffengine.renderer.request import RenderCost, RenderRequest

LOUDNESS_LUFS = -19.0  # one channel; heard from two loudspeakers it is -16
PHASE_ITERATIONS = 8
OWN_RATE = 44100


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
        self._dreamer = Dreamer(networks.score, networks.render, networks.space, words)

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
        mels = self._space.decode(dream.latents)
        clock.append(time.perf_counter())
        frames = round(request.beats * 60 * request.sample_rate / request.bpm)
        own_frames = round(frames * OWN_RATE / request.sample_rate)
        audio = self._space.audio(mels, own_frames, PHASE_ITERATIONS, dream.silent).numpy()
        samples, lufs, peak = level(resample_loop(audio, frames)[:, :, None], LOUDNESS_LUFS, request.sample_rate)
        clock.append(time.perf_counter())
        text, denoise, decode, phase = (float(part) for part in np.diff(clock))
        return Rendition(
            request=request,
            audio=samples,
            mel=self._picture(audio),
            score=dream.score.numpy(),
            loudness_lufs=lufs,
            peak=peak,
            cost=RenderCost(text, denoise, decode, phase),
            unknown_words=unknown,
        )

    def _hear(self, request: RenderRequest) -> Heard:
        return self.listen(read_loop(request.init, request.beats, request.tempo_dreamt, OWN_RATE))

    @torch.inference_mode()
    def listen(self, audio: NDArray[np.float32]) -> Heard:
        """The score and the latents of a loop ``(frames,)`` of eight beats at the model's own rate."""
        return listen(self._listener, self._space, audio)

    @torch.inference_mode()
    def reconstruct(self, stems: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is left of stems ``(stems, frames)`` after latents and phase: the best this model could ever sound."""
        latents = self._space.encode(self._space.listen(torch.from_numpy(stems)))
        silent = [name for name, stem in zip(self.stems, stems, strict=True) if not np.abs(stem).max() > 1e-4]
        made = self._space.audio(self._space.decode(latents), stems.shape[1], PHASE_ITERATIONS, silent)
        return np.asarray(made.numpy())

    def _picture(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        mel: NDArray[np.float32] = self._space.codecs[0].encode(torch.from_numpy(audio.sum(axis=0))[None])[0].numpy()
        return mel
