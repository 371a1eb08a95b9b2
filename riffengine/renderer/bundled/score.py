"""The score of a loop: which drums are struck and which notes sound on each sixteenth, as one array.

A score is ``(STEPS, COLUMNS) float32``: 32 sixteenths (8 beats; 16 and 64 for loops of 4 and of 16 beats) by 166
columns. It is written in the canonical key (the relative major is C), without swing, and it is circular: a note may
ring over the end into the beginning.

=========  =======  ==========================================================================================
columns    slice    meaning
=========  =======  ==========================================================================================
drums 8    DRUMS    velocity 0..1 of kick, snare, clap, closed hat, open hat, tom, cymbal, percussion
bass 33    BASS     1 while a note of MIDI pitch 28..60 sounds, from the step of its onset on
comp 61    COMP     the same for the chords, 36..96
lead 61    LEAD     the same for the melody, 48..108
onsets 3   ONSETS   1 where a note of the bass, the comp, the lead begins
=========  =======  ==========================================================================================

The onset columns do not say *which* of the sounding pitches begins, so reading a score back restarts every pitch of the
part there; the array that is written from those notes is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEPS = 32
STEPS_PER_BEAT = 4
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

# The columns of each stem that sounds.
STEM_COLUMNS = {
    "drums": (DRUMS,),
    "bass": (BASS, slice(163, 164)),
    "harmony": (COMP, LEAD, slice(164, 166)),
}

Score = NDArray[np.float32]

# A score cannot say how hard a note is played; this is the velocity of notes that are read back from one.
READ_VELOCITY = 0.8


@dataclass(frozen=True)
class Note:
    """One pitched note: it begins on ``start_step`` (from 0) and rings for ``steps`` (from 1) sixteenths, circularly.

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


def fold(part: str, pitch: int) -> int:
    """The pitch moved by octaves into the range of ``part`` (each range is wider than an octave)."""
    while pitch < LOWEST[part]:
        pitch += 12
    while pitch > HIGHEST[part]:
        pitch -= 12
    return pitch


def score_from_notes(notes: Iterable[Note], hits: Iterable[Hit] = ()) -> Score:
    """Write notes and drum strokes into a score ``(32, 166) float32``; of two strokes on one spot the louder stays."""
    score = np.zeros((STEPS, COLUMNS), np.float32)
    for note in notes:
        if not LOWEST[note.part] <= note.pitch <= HIGHEST[note.part]:
            low, high = LOWEST[note.part], HIGHEST[note.part]
            raise ValueError(f"pitch {note.pitch} does not fit the {note.part} ({low}..{high}); fold() it first")
        column = PART_COLUMNS[note.part].start + note.pitch - LOWEST[note.part]
        length = min(max(note.steps, 1), STEPS)
        score[np.arange(note.start_step, note.start_step + length) % STEPS, column] = 1.0
        score[note.start_step % STEPS, ONSET_COLUMN[note.part]] = 1.0
    for hit in hits:
        column = DRUM_VOICES.index(hit.voice)
        step = hit.step % STEPS
        score[step, column] = max(score[step, column], hit.velocity)
    return score


def _notes_of_part(part: str, sounding: NDArray[np.bool_], onsets: NDArray[np.bool_]) -> list[Note]:
    notes = []
    for index in np.flatnonzero(sounding.any(axis=0)):
        active = sounding[:, index]
        starts = active & (onsets | ~np.roll(active, 1))
        if not starts.any():
            starts[0] = True  # held all the way round with no onset: it has to begin somewhere
        begins = np.flatnonzero(starts)
        for i, begin in enumerate(begins):
            until = begins[i + 1] if i + 1 < len(begins) else begins[0] + len(active)
            ring = active[np.arange(begin, until) % len(active)]
            steps = len(ring) if ring.all() else int(np.argmin(ring))
            notes.append(Note(part, LOWEST[part] + int(index), int(begin), steps))
    return notes


def notes_from_score(score: Score, threshold: float = 0.5) -> tuple[list[Note], list[Hit]]:
    """Read notes and drum strokes out of a score; values from ``threshold`` on count (for drums a fifth of it).

    The inverse of ``score_from_notes`` up to pitched velocities and restarted pitches (see the module). Drum columns
    hold velocities, and a ghost note is about 0.25, so their threshold is lower. Notes come sorted by step.
    """
    if score.ndim != 2 or score.shape[1] != COLUMNS or not len(score) or len(score) % STEPS_PER_BEAT:
        raise ValueError(f"a score is (sixteenths of whole beats, {COLUMNS}), not {score.shape}")
    notes: list[Note] = []
    for part in PITCHED_PARTS:
        onsets = score[:, ONSET_COLUMN[part]] >= threshold
        notes += _notes_of_part(part, score[:, PART_COLUMNS[part]] >= threshold, onsets)
    notes.sort(key=lambda note: (note.start_step, PITCHED_PARTS.index(note.part), note.pitch))
    drums = score[:, DRUMS]
    hits = [
        Hit(DRUM_VOICES[voice], int(step), float(min(drums[step, voice], 1.0)))
        for step, voice in np.argwhere(drums >= threshold / 5)
    ]
    return notes, hits


def events(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """How many strokes and notes begin in scores ``(…, 32, 166)``: ``(…)``."""
    strokes = (scores[..., DRUMS] > 0).sum(axis=(-1, -2))
    begun = np.zeros(scores.shape[:-2])
    for part, columns in PART_COLUMNS.items():
        sounding = scores[..., columns] > 0
        again = sounding & (scores[..., ONSET_COLUMN[part], None] > 0)
        begun += (again | (sounding & ~np.roll(sounding, 1, axis=-2))).sum(axis=(-1, -2))
    return np.asarray(strokes + begun, np.float64)


def density(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """How full scores ``(…, 32, 166)`` are, -1 sparse to 1 dense: 16 events to 200, by octaves."""
    return np.asarray(np.clip(np.log2((events(scores) + 1.0) / 57.0) / 1.82, -1.0, 1.0), np.float64)


def transpose(score: Score, semitones: int) -> Score:
    """The score with its pitched columns moved by ``semitones``; a note that leaves its range folds by octaves."""
    moved = score.copy()
    for part, columns in PART_COLUMNS.items():
        block = np.zeros_like(score[:, columns])
        for index in np.flatnonzero(score[:, columns].any(axis=0)):
            target = fold(part, LOWEST[part] + int(index) + semitones) - LOWEST[part]
            block[:, target] = np.maximum(block[:, target], score[:, columns][:, index])
        moved[:, columns] = block
    return moved
