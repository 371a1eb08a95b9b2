"""The score of a loop: an array with the drum strokes and the sounding notes of each sixteenth.

A score is ``(STEPS, COLUMNS) float32``: 32 sixteenths (8 beats; 16 and 64 for loops of 4 and of 16 beats) by 166
columns. The model writes it in the home key (the relative major is C), without swing. It is circular: a note may last
past the end into the start.

=========  =======  ==========================================================================================
columns    slice    meaning
=========  =======  ==========================================================================================
drums 8    DRUMS    velocity 0..1 of kick, snare, clap, closed hat, open hat, tom, cymbal, percussion
bass 33    BASS     1 while a note of MIDI pitch 28..60 sounds, from the step of its onset on
comp 61    COMP     the same for the chords, 36..96
lead 61    LEAD     the same for the melody, 48..108
onsets 3   ONSETS   0.5 + velocity / 2 where a note of the bass, the comp, the lead starts
=========  =======  ==========================================================================================

The onset columns do not say *which* of the sounding pitches starts, so reading a score restarts every pitch of the part
there, and all pitches of a part that start together have one velocity. The array written from those notes is the same
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riffengine.notes.loop_notes import STEPS_PER_BEAT as STEPS_PER_BEAT

STEPS = 32
BEATS = STEPS // STEPS_PER_BEAT

DRUM_VOICES = ("kick", "snare", "clap", "closed hat", "open hat", "tom", "cymbal", "percussion")
PITCHED_PARTS = ("bass", "comp", "lead")
LOWEST = {"bass": 28, "comp": 36, "lead": 48}
HIGHEST = {"bass": 60, "comp": 96, "lead": 108}

DRUMS = slice(0, 8)
BASS = slice(8, 41)
COMP = slice(41, 102)
LEAD = slice(102, 163)
ONSETS = slice(163, 166)
COLUMNS = 166
PART_COLUMNS = {"bass": BASS, "comp": COMP, "lead": LEAD}
ONSET_COLUMN = {part: ONSETS.start + i for i, part in enumerate(PITCHED_PARTS)}

# The score columns of each stem.
STEM_COLUMNS = {
    "drums": (DRUMS,),
    "bass": (BASS, slice(163, 164)),
    "harmony": (COMP, LEAD, slice(164, 166)),
}

Score = NDArray[np.float32]

# The velocity of notes for which nothing else is known: those of networks that were trained without velocities, and
# those that start without an onset.
READ_VELOCITY = 0.8


@dataclass(frozen=True)
class Note:
    """One pitched note: it starts on ``start_step`` (from 0) and lasts ``steps`` (from 1) sixteenths, circularly.

    ``part`` is ``"bass"``, ``"comp"`` or ``"lead"``; ``pitch`` is MIDI; ``velocity`` is 0..1.
    """

    part: str
    pitch: int
    start_step: int
    steps: int
    velocity: float = READ_VELOCITY


@dataclass(frozen=True)
class Hit:
    """One drum stroke: ``voice`` is one of ``DRUM_VOICES``, ``velocity`` is 0..1."""

    voice: str
    step: int
    velocity: float


def onset_value(velocity: float) -> float:
    """What an onset column holds for notes of ``velocity`` 0..1: 0.5..1, because 0 means that no note starts."""
    return 0.5 + 0.5 * min(max(velocity, 0.0), 1.0)


def onset_velocity(value: float) -> float:
    """The inverse of ``onset_value``, to seven digits: the precision of float32."""
    return round(min(max(2.0 * value - 1.0, 0.0), 1.0), 7)


def fold(part: str, pitch: int) -> int:
    """``pitch`` moved by octaves into the range of ``part`` (each range is wider than an octave)."""
    while pitch < LOWEST[part]:
        pitch += 12
    while pitch > HIGHEST[part]:
        pitch -= 12
    return pitch


def score_from_notes(notes: Iterable[Note], hits: Iterable[Hit] = ()) -> Score:
    """Write notes and drum strokes into a score ``(32, 166) float32``; the louder of two equal strokes is kept.

    Notes of one part that start together get the velocity of the loudest.
    """
    score = np.zeros((STEPS, COLUMNS), np.float32)
    for note in notes:
        if not LOWEST[note.part] <= note.pitch <= HIGHEST[note.part]:
            low, high = LOWEST[note.part], HIGHEST[note.part]
            raise ValueError(
                f"pitch {note.pitch} is outside the range of the {note.part} ({low}..{high}); call fold() first"
            )
        column = PART_COLUMNS[note.part].start + note.pitch - LOWEST[note.part]
        length = min(max(note.steps, 1), STEPS)
        score[np.arange(note.start_step, note.start_step + length) % STEPS, column] = 1.0
        onset = note.start_step % STEPS, ONSET_COLUMN[note.part]
        score[onset] = max(score[onset], onset_value(note.velocity))
    for hit in hits:
        column = DRUM_VOICES.index(hit.voice)
        step = hit.step % STEPS
        score[step, column] = max(score[step, column], hit.velocity)
    return score


def _notes_of_part(part: str, sounding: NDArray[np.bool_], onset_values: NDArray[np.float32]) -> list[Note]:
    """The notes of one part; ``onset_values`` is its onset column, 0 where no note starts."""
    onsets = onset_values > 0
    velocities = [onset_velocity(float(value)) if value else READ_VELOCITY for value in onset_values]
    notes = []
    for index in np.flatnonzero(sounding.any(axis=0)):
        active = sounding[:, index]
        starts = active & (onsets | ~np.roll(active, 1))
        if not starts.any():
            starts[0] = True  # the note is held all the way round without an onset: let it start on step 0
        start_steps = np.flatnonzero(starts)
        for i, start in enumerate(start_steps):
            until = start_steps[i + 1] if i + 1 < len(start_steps) else start_steps[0] + len(active)
            held = active[np.arange(start, until) % len(active)]
            steps = len(held) if held.all() else int(np.argmin(held))
            notes.append(Note(part, LOWEST[part] + int(index), int(start), steps, velocities[start]))
    return notes


def notes_from_score(score: Score, threshold: float = 0.5) -> tuple[list[Note], list[Hit]]:
    """Read notes and drum strokes from a score: values of at least ``threshold`` (onsets half of it, drums a fifth).

    The inverse of ``score_from_notes`` except for restarted pitches (see the module's docstring). Drum columns hold
    velocities, and a ghost note has about 0.25, so their threshold is lower; the softest onset is 0.5. Notes are sorted
    by step.
    """
    if score.ndim != 2 or score.shape[1] != COLUMNS or not len(score) or len(score) % STEPS_PER_BEAT:
        raise ValueError(f"a score is (sixteenths of whole beats, {COLUMNS}), not {score.shape}")
    notes: list[Note] = []
    for part in PITCHED_PARTS:
        onsets = score[:, ONSET_COLUMN[part]]
        onsets = np.where(onsets >= threshold / 2, onsets, np.float32(0.0))
        notes += _notes_of_part(part, score[:, PART_COLUMNS[part]] >= threshold, onsets)
    notes.sort(key=lambda note: (note.start_step, PITCHED_PARTS.index(note.part), note.pitch))
    drums = score[:, DRUMS]
    hits = [
        Hit(DRUM_VOICES[voice], int(step), float(min(drums[step, voice], 1.0)))
        for step, voice in np.argwhere(drums >= threshold / 5)
    ]
    return notes, hits


def events(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """The number of drum strokes and note onsets in scores ``(…, 32, 166)``: ``(…)``."""
    strokes = (scores[..., DRUMS] > 0).sum(axis=(-1, -2))
    onsets = np.zeros(scores.shape[:-2])
    for part, columns in PART_COLUMNS.items():
        sounding = scores[..., columns] > 0
        restarted = sounding & (scores[..., ONSET_COLUMN[part], None] > 0)
        onsets += (restarted | (sounding & ~np.roll(sounding, 1, axis=-2))).sum(axis=(-1, -2))
    return np.asarray(strokes + onsets, np.float64)


def density(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """The density of scores ``(…, 32, 166)``: -1 (16 onsets) to 1 (200 onsets), logarithmic."""
    return np.asarray(np.clip(np.log2((events(scores) + 1.0) / 57.0) / 1.82, -1.0, 1.0), np.float64)


def transpose(score: Score, semitones: int) -> Score:
    """The score transposed by ``semitones``; a note that leaves its part's range moves by octaves."""
    moved = score.copy()
    for part, columns in PART_COLUMNS.items():
        block = np.zeros_like(score[:, columns])
        for index in np.flatnonzero(score[:, columns].any(axis=0)):
            target = fold(part, LOWEST[part] + int(index) + semitones) - LOWEST[part]
            block[:, target] = np.maximum(block[:, target], score[:, columns][:, index])
        moved[:, columns] = block
    return moved
