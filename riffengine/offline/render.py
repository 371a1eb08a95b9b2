"""Offline rendering: the renderer and the mixer of a live set, on virtual time, into a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import AudioFileError, OutOfRange, reason
from riffengine.files.regular import exists, is_folder
from riffengine.notes.loop_notes import STEPS_PER_BEAT
from riffengine.notes.midi_file import check_midi_path, morph_notes, write_midi
from riffengine.playback.mixer import Mixer
from riffengine.processes.audio_files import RENDERED_ENDINGS_TEXT, is_rendered_file
from riffengine.processes.parameter_path import ParameterPath
from riffengine.processes.player_messages import FADE, LaunchBank, LoopRef, PlaceLoop, SetControl
from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.audio_file import write_audio
from riffengine.renderer.family import NAME_DIGITS, Family, Rendition
from riffengine.renderer.registry import load_family
from riffengine.transport.beat_grid import BEATS_PER_BAR, BeatGrid

PEAK_CEILING = 0.891  # -1 dBFS, which no loop passes; stems that were raised, or that are alone, might
FINEST_MORPH = 33  # renditions along alpha at the most; more are not heard apart
_BLOCK = 4096
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RenderJob:
    """What to render offline: the loop of ``request``, or ``bars`` bars in which alpha travels from 0 to 1.

    ``levels`` are linear gains of stems, 1 where none is given and 0 for silence. ``stems`` is a folder that gets every
    stem that is heard as a file of its own, ``midi`` a file that gets the notes.
    """

    output: Path
    request: RenderRequest
    bars: int = 0
    levels: Mapping[str, float] = field(default_factory=dict)
    stems: Path | None = None
    midi: Path | None = None

    def level(self, stem: str) -> float:
        """The linear gain of ``stem``."""
        return self.levels.get(stem, 1.0)


@dataclass(frozen=True)
class RenderReport:
    """What was written: ``frames`` at ``sample_rate``, from ``renditions`` loops, and what it cost.

    ``loudness_lufs`` is that of the first loop with all its stems.
    """

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
    stems: tuple[str, ...] = ()
    midi: str = ""
    notes: int = 0


def check_output(path: Path) -> None:
    """``AudioFileError`` when ``path`` can never be written: raised before anything is rendered, not after."""
    if not is_rendered_file(path):
        raise AudioFileError(f"{path.name}: the ending must be {RENDERED_ENDINGS_TEXT}")
    check_place(path)


def check_place(path: Path) -> None:
    """``AudioFileError`` when no file of this name can be made."""
    if not is_folder(path.parent):
        raise AudioFileError(f"{path} cannot be written: there is no folder {path.parent}; make it, or choose another")
    if is_folder(path) or not os.access(path if exists(path) else path.parent, os.W_OK):
        raise AudioFileError(f"{path} cannot be written: permission denied; choose another folder or name")


def load_alone(model: str) -> Family:
    """The family ``model`` on one thread, so that the same job gives the same samples on any number of cores."""
    import torch

    torch.set_num_threads(1)
    return load_family(model)


def render_file(job: RenderJob, family: Family, progress: Progress = lambda done, of: None) -> RenderReport:
    """Render ``job`` into its output file, of the format that its ending names.

    Raises ``AudioFileError`` when the file cannot be written, ``OutOfRange`` for impossible lengths, and what the
    renderer raises.
    """
    _check_job(job, family)
    renditions: list[Rendition] = []
    costs: list[float] = []
    alphas = _alphas(job)
    for index, alpha in enumerate(alphas):
        began = time.perf_counter()
        asked = replace(job.request, alpha=alpha, phase_from_ends=len(alphas) > 1)  # neighbours are crossfaded
        renditions.append(family.render(asked, lambda: None))
        costs.append(time.perf_counter() - began)
        progress(index + 1, len(alphas))
    scale = 1.0 if job.bars else _scale(job, family, renditions[0])
    samples = _samples(job, family, alphas, renditions, job.levels, scale)
    write_audio(job.output, samples, job.request.sample_rate)
    stems = list(_write_stems(job, family, alphas, renditions, scale))
    notes = 0
    if job.midi is not None:
        request = job.request
        steps = (job.bars * BEATS_PER_BAR or request.beats) * STEPS_PER_BEAT
        played = morph_notes([rendition.notes for rendition in renditions], steps, request.beats * STEPS_PER_BEAT)
        title = request.start.prompt
        notes = write_midi(job.midi, played, request.bpm, steps, title, lambda stem: job.level(stem) > 0.0)
    report = report_of(job, family, samples, renditions, costs)
    return replace(report, stems=tuple(stems), midi=str(job.midi or ""), notes=notes)


def report_of(
    job: RenderJob, family: Family, samples: NDArray[np.float32], renditions: list[Rendition], costs: list[float]
) -> RenderReport:
    """What came of ``job``, whose ``samples`` ``(frames, channels)`` were made of ``renditions``; as loud as the first.

    ``costs`` are the seconds that each of them took.
    """
    unknown = dict.fromkeys(word for rendition in renditions for word in rendition.unknown_words)
    return RenderReport(
        output=str(job.output),
        frames=len(samples),
        sample_rate=job.request.sample_rate,
        seconds=len(samples) / job.request.sample_rate,
        renditions=len(renditions),
        render_seconds=tuple(costs),
        loudness_lufs=renditions[0].loudness_lufs,
        peak=float(np.abs(samples).max()),
        unknown_words=tuple(unknown),
        weights=family.weights_digest[:NAME_DIGITS],
    )


def _check_job(job: RenderJob, family: Family) -> None:
    """Raise what would be raised later anyway."""
    check_output(job.output)
    if job.midi is not None:
        check_midi_path(job.midi)
    if job.bars < 0 or job.bars > 1024:
        raise OutOfRange(f"bars is {job.bars}; 1 to 1024 bars can be rendered")
    named = {*job.levels, *(stem for again in job.request.retakes for stem in again.stems)}
    for stem in sorted(named - set(family.stems)):
        raise OutOfRange(f"{stem!r} is not a stem of this model; it has {', '.join(family.stems)}")
    if job.stems is not None:
        try:
            job.stems.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudioFileError(f"the folder {job.stems} cannot be made: {reason(error)}; choose another") from error
        check_output(job.stems / f"stem{job.output.suffix}")
        if job.output.stem in family.stems and job.output.resolve().parent == job.stems.resolve():
            raise AudioFileError(f"{job.output} would be the file of a stem too; name the mix otherwise")


def _samples(
    job: RenderJob,
    family: Family,
    alphas: list[float],
    renditions: list[Rendition],
    levels: Mapping[str, float],
    scale: float,
) -> NDArray[np.float32]:
    if job.bars:
        return _travel(job, family, alphas, renditions, levels)
    return _stereo(_mixed(family, renditions[0], levels) * scale)


def _mixed(family: Family, rendition: Rendition, levels: Mapping[str, float]) -> NDArray[np.float32]:
    gains = np.array([levels.get(stem, 1.0) for stem in family.stems], np.float32)
    return np.asarray((rendition.audio * gains[:, None, None]).sum(axis=0), np.float32)


def _scale(job: RenderJob, family: Family, rendition: Rendition) -> float:
    """One factor for the mix and the stems that are written, so that the stems add up to the mix and none clips."""
    written = [_mixed(family, rendition, job.levels)]
    if job.stems is not None:
        written += [_mixed(family, rendition, _alone(job, family, stem)) for stem in family.stems]
    return min(1.0, PEAK_CEILING / max(PEAK_CEILING, *(float(np.abs(each).max()) for each in written)))


def _alone(job: RenderJob, family: Family, stem: str) -> dict[str, float]:
    """The levels at which only ``stem`` sounds, as loud as in the mix."""
    return {other: job.level(stem) if other == stem else 0.0 for other in family.stems}


def _write_stems(
    job: RenderJob, family: Family, alphas: list[float], renditions: list[Rendition], scale: float
) -> Iterator[str]:
    """Every stem that is heard, at its level; of a single loop they add up to the mix."""
    if job.stems is None:
        return
    for stem in family.stems:
        if job.level(stem) > 0.0:
            path = job.stems / f"{stem}{job.output.suffix}"
            samples = _samples(job, family, alphas, renditions, _alone(job, family, stem), scale)
            write_audio(path, samples, job.request.sample_rate)
            yield str(path)


def _stereo(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else samples


def _alphas(job: RenderJob) -> list[float]:
    """Two renditions a loop along the way, so that a loop never repeats unchanged; both ends included."""
    if not job.bars:
        return [job.request.alpha]
    if job.request.start == job.request.end:
        return [0.0]
    count = min(FINEST_MORPH, max(3, job.bars * BEATS_PER_BAR * 2 // job.request.beats + 1))
    return [index / (count - 1) for index in range(count)]


def _travel(
    job: RenderJob, family: Family, alphas: list[float], renditions: list[Rendition], levels: Mapping[str, float]
) -> NDArray[np.float32]:
    grid = BeatGrid(job.request.sample_rate, job.request.bpm)
    loops = {index: rendition.audio for index, rendition in enumerate(renditions)}
    mixer = Mixer(job.request.sample_rate, grid, lambda ref: loops[ref.loop], decks=("a",), channels=2)
    for index, (alpha, rendition) in enumerate(zip(alphas, renditions, strict=True)):
        _, frames, channels = rendition.audio.shape
        ref = LoopRef(index, index, frames, channels, family.stems, job.request.beats)
        mixer.schedule(PlaceLoop("a", 1, alpha, ref, at_frame=0))
    for stem, level in levels.items():
        mixer.schedule(SetControl(ParameterPath("gain", "a", stem), level, at_frame=0, ramp_frames=0))
    mixer.schedule(SetControl(FADE, 1.0, at_frame=0, ramp_frames=0))
    mixer.schedule(LaunchBank("a", 1, at_frame=0, fade_frames=0))
    total = grid.frame_at(job.bars * BEATS_PER_BAR)
    mixer.schedule(SetControl(ParameterPath("alpha", "a"), 1.0, at_frame=0, ramp_frames=max(1, total - 1)))
    return np.concatenate(list(_pull(mixer, total)))


def _pull(mixer: Mixer, total: int) -> Iterator[NDArray[np.float32]]:
    while mixer.frame < total:
        yield mixer.pull(min(_BLOCK, total - mixer.frame)).copy()
