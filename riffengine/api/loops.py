"""Rendering loops from Python: ``load_model`` and ``render``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import AudioFileError, OutOfRange
from riffengine.notes.loop_notes import STEPS_PER_BEAT, LoopNote
from riffengine.notes.midi_file import write_midi
from riffengine.offline.render import check_output, load_alone
from riffengine.performance.chords import parse_chords
from riffengine.performance.command import Value
from riffengine.performance.parameters import standard_tree
from riffengine.processes.render_request import Point, RenderRequest
from riffengine.renderer.audio_file import write_audio
from riffengine.renderer.family import Family


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
        """Write the mix to a .wav or .flac file (24 bit), or the notes to a .mid file; or raise ``AudioFileError``."""
        path = Path(path)
        if path.suffix.lower() in (".mid", ".midi"):
            if not self.notes:
                raise AudioFileError(f"{path.name}: this loop has no notes; save it as .wav or .flac")
            write_midi(path, self.notes, self.bpm, self.beats * STEPS_PER_BEAT)
            return
        check_output(path)
        write_audio(path, self.samples, self.sample_rate)


def load_model(name: str = "bundled") -> Family:
    """The model ``name``: ``bundled``, a weights file, or a Riffusion checkpoint; or ``ModelError``.

    Loading takes seconds, so load a model once and give it to ``render``. Torch then uses one thread in this process,
    so that equal arguments give equal samples on any number of cores.
    """
    return load_alone(name)


def render(  # noqa: PLR0913 (one call with keywords is what a script wants)
    prompt: str,
    *,
    model: Family | str = "bundled",
    to: str = "",
    seed: int = 0,
    to_seed: int | None = None,
    alpha: float = 0.0,
    bpm: float = 120.0,
    beats: int = 8,
    steps: int = 8,
    sample_rate: int = 44100,
    init: Path | str = "",
    **parameters: Value,
) -> RenderedLoop:
    """One loop of ``prompt``, or of a morph from ``prompt`` to ``to`` at ``alpha`` (0..1). Blocks until it is rendered.

    ``model`` is a loaded model, or the name of one. ``beats`` is 4, 8 or 16, ``steps`` counts denoising steps, ``init``
    is an audio file to start from. ``parameters`` are ``key`` and those of a deck by their names: ``negative``,
    ``guidance``, ``strength``, ``chords``, ``density``, ``brightness``, ``energy``, ``transpose``: docs/parameters.md.

    Raises ``ParameterError`` for a value out of its range, ``ModelError`` and ``AudioFileError`` for files.
    """
    family = load_model(model) if isinstance(model, str) else model
    tree = standard_tree(("a",), family.stems, loop_beats=beats)
    values: dict[str, Value] = {
        "prompt": prompt, "to": to, "seed": seed, "to_seed": seed if to_seed is None else to_seed, "alpha": alpha,
        "init": str(init), **parameters,
    }  # fmt: skip
    state = tree.initial_state()
    session_wide = {"key": values.pop("key", ""), "transport/tempo": bpm, "steps": steps}
    for path, value in {**session_wide, **{f"deck/a/{name}": value for name, value in values.items()}}.items():
        state = state.with_value(path, tree.check(path, value)[0])
    if beats not in (4, 8, 16):
        raise OutOfRange(f"beats is {beats}; a loop has 4, 8 or 16 beats")
    deck = state.deck("a")
    start = Point(deck.prompt, deck.seed, deck.negative, deck.guidance, deck.strength if deck.init else 1.0)
    end = Point(deck.to or deck.prompt, deck.to_seed, start.negative, start.guidance, start.strength)
    knobs: dict[str, Any] = dict(deck.knobs)
    request = RenderRequest(
        start, end, deck.alpha, int(state["steps"]), state.number("transport/tempo"), beats, sample_rate,
        state.text("key"), deck.init, family.name, chords=parse_chords(deck.chords), **knobs,
    )  # fmt: skip
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
