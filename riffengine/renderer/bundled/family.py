"""BundledModel: the model family that ships with the package. Words → score → latents → stems of audio."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.errors import RenderCancelled, RendererError
from riffengine.processes.render_messages import RenderCost
from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.bundled.descriptor import CHANNELS, NAME, envelope_weights
from riffengine.renderer.bundled.encoder import EncodedLoop, encode_loop
from riffengine.renderer.bundled.inpainting import apply_retake, keeps_audio
from riffengine.renderer.bundled.sampling import SampledLoop, Sampler
from riffengine.renderer.bundled.score_notes import loop_notes
from riffengine.renderer.bundled.stem_decoder import StemDecoder
from riffengine.renderer.bundled.stereo_image import side_signal
from riffengine.renderer.bundled.weights import Networks, packaged_weights, read_weights
from riffengine.renderer.cache import LruCache
from riffengine.renderer.codec.envelopes import load_envelope_net
from riffengine.renderer.family import Check, Rendition
from riffengine.renderer.levelling import LOUDNESS_LUFS, LevelledLoop, level
from riffengine.renderer.loop_audio import read_loop, resample_loop
from riffengine.renderer.mono_safety import mono_safe
from riffengine.renderer.stereo import Width, widened

# The bass stays in the middle, drums are wide above the snare's body, and the harmony is widest.
WIDTHS = {
    "drums": Width(((400.0, -18.0), (3000.0, -11.0), (16000.0, -7.0)), 1.0, 7.0, seed=1),
    "bass": Width(((250.0, -24.0), (2000.0, -14.0)), 2.0, 12.0, seed=2),
    "harmony": Width(((180.0, -10.0), (800.0, -6.5), (16000.0, -6.5)), 3.0, 22.0, seed=3),
}
_OTHER_WIDTH = WIDTHS["harmony"]
PHASE_ITERATIONS = 8
_DRAFT_STEPS = 4  # a loop of so few steps is replaced soon: half of the iterations are enough
OWN_RATE = 44100
# Final stems that a retake may build on or whose phases other loops use: the ends of a morph are needed with each of
# its points, so those of six decks stay. One loop is 4.9 MB at 120 bpm.
_CACHED_LOOPS = 12


class BundledModel:
    """The bundled family: three stems, stereo, 44.1 kHz inside, any tempo by the synthesis hop.

    The networks generate mono stems, which are widened afterwards.
    """

    name = NAME
    channels = CHANNELS

    def __init__(self, networks: Networks) -> None:
        self._codec = networks.codec
        self._decoder = StemDecoder(networks.codec, load_envelope_net(envelope_weights()))
        self._encoder = networks.encoder
        self.stems = networks.codec.names
        words = networks.vocabulary
        self.vocabulary = words.words
        self.weights_digest = networks.digest
        self._sampler = Sampler(networks.score, networks.render, networks.codec, words)
        self._final_stems: LruCache[RenderRequest, LevelledLoop] = LruCache(_CACHED_LOOPS)
        self._decode_seconds = self._end_sampling_seconds = 0.0  # of the current request, including its morph ends

    @classmethod
    def load(cls, path: Path | None = None) -> BundledModel:
        """The model with the weights at ``path``, or with the packaged ones. ``ModelError`` if they cannot be read."""
        return cls(read_weights(path or packaged_weights()))

    @torch.inference_mode()
    def render(self, request: RenderRequest, check: Check, score: NDArray[np.float32] | None = None) -> Rendition:
        """Render one loop, deterministic for equal requests; ``score`` (home key) replaces the generated one.

        Raises ``RenderCancelled`` through ``check``, ``RendererError`` when the result is not usable (NaN, silence).
        """
        request = request.canonical()
        times = [time.perf_counter()]
        unknown = self._sampler.unknown_words(request)
        times.append(time.perf_counter())
        loop = self._sampler.sample(request, check, score, self._encode_init)
        times.append(time.perf_counter())
        self._decode_seconds = self._end_sampling_seconds = 0.0
        final = self._stems_of(request, loop, check, score)
        times.append(time.perf_counter())
        text, denoise, rest = (float(part) for part in np.diff(times))
        phase = rest - self._decode_seconds - self._end_sampling_seconds
        decoded = resample_loop(_decoded(final), _own_frames(request))
        played = loop.score.numpy()
        return Rendition(
            request=request,
            audio=final.audio,
            mel=self._mel_of_mix(decoded, request.beats),
            score=played,
            loudness_lufs=final.loudness_lufs,
            peak=final.peak,
            cost=RenderCost(text, denoise + self._end_sampling_seconds, self._decode_seconds, phase),
            unknown_words=unknown,
            notes=loop_notes(played),
        )

    def _stems_of(
        self, request: RenderRequest, loop: SampledLoop, check: Check, score: NDArray[np.float32] | None
    ) -> LevelledLoop:
        """The final stems of a sampled loop. What a retake does not name is the same audio as before it."""
        if score is None and (cached := self._final_stems.get(request)) is not None:
            return cached
        *earlier, retake = request.retakes or (None,)
        base: LevelledLoop | None = None
        kept_stems: tuple[str, ...] = ()
        if retake is not None and keeps_audio(retake, self.stems, request.beats):
            before = replace(request, retakes=tuple(one for one in earlier if one is not None))
            base = self._stems_of(before, self._sampler.sample(before, check, score, self._encode_init), check, score)
            kept_stems = tuple(stem for stem in self.stems if stem not in retake.stems)
            check()
        # A performer waits for a retake, and no other loop contains it: morph ends are not rendered for it.
        start_from_ends = request.phase_from_ends and not request.retakes and score is None
        phase_from = self._mix_of_ends(request, check) if start_from_ends else None
        began = time.perf_counter()
        mels = self._codec.decode(loop.latents)
        self._decode_seconds += time.perf_counter() - began
        silent = (*loop.silent, *kept_stems)
        iterations = PHASE_ITERATIONS // 2 if request.steps <= _DRAFT_STEPS else PHASE_ITERATIONS
        images, frames, rate = self._codec.decode_images(loop.latents), _frames(request), request.sample_rate

        def in_stereo(index: int, stem: Tensor) -> NDArray[np.float32]:
            return self._in_stereo(index, resample_loop(stem.numpy(), frames), images[index], rate)

        stems = self._decoder.finished(mels, _own_frames(request), iterations, in_stereo, silent, phase_from)
        stereo = mono_safe(np.stack(stems), rate)
        if base is None or retake is None:
            final = level(stereo, LOUDNESS_LUFS, rate)
        else:
            final = apply_retake(base, stereo, retake, self.stems, request.beats, rate)
        if score is None:
            self._final_stems.put(request, final)
        return final

    def _in_stereo(self, index: int, stem: NDArray[np.float32], image: Tensor | None, rate: int) -> NDArray[np.float32]:
        """A stem ``(frames, 2)``: with its generated stereo image, or a constant one if the weights have none."""
        shape = self._codec.shapes[index]
        if image is None or not stem.any():
            return widened(stem, WIDTHS.get(shape.name, _OTHER_WIDTH), rate)
        side = side_signal(torch.from_numpy(stem), image[0], shape.image_hz, rate, index).numpy()
        return np.stack([stem + side, stem - side], axis=1)

    def _mix_of_ends(self, request: RenderRequest, check: Check) -> Tensor | None:
        """The audio of both ends of a morph, mixed by alpha ``(stems, frames)``. Depends on the request alone.

        ``None`` when an end cannot be rendered: then phase reconstruction starts without it.
        """
        mix = torch.zeros(len(self.stems), _own_frames(request))
        for alpha, share in ((0.0, 1.0 - request.alpha), (1.0, request.alpha)):
            end = replace(request, alpha=alpha).canonical()
            began = time.perf_counter()
            try:
                loop = self._sampler.sample(end, check, None, self._encode_init)
                self._end_sampling_seconds += time.perf_counter() - began
                check()
                final = self._stems_of(end, loop, check, None)
            except RenderCancelled:
                raise
            except RendererError:
                return None
            mix += share * torch.from_numpy(resample_loop(_decoded(final), mix.shape[1]))
            check()
        return mix

    def _encode_init(self, request: RenderRequest) -> EncodedLoop:
        audio = read_loop(request.init, request.beats, request.source_tempo, OWN_RATE)
        return self.encode(audio, request.beats)

    @torch.inference_mode()
    def encode(self, audio: NDArray[np.float32], beats: int = 8) -> EncodedLoop:
        """The score and the latents of a loop ``(frames,)`` of ``beats`` beats at the model's own sample rate."""
        return encode_loop(self._encoder, self._codec, audio, beats)

    @torch.inference_mode()
    def reconstruct(self, stems: NDArray[np.float32], latents: bool = True) -> NDArray[np.float32]:
        """Encode and decode ``stems`` ``(stems, frames)``: the best quality that this model can reach.

        Without ``latents`` only the phases are dropped and reconstructed.
        """
        mels = self._codec.mel_images(torch.from_numpy(stems))
        if latents:
            mels = self._codec.decode(self._codec.encode(mels))
        silent = [name for name, stem in zip(self.stems, stems, strict=True) if not np.abs(stem).max() > 1e-4]
        audio = self._decoder.audio(mels, stems.shape[1], PHASE_ITERATIONS, silent)
        return np.asarray(audio.numpy())

    def _mel_of_mix(self, stems: NDArray[np.float32], beats: int) -> NDArray[np.float32]:
        mel = self._codec.codecs_for(beats)[0].encode(torch.from_numpy(stems.sum(axis=0))[None])[0]
        return np.asarray(mel.numpy(), np.float32)


def _decoded(loop: LevelledLoop) -> NDArray[np.float32]:
    """The mono stems ``(stems, frames)`` before they were widened and levelled."""
    gains = np.array(loop.stem_gains or 1.0, np.float32).reshape(-1, 1)
    left, right = loop.audio[..., 0], loop.audio[..., 1]
    return np.asarray((left + right) * (0.5 / (gains * loop.gain)), np.float32)


def _frames(request: RenderRequest) -> int:
    """The length of the loop in frames at the request's sample rate."""
    return round(request.beats * 60 * request.sample_rate / request.bpm)


def _own_frames(request: RenderRequest) -> int:
    """The length of the loop in frames at the model's own sample rate."""
    return round(_frames(request) * OWN_RATE / request.sample_rate)
