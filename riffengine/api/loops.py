"""Rendering from Python: ``load_model``, ``render`` and ``render_journal``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import AudioFileError
from riffengine.notes.loop_notes import STEPS_PER_BEAT, LoopNote
from riffengine.notes.midi_file import write_midi
from riffengine.offline.loop_request import loop_request
from riffengine.offline.render import check_output, load_alone
from riffengine.performance.command import Value
from riffengine.performance.journal import read_journal
from riffengine.performance.parameters import standard_tree
from riffengine.processes.audio_files import RENDERED_ENDINGS_TEXT
from riffengine.processes.render_request import DEFAULT_MODEL
from riffengine.renderer.audio_file import write_audio
from riffengine.renderer.family import Family
from riffengine.renderer.registry import model_shape
from riffengine.replay import ReplayReport, load_replay_family, replay_file


@dataclass(frozen=True)
class RenderedLoop:
    """One loop of exactly ``beats`` beats whose end meets its start.

    ``samples`` ``(frames, 2) float32`` is the mix, ``stems`` each stem in the same shape; their sum is the mix.
    ``notes`` are what an instrument would play along, none where the model knows no notes. ``loudness_lufs`` is that of
    the mix.
    """

    samples: NDArray[np.float32]
    stems: Mapping[str, NDArray[np.float32]]
    sample_rate: int
    bpm: float
    beats: int
    notes: tuple[LoopNote, ...]
    loudness_lufs: float
    unknown_words: tuple[str, ...]

    def save(self, path: Path | str) -> None:
        """Write the mix to .wav, .flac, .aiff, .ogg or .mp3, or the notes to .mid. ``AudioFileError``: it cannot."""
        path = Path(path)
        if path.suffix.lower() in (".mid", ".midi"):
            if not self.notes:
                raise AudioFileError(f"{path.name}: this loop has no notes; save it as {RENDERED_ENDINGS_TEXT}")
            write_midi(path, self.notes, self.bpm, self.beats * STEPS_PER_BEAT)
            return
        check_output(path)
        write_audio(path, self.samples, self.sample_rate)

    def save_stems(self, folder: Path | str, ending: str = ".wav") -> tuple[Path, ...]:
        """Write each stem to a file of its name in ``folder``, which exists; ``ending`` is one of ``save``'s."""
        paths = tuple(Path(folder) / f"{stem}{ending}" for stem in self.stems)
        for path, samples in zip(paths, self.stems.values(), strict=True):
            check_output(path)
            write_audio(path, samples, self.sample_rate)
        return paths


def load_model(name: str = DEFAULT_MODEL) -> Family:
    """The model ``name``: ``bundled``, a weights file, or a Riffusion checkpoint; or ``ModelError``.

    Loading takes seconds, so load a model once and give it to ``render``. Torch then uses one thread in this process,
    so that equal arguments give equal samples on any number of cores.
    """
    return load_alone(name)


def render(  # noqa: PLR0913 (one call with keywords is what a script wants)
    prompt: str,
    *,
    model: Family | str = DEFAULT_MODEL,
    to: str = "",
    negative: str = "",
    seed: int = 0,
    to_seed: int | None = None,
    alpha: float = 0.0,
    bpm: float = 120.0,
    beats: int = 8,
    key: str = "",
    chords: str = "",
    takes: str = "",
    steps: int = 8,
    guidance: float = 3.0,
    init: Path | str = "",
    strength: float = 0.6,
    sample_rate: int = 44100,
    **knobs: float,
) -> RenderedLoop:
    """One loop of ``prompt``, or of a morph from ``prompt`` to ``to`` at ``alpha`` (0..1). Blocks until it is rendered.

    ``model`` is a loaded model (any object like ``Family``), or the name of one. ``seed`` is the noise at alpha 0,
    ``to_seed`` that at alpha 1 (the same if not given). ``beats`` is 4, 8 or 16; ``key`` such as ``A minor``;
    ``chords`` such as ``Am7 F C/E G``; ``takes`` names what is rendered again, such as ``drums:1-8:1``. ``steps``
    counts denoising steps. ``init`` is an audio file to start from, of which ``strength`` (0..1) is rendered anew.
    ``sample_rate`` is 44100 or 48000. ``knobs`` are ``density``, ``brightness``, ``energy`` (-1..1) and ``transpose``
    (semitones). Equal arguments give equal samples on the same machine, here and with ``riffengine render``.

    Raises ``ParameterError`` for a value out of its range, ``ModelError`` and ``AudioFileError`` for files, and
    ``RendererError`` for a loop that cannot be rendered.
    """
    values: dict[str, Value] = {
        "prompt": prompt, "to": to, "negative": negative, "alpha": alpha, "bpm": bpm, "key": key, "chords": chords,
        "seed": seed, "to_seed": seed if to_seed is None else to_seed, "takes": takes, "steps": steps,
        "guidance": guidance, "init": str(init), "strength": strength, **knobs,
    }  # fmt: skip
    name = model if isinstance(model, str) else model.name
    stems = model_shape(model).stems if isinstance(model, str) else model.stems
    request = loop_request(values, stems, name, beats, sample_rate)  # before a model is loaded: that takes seconds
    family = load_model(model) if isinstance(model, str) else model
    rendition = family.render(request.canonical(), lambda: None)
    audio = rendition.audio if rendition.audio.shape[2] == 2 else np.repeat(rendition.audio, 2, axis=2)
    return RenderedLoop(
        samples=audio.sum(axis=0),
        stems=dict(zip(family.stems, audio, strict=True)),
        sample_rate=sample_rate,
        bpm=request.bpm,
        beats=beats,
        notes=rendition.notes,
        loudness_lufs=rendition.loudness_lufs,
        unknown_words=rendition.unknown_words,
    )


def render_journal(journal: Path | str, path: Path | str, *, steps: int | None = None) -> ReplayReport:
    """Render the set of the file ``journal`` again into ``path`` (.wav or .flac). Blocks; faster than it was played.

    Without ``steps`` the samples are those that were heard, on the same machine and with the same model and files; with
    ``steps`` its loops are rendered with so many denoising steps. Raises ``JournalError``, ``AudioFileError``,
    ``ParameterError`` and ``ModelError``.
    """
    if steps is not None:
        standard_tree().check("steps", steps)
    return replay_file(read_journal(Path(journal)), Path(path), load_replay_family, steps)
