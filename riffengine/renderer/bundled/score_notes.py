"""Converts a score into notes that an instrument can play. numpy only."""

from __future__ import annotations

from riffengine.notes.loop_notes import LoopNote
from riffengine.renderer.bundled.score import Score, notes_from_score

# The General MIDI percussion key that the training data uses most for each voice.
DRUM_KEYS = {
    "kick": 36, "snare": 38, "clap": 39, "closed hat": 42, "open hat": 46, "tom": 47, "cymbal": 49, "percussion": 70,
}  # fmt: skip


def loop_notes(score: Score) -> tuple[LoopNote, ...]:
    """The notes and drum strokes of a score ``(T, 166)`` at sounding pitch, sorted by onset.

    A stroke lasts one sixteenth.
    """
    notes, hits = notes_from_score(score)
    found = [LoopNote(n.part, n.pitch, n.start_step, n.steps, _velocity(n.velocity)) for n in notes]
    found += [LoopNote("drums", DRUM_KEYS[hit.voice], hit.step, 1, _velocity(hit.velocity)) for hit in hits]
    return tuple(sorted(found, key=lambda note: (note.start_step, note.part, note.pitch)))


def _velocity(share: float) -> int:
    return min(127, max(1, round(127 * share)))
