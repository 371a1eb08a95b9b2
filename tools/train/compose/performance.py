"""Performance: how quantised notes are actually played, with swing, human timing, touch and the key of the day."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from riffengine.renderer.bundled.score import BEATS, STEPS, STEPS_PER_BEAT, Note
from tools.train.compose.character import Character

_BACKBEAT = frozenset({37, 38, 39, 40})  # General MIDI keys of snare, rim and clap
STRUMMED = ("acoustic guitar", "electric guitar", "muted guitar", "distorted guitar", "banjo", "harp")


@dataclass(frozen=True)
class PlayedNote:
    """A note as it is played: ``start_beats`` may be slightly negative, ``velocity`` is MIDI 1..127."""

    start_beats: float
    length_beats: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Track:
    """What one player does. ``part`` is drums, bass, comp or lead; ``filter_cents`` moves the synth's cutoff.

    ``level_db`` is how loud the part is while it plays, against the drums of an ordinary piece.
    """

    part: str
    word: str
    bank: int
    program: int
    level_db: float
    notes: tuple[PlayedNote, ...]
    filter_cents: float = 0.0


@dataclass(frozen=True)
class Feel:
    """When the second eighth and sixteenth fall (0.5 straight), the timing spread in ms, and the tempo."""

    swing8: float
    swing16: float
    human_ms: float
    bpm: float

    def beats(self, step: float) -> float:
        """Where a grid step is played, in beats."""
        beat, fraction = divmod(step / STEPS_PER_BEAT, 1.0)
        half, inside = divmod(fraction * 2.0, 1.0)
        inside = _bend(inside, self.swing16)
        return beat + _bend((half + inside) / 2.0, self.swing8)

    def jitter(self, rng: random.Random) -> float:
        """A random timing error in beats, never more than two standard deviations."""
        error = min(max(rng.gauss(0.0, 1.0), -2.0), 2.0) * self.human_ms / 1000.0
        return error * self.bpm / 60.0


def _bend(fraction: float, middle: float) -> float:
    """Move what lies at 0.5 to ``middle`` and everything else with it."""
    if fraction < 0.5:
        return fraction * 2.0 * middle
    return middle + (fraction - 0.5) * 2.0 * (1.0 - middle)


def articulate(notes: Sequence[Note], scale: float) -> list[Note]:
    """Lengthen or shorten notes by ``scale``; a longer note stops where its part begins the next one."""
    if not notes or 0.95 < scale < 1.05:
        return list(notes)
    onsets = sorted({note.start_step for note in notes})
    gap = {}
    for i, onset in enumerate(onsets):
        following = onsets[i + 1] if i + 1 < len(onsets) else onsets[0] + STEPS
        gap[onset] = following - onset
    played = []
    for note in notes:
        steps = max(1, round(note.steps * scale))
        if scale > 1.0:  # as long as it is alone, and no longer than four beats beyond what was written
            room = max(gap[note.start_step], note.steps)
            steps = min(room if scale >= 1.6 else steps, room, note.steps + 16)
        played.append(replace(note, steps=min(steps, STEPS)))
    return played


def play(
    rng: random.Random,
    notes: Iterable[Note],
    feel: Feel,
    character: Character,
    word: str,
    key_shift: int,
    late_ms: float = 0.0,
) -> tuple[PlayedNote, ...]:
    """Play the notes of one part: swung, humanised, strummed where the instrument is, and moved to the key.

    ``late_ms`` is how far this player is behind the beat on average.
    """
    played = []
    chords: dict[int, list[Note]] = {}
    for note in notes:
        chords.setdefault(note.start_step, []).append(note)
    short = 0.55 if character.articulation < 0.5 else 0.92
    for step in sorted(chords):
        together = feel.jitter(rng) + late_ms / 1000.0 * feel.bpm / 60.0
        chord = sorted(chords[step], key=lambda note: note.pitch, reverse=step % 4 == 2)
        spread = rng.uniform(0.006, 0.016) * feel.bpm / 60.0 if word in STRUMMED and len(chord) > 2 else 0.0
        for i, note in enumerate(chord):
            start = feel.beats(step) + together + i * spread
            end = feel.beats(step + note.steps - 1) + short / STEPS_PER_BEAT
            if note.steps > 1:
                end = feel.beats(step + note.steps) - 0.03
            length = max(end - feel.beats(step) - i * spread, 0.06)
            played.append(PlayedNote(start, min(length, BEATS - 0.05), note.pitch + key_shift, _midi(note.velocity)))
    return tuple(played)


def strike(
    rng: random.Random, strokes: Iterable[tuple[int, int, float]], feel: Feel, late_ms: float = 0.0
) -> tuple[PlayedNote, ...]:
    """Play drum strokes (step, MIDI key, velocity 0..1); the backbeat comes ``late_ms`` behind the beat.

    Strokes of one step keep together: a drummer's hands and feet err less against each other than against the beat.
    """
    late = late_ms / 1000.0 * feel.bpm / 60.0
    together: dict[int, float] = {}
    played = []
    for step, key, velocity in strokes:
        if step not in together:
            together[step] = 0.5 * feel.jitter(rng)
        start = feel.beats(step) + together[step] + 0.25 * feel.jitter(rng) + (late if key in _BACKBEAT else 0.0)
        played.append(PlayedNote(start, 0.24, key, _midi(velocity)))
    return tuple(played)


def _midi(velocity: float) -> int:
    """The MIDI velocity of a velocity 0..1."""
    return int(min(max(round(127 * velocity), 1), 127))
