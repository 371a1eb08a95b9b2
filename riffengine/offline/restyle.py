"""Restyle a whole song: a checkpoint renders it again, a loop at a time, at the song's own tempo."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import ModelError
from riffengine.files.regular import home_path
from riffengine.offline.render import (
    Progress,
    RenderJob,
    RenderReport,
    check_output,
    report_of,
)
from riffengine.processes.render_request import DEFAULT_LOOP_BEATS
from riffengine.renderer.audio_file import write_audio
from riffengine.renderer.family import Family, Rendition
from riffengine.renderer.loudness import loop_loudness
from riffengine.renderer.registry import family_of
from riffengine.renderer.song import Song
from riffengine.transport.beat_grid import BeatGrid

_FADE_SECONDS = 0.02
_DEEPEST_DB = -20.0  # how far a quiet piece stays below the loudest


def render_song(job: RenderJob, family: Family, progress: Progress = lambda done, of: None) -> RenderReport:
    """Render the song that is the request's ``init`` from its first bar line on into ``job.output``.

    Alpha goes from 0 to 1 across it. Each piece starts from one loop's beats of its own, as ``strength`` says, and is
    as loud beside the others as in the song.

    Raises ``AudioFileError`` where a file cannot be read or written, ``ModelError`` where the model starts from loops
    alone, and what the renderer raises.
    """
    check_output(job.output)
    if not family_of(job.request.model).starts_from_songs:
        raise ModelError(
            "--whole needs a spectrogram checkpoint, which starts from any eight beats: name one (--model)"
        )
    request = job.request
    song = Song.read(home_path(request.init.partition("?")[0]), request.sample_rate)
    beats = request.beats
    pieces = song.piece_count(beats)
    loud = np.array([loop_loudness(song.piece(beats * k, beats)[:, None], request.sample_rate) for k in range(pieces)])
    gains = 10.0 ** (np.maximum(np.nan_to_num(loud - loud.max(), nan=0.0), _DEEPEST_DB) / 20.0)
    join = "&" if "?" in request.init else "?"
    renditions: list[Rendition] = []
    costs: list[float] = []
    for number in range(pieces):
        began = time.perf_counter()
        alpha = number / (pieces - 1) if pieces > 1 and request.start != request.end else request.alpha
        init = f"{request.init}{join}from={beats * number}"
        renditions.append(family.render(replace(request, alpha=alpha, bpm=song.bpm, init=init), lambda: None))
        costs.append(time.perf_counter() - began)
        progress(number + 1, pieces)
    loops = [r.audio.sum(axis=0) * np.float32(gain) for r, gain in zip(renditions, gains, strict=True)]
    samples = joined(loops, BeatGrid(request.sample_rate, song.bpm), beats)
    write_audio(job.output, samples, request.sample_rate)
    report = report_of(job, family, samples, renditions, costs)
    return replace(report, loudness_lufs=max(rendition.loudness_lufs for rendition in renditions))


def joined(loops: list[NDArray[np.float32]], grid: BeatGrid, beats: int = DEFAULT_LOOP_BEATS) -> NDArray[np.float32]:
    """Loops ``(frames, channels)`` one after the other on ``grid``; each goes on a little under the next one."""
    edges = [grid.frame_at(beats * number) for number in range(len(loops) + 1)]
    fade = round(_FADE_SECONDS * grid.sample_rate)
    rise = np.sin(np.linspace(0.0, np.pi / 2, fade, dtype=np.float32))[:, None]
    out = np.zeros((edges[-1], loops[0].shape[1]), np.float32)
    for number, loop in enumerate(loops):
        start, stop = edges[number], edges[number + 1]
        out[start:stop] = np.resize(loop, (stop - start, loop.shape[1]))
        if number:
            before = loops[number - 1]
            places: NDArray[np.int64] = (np.arange(fade) + start - edges[number - 1]) % len(before)
            out[start : start + fade] = out[start : start + fade] * rise + before[places] * rise[::-1]
    return out
