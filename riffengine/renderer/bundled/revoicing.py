"""Revoicing: moves the notes of a generated score to chords that a performer plays. The rhythm stays.

Every pitch moves as little as possible: the comp to the nearest tones of the chord (to all of them, if it has enough
voices), the bass to the chord's bass note, the lead to chord tones on strong beats and to the scale between them.
Pitches that fit stay: where bass and lead have one voice at a time, revoicing twice gives the same as revoicing once.
The loop is circular: its start has no special role. Pure, numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.score import Note, Score

Chords = Sequence[Sequence[int]]
"""Chords of equal length that fill the loop, each as MIDI pitches from the bass up."""

PitchClasses = frozenset[int]

_REACH = 8  # semitones that a voice may move; a chord tone is within six, except at the ends of the range
_MISSING = 6  # a chord tone that no voice plays costs as much as six semitones of movement
_DOUBLED = 4  # the cost of two voices on one pitch
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_SHIFTS = (0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, 6)  # keys nearest to the home key first


@dataclass(frozen=True)
class _Segment:
    """A note, or the part of it under one chord. ``is_onset`` is false if it continues the segment before it."""

    pitch: int
    step: int
    steps: int
    is_onset: bool
    velocity: float


@dataclass(frozen=True)
class _Chord:
    bass: int  # pitch class
    tones: PitchClasses
    scale: PitchClasses


def major_scale(shift: int) -> PitchClasses:
    """The pitch classes of the major scale ``shift`` semitones above C (the relative minor has the same)."""
    return frozenset((tone + shift) % 12 for tone in _MAJOR)


def revoice(score: Score, chords: Chords, scale: PitchClasses | None = None) -> Score:
    """``score`` ``(T, 166) float32`` at sounding pitch, with bass, comp and lead following ``chords``.

    ``scale`` holds the pitch classes of the key; the default is the major scale that fits chords and score best. Drums
    and rhythm stay: every onset stays on its step, and a new one is added only where a held note must change with the
    chord. Without chords the score is returned unchanged. Raises ``ValueError`` for another shape. Renderer process.
    """
    pitches = [[int(pitch) for pitch in chord] for chord in chords if len(chord)]
    notes, _ = sheet.notes_from_score(score)
    out, steps = score.copy(), len(score)
    if not pitches:
        return out
    key = _best_scale(notes, pitches, steps) if scale is None else scale
    # Equal neighbours count as one chord: notes are held across them.
    repeats = [number > 0 and chord == pitches[number - 1] for number, chord in enumerate(pitches)]
    chord_plan = [_chord_in_key(chord, key) for chord, repeat in zip(pitches, repeats, strict=True) if not repeat]
    index_in_plan = np.cumsum([not repeat for repeat in repeats]) - 1
    chord_at_step = [int(index_in_plan[step * len(pitches) // steps]) for step in range(steps)]
    change_steps = frozenset(step for step in range(steps) if chord_at_step[step] != chord_at_step[step - 1])
    moves: dict[str, Callable[[list[_Segment], list[_Chord], list[int]], list[int]]] = {
        "bass": _move_bass,
        "comp": _move_comp,
        "lead": _move_lead,
    }
    for part, move in moves.items():
        own = [note for note in notes if note.part == part]
        segments = _split_at_chord_changes(own, change_steps, steps)
        moved = [sheet.fold(part, pitch) for pitch in move(segments, chord_plan, chord_at_step)]
        _write_segments(out, part, segments, moved)
    return out


# --- chords and scales ----------------------------------------------------------------------------------------------


def _chord_in_key(pitches: list[int], key: PitchClasses) -> _Chord:
    """The chord and its scale: the key, without the tones next to those that the chord alters, plus the chord."""
    tones = frozenset(pitch % 12 for pitch in pitches)
    altered = tones - key
    beside = {(tone + step) % 12 for tone in altered for step in (-1, 1)}
    return _Chord(pitches[0] % 12, tones, tones | (key - beside))


def _best_scale(notes: list[Note], chords: list[list[int]], steps: int) -> PitchClasses:
    weight = np.zeros(12)
    for chord in chords:
        for pitch in chord:
            weight[pitch % 12] += 4.0 * steps / len(chords)
    for note in notes:
        weight[note.pitch % 12] += note.steps

    def fit(shift: int) -> float:
        return float(sum(weight[tone] for tone in major_scale(shift)))

    return major_scale(max(_SHIFTS, key=fit))


# --- segments -------------------------------------------------------------------------------------------------------


def _split_at_chord_changes(notes: list[Note], change_steps: frozenset[int], steps: int) -> list[_Segment]:
    """The notes, divided where the chord changes, sorted by step and pitch."""
    segments = []
    for note in notes:
        inside = [offset for offset in range(1, note.steps) if (note.start_step + offset) % steps in change_steps]
        edges = [0, *inside, note.steps]
        for start, end in pairwise(edges):
            segments.append(
                _Segment(note.pitch, (note.start_step + start) % steps, end - start, start == 0, note.velocity)
            )
    return sorted(segments, key=lambda segment: (segment.step, segment.pitch))


def _write_segments(out: Score, part: str, segments: list[_Segment], moved: list[int]) -> None:
    """Write ``segments`` with their ``moved`` pitches. A held note that changes its pitch gets an onset."""
    columns, lowest = sheet.PART_COLUMNS[part], sheet.LOWEST[part]
    block = np.zeros_like(out[:, columns])
    onsets = np.zeros(len(out), np.float32)
    for segment, pitch in zip(segments, moved, strict=True):
        block[np.arange(segment.step, segment.step + segment.steps) % len(out), pitch - lowest] = 1.0
        if segment.is_onset:
            onsets[segment.step] = max(onsets[segment.step], sheet.onset_value(segment.velocity))
    for segment, pitch in zip(segments, moved, strict=True):
        if not block[segment.step - 1, pitch - lowest]:
            onsets[segment.step] = max(onsets[segment.step], sheet.onset_value(segment.velocity))
    out[:, columns] = block
    out[:, sheet.ONSET_COLUMN[part]] = onsets


# --- the parts ------------------------------------------------------------------------------------------------------


def _move_bass(segments: list[_Segment], chord_plan: list[_Chord], chord_at_step: list[int]) -> list[int]:
    """The first note under each chord becomes its bass note; later ones keep their interval, on the bass or its fifth.

    A note that is held into a chord counts as the first note under it.
    """
    first_notes: dict[int, tuple[int, int]] = {}  # by chord: the pitch of the first note, generated and moved
    moved = []
    for segment in segments:
        number = chord_at_step[segment.step]
        chord = chord_plan[number]
        if number not in first_notes:
            first_notes[number] = segment.pitch, sheet.fold("bass", _nearest(segment.pitch, frozenset({chord.bass})))
        generated, root = first_notes[number]
        target = root + segment.pitch - generated
        if (segment.pitch - generated) % 12 == 0:
            moved.append(target)
            continue
        fifths = [step for step in (7, 6, 8) if (chord.bass + step) % 12 in chord.tones][:1]
        moved.append(_nearest(target, frozenset({chord.bass, *((chord.bass + step) % 12 for step in fifths)})))
    return moved


def _move_comp(segments: list[_Segment], chord_plan: list[_Chord], chord_at_step: list[int]) -> list[int]:
    """Move every voicing to the nearest voicing of its chord."""
    voicings: dict[int, set[int]] = {}
    for segment in segments:
        voicings.setdefault(segment.step, set()).add(segment.pitch)
    return [
        dict(_voice_leading(tuple(sorted(voicings[segment.step])), chord_plan[chord_at_step[segment.step]].tones))[
            segment.pitch
        ]
        for segment in segments
    ]


def _move_lead(segments: list[_Segment], chord_plan: list[_Chord], chord_at_step: list[int]) -> list[int]:
    """Notes on a beat and notes of at least a beat move to chord tones, others to the scale; rising lines prefer up.

    A note that is held into a chord stays if it is in the chord's scale, and otherwise moves to a chord tone.
    """
    ends = {
        (segment.pitch, (segment.step + segment.steps) % len(chord_at_step)): number
        for number, segment in enumerate(segments)
    }
    cache: dict[int, int] = {}

    def moved(number: int) -> int:
        if number not in cache:
            segment, chord = segments[number], chord_plan[chord_at_step[segments[number].step]]
            before = None if segment.is_onset else moved(ends[segment.pitch, segment.step])
            if before is not None and before % 12 in chord.scale:
                cache[number] = before
            else:
                strong = segment.step % sheet.STEPS_PER_BEAT == 0 or segment.steps >= sheet.STEPS_PER_BEAT
                classes = chord.tones if strong or not segment.is_onset else chord.scale
                cache[number] = _nearest(segment.pitch, classes, segment.pitch > segments[number - 1].pitch)
        return cache[number]

    return [moved(number) for number in range(len(segments))]


def _nearest(pitch: int, classes: PitchClasses, rises: bool = False) -> int:
    """The nearest pitch whose class is in ``classes``; of two equally near ones, the upper one if ``rises``."""
    for distance in range(7):
        for step in (distance, -distance) if rises else (-distance, distance):
            if (pitch + step) % 12 in classes:
                return pitch + step
    raise ValueError("a chord needs at least one tone")


@lru_cache(maxsize=1024)
def _voice_leading(voicing: tuple[int, ...], tones: PitchClasses) -> tuple[tuple[int, int], ...]:
    """The pitch to which each voice of ``voicing`` (ascending) moves, so that they play ``tones`` with least movement.

    Voices do not cross. Dynamic programming over the voices from the lowest up: for every last pitch and every set of
    tones covered so far it keeps the cheapest path.
    """
    bits = {tone: 1 << index for index, tone in enumerate(sorted(tones))}
    low, high = sheet.LOWEST["comp"], sheet.HIGHEST["comp"]
    paths: Mapping[tuple[int, int], tuple[int, int, tuple[int, ...]]] = {(low - 1, 0): (0, 0, ())}
    for pitch in voicing:
        extended: dict[tuple[int, int], tuple[int, int, tuple[int, ...]]] = {}
        tones_in_range = [p for p in range(low, high + 1) if p % 12 in bits]
        near = [p for p in tones_in_range if abs(p - pitch) <= _REACH]
        near = near or [min(tones_in_range, key=lambda p: abs(p - pitch))]
        for (last, covered), (cost, moved, path) in paths.items():
            for target in near:
                if target < last:
                    continue
                step = abs(target - pitch)
                doubled = _DOUBLED if target == last else 0
                state = (target, covered | bits[target % 12])
                # The second number breaks ties: fewer moving voices, so that a chord that fits stays as it is.
                path_cost = (cost + step + doubled, moved + (step > 0), (*path, target))
                if state not in extended or path_cost < extended[state]:
                    extended[state] = path_cost
        paths = extended
    reachable = min(len(voicing), len(bits))

    def price(state: tuple[int, int]) -> tuple[int, int, tuple[int, ...]]:
        cost, moved, path = paths[state]
        return cost + _MISSING * max(0, reachable - state[1].bit_count()), moved, path

    best = price(min(paths, key=price))
    return tuple(zip(voicing, best[2], strict=True))
