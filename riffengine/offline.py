"""Offline rendering: the same renderer and the same mixer as on stage, on virtual time, into a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from riffengine.errors import AudioFileError, OutOfRange
from riffengine.playback.messages import LaunchBank, LoopRef, PlaceLoop, SetControl
from riffengine.playback.mixer import Mixer
from riffengine.renderer.rendition import Family, Rendition
from riffengine.renderer.request import Point, RenderRequest
from riffengine.transport.grid import BeatGrid

BEATS_PER_BAR = 4
LOOP_BEATS = 8
FINEST_MORPH = 33  # renditions along alpha at the most; more are not heard apart
_BLOCK = 4096
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RenderJob:
    """What to render offline: one loop at ``alpha``, or ``bars`` bars in which alpha travels from 0 to 1."""

    output: Path
    start: Point
    end: Point
    alpha: float = 0.0
    bars: int = 0
    bpm: float = 120.0
    key: str = ""
    steps: int = 8
    init: str = ""
    sample_rate: int = 44100
    model: str = "bundled"

    def request(self, alpha: float) -> RenderRequest:
        """The request for the rendition at ``alpha``."""
        return RenderRequest(
            start=self.start,
            end=self.end,
            alpha=alpha,
            steps=self.steps,
            bpm=self.bpm,
            beats=LOOP_BEATS,
            sample_rate=self.sample_rate,
            key=self.key,
            init=self.init,
            model=self.model,
        )


@dataclass(frozen=True)
class RenderReport:
    """What was written: ``frames`` at ``sample_rate``, from ``renditions`` loops, and what it cost."""

    output: str
    frames: int
    sample_rate: int
    seconds: float
    renditions: int
    render_seconds: tuple[float, ...]
    loudness_lufs: float
    peak: float
    unknown_words: tuple[str, ...]
    weights: str


def check_output(path: Path) -> None:
    """``AudioFileError`` when ``path`` can never be written: said before anything is rendered, not after."""
    if path.suffix.lower() not in (".wav", ".flac"):
        raise AudioFileError(f"{path.name}: the ending must be .wav or .flac")
    if not path.parent.is_dir():
        raise AudioFileError(f"{path} cannot be written: there is no folder {path.parent}; make it, or choose another")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise AudioFileError(f"{path} cannot be written: it is not allowed there; choose another folder or name")


def load_alone(model: str) -> Family:
    """The family ``model`` on one thread, so that the same job gives the same samples on any number of cores."""
    import torch

    from riffengine.renderer.families import load_family

    torch.set_num_threads(1)
    return load_family(model)


def render_file(job: RenderJob, family: Family, progress: Progress = lambda done, of: None) -> RenderReport:
    """Render ``job`` into its output file: WAV 24-bit or FLAC 24-bit by the file's ending.

    Raises ``AudioFileError`` when the file cannot be written, ``OutOfRange`` for impossible lengths, and what the
    renderer raises.
    """
    check_output(job.output)
    if job.bars < 0 or job.bars > 1024:
        raise OutOfRange(f"bars is {job.bars}; 1 to 1024 bars can be rendered")
    renditions: list[Rendition] = []
    costs: list[float] = []
    alphas = _alphas(job)
    for index, alpha in enumerate(alphas):
        began = time.perf_counter()
        renditions.append(family.render(job.request(alpha), lambda: None))
        costs.append(time.perf_counter() - began)
        progress(index + 1, len(alphas))
    samples = _stereo(renditions[0].audio.sum(axis=0)) if not job.bars else _travel(job, alphas, renditions)
    peak = float(np.abs(samples).max())
    try:
        soundfile.write(job.output, samples, job.sample_rate, subtype="PCM_24")
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"{job.output} cannot be written: {error}") from error
    unknown = dict.fromkeys(word for rendition in renditions for word in rendition.unknown_words)
    return RenderReport(
        output=str(job.output),
        frames=len(samples),
        sample_rate=job.sample_rate,
        seconds=len(samples) / job.sample_rate,
        renditions=len(renditions),
        render_seconds=tuple(costs),
        loudness_lufs=renditions[0].loudness_lufs,
        peak=peak,
        unknown_words=tuple(unknown),
        weights=family.weights_digest,
    )


def _stereo(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else samples


def _alphas(job: RenderJob) -> list[float]:
    """Two renditions a loop along the way, so that a loop never repeats unchanged; both ends included."""
    if not job.bars:
        return [job.alpha]
    if job.start == job.end:
        return [0.0]
    count = min(FINEST_MORPH, max(3, job.bars * BEATS_PER_BAR * 2 // LOOP_BEATS + 1))
    return [index / (count - 1) for index in range(count)]


def _travel(job: RenderJob, alphas: list[float], renditions: list[Rendition]) -> NDArray[np.float32]:
    grid = BeatGrid(job.sample_rate, job.bpm)
    loops = {index: rendition.audio for index, rendition in enumerate(renditions)}
    mixer = Mixer(job.sample_rate, grid, lambda ref: loops[ref.loop], decks=("a",), channels=2)
    for index, (alpha, rendition) in enumerate(zip(alphas, renditions, strict=True)):
        stems, frames, channels = rendition.audio.shape
        names = tuple(str(n) for n in range(stems))
        mixer.schedule(PlaceLoop("a", 1, alpha, LoopRef(index, index, frames, channels, names, LOOP_BEATS), at_frame=0))
    mixer.schedule(SetControl("fade", 1.0, at_frame=0, ramp_frames=0))
    mixer.schedule(LaunchBank("a", 1, at_frame=0, fade_frames=0))
    total = grid.frame_at(job.bars * BEATS_PER_BAR)
    mixer.schedule(SetControl("deck/a/alpha", 1.0, at_frame=0, ramp_frames=max(1, total - 1)))
    return np.concatenate(list(_pull(mixer, total)))


def _pull(mixer: Mixer, total: int) -> Iterator[NDArray[np.float32]]:
    while mixer.frame < total:
        yield mixer.pull(min(_BLOCK, total - mixer.frame)).copy()
