"""Dynamics: how hard each note and stroke is played, from accents, phrases and the genre's touch.

Patterns and melodies mark levels (accent, plain, light, ghost). From these come the velocities that stand in the score
and are played: whole MIDI velocities divided by 127, so that what is heard is what the score says.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from riffengine.renderer.bundled.score import STEPS, Note

# The weight of each sixteenth of a bar, and what it is in music that leans on the offbeats.
_METRE = (1.0, 0.15, 0.45, 0.2, 0.7, 0.15, 0.45, 0.25, 0.85, 0.15, 0.45, 0.2, 0.7, 0.15, 0.5, 0.3)
_OFFBEATS = (0.8, 0.3, 0.9, 0.35, 0.5, 0.3, 0.95, 0.4, 0.7, 0.3, 0.9, 0.35, 0.5, 0.35, 1.0, 0.45)
_SOFTEST_STROKE = 35  # MIDI; 0.276 in the score, which the flow still tells from no stroke
_SOFTEST_NOTE = 18
_PHRASE_GAP = 4  # sixteenths of rest that end a phrase

# General MIDI keys of strokes that keep time, which carry the metre.
_TIMEKEEPERS = frozenset({42, 44, 46, 51, 54, 69, 70, 73, 56})


@dataclass(frozen=True)
class Touch:
    """The dynamics of a genre: ``depth`` of accents (1 ordinary), ``spread`` of chance (share of full velocity),
    ``offbeats`` how far the weight lies on them (0..1), ``ghosts`` how often weak sixteenths are hardly played."""

    depth: float
    spread: float
    offbeats: float
    ghosts: float

    def metre(self, step: int) -> float:
        """The weight of a sixteenth, -0.5..0.5."""
        place = step % len(_METRE)
        return (1.0 - self.offbeats) * _METRE[place] + self.offbeats * _OFFBEATS[place] - 0.5


def shape_notes(rng: random.Random, notes: Sequence[Note], touch: Touch, energy: float) -> list[Note]:
    """The notes of one part with the velocities that are played; notes that start together have the same."""
    starts: dict[int, list[Note]] = {}
    for note in notes:
        starts.setdefault(note.start_step, []).append(note)
    steps = sorted(starts)
    arcs = _phrase_arcs(starts)
    middle = sum(note.pitch for note in notes) / max(len(notes), 1)
    hand = 0.46 + 0.52 * energy
    shaped: list[Note] = []
    repeats, before, last = 0, frozenset[int](), -STEPS
    for step in steps:
        chord = starts[step]
        pitches, length = frozenset(note.pitch for note in chord), max(note.steps for note in chord)
        part = chord[0].part
        repeats = repeats + 1 if pitches == before and step - last <= 4 else 0
        before, last = pitches, step
        level = max(note.velocity for note in chord) + touch.depth * (0.26 * touch.metre(step) + arcs[step])
        if part == "lead":
            level += touch.depth * 0.05 * max(min((max(pitches) - middle) / 7.0, 1.0), -1.0)
        elif part == "comp" and len(chord) > 1:  # a stab is hit, a pad is laid
            level += 0.07 if length <= 2 else -0.12 if length >= 8 else 0.0
        level -= touch.depth * 0.035 * min(repeats, 3)
        if step % 2 == 1 and length <= 2 and part != "lead" and rng.random() < touch.ghosts:
            level *= 0.55
        level += rng.gauss(0.0, touch.spread)
        velocity = round(127 * hand * (0.25 + 0.72 * min(max(level, 0.1), 1.1)))
        shaped += [replace(note, velocity=min(max(velocity, _SOFTEST_NOTE), 127) / 127) for note in chord]
    return shaped


def _phrase_arcs(starts: dict[int, list[Note]]) -> dict[int, float]:
    """For every onset: how far its phrase has risen there, -0.05 at its ends to 0.09 in its middle.

    A phrase ends with a rest of a beat or with the bar pair.
    """
    phrases: list[list[int]] = []
    end = -STEPS
    for step in sorted(starts):
        if step - end >= _PHRASE_GAP or not phrases:
            phrases.append([])
        phrases[-1].append(step)
        end = max(step + note.steps for note in starts[step])
    arcs = {}
    for phrase in phrases:
        length = max(phrase[-1] - phrase[0], 1)
        for step in phrase:
            place = (step - phrase[0]) / length if len(phrase) > 2 else 0.5
            arcs[step] = 0.14 * math.sin(math.pi * (0.12 + 0.8 * place)) - 0.05
    return arcs


def shape_strokes(
    rng: random.Random, strokes: Sequence[tuple[int, int, float]], touch: Touch, energy: float
) -> list[tuple[int, int, float]]:
    """Drum strokes (step, MIDI key, level 0..1) with the velocities 0..1 that are played."""
    hand = 0.58 + 0.38 * energy
    shaped = []
    for step, key, level in strokes:
        weight = 0.3 if key in _TIMEKEEPERS else 0.08
        loud = level * (1.0 + touch.depth * weight * touch.metre(step)) + rng.gauss(0.0, touch.spread) * (0.4 + level)
        velocity = round(127 * hand * (0.1 + 0.9 * min(max(loud, 0.0), 1.05)))
        shaped.append((step, key, min(max(velocity, _SOFTEST_STROKE), 127) / 127))
    return shaped
