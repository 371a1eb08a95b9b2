"""Revoicing: a dreamt score follows chords that a performer plays, in its own rhythm. Pure, numpy only.

Every pitch moves as little as it can: the comp to the nearest tones of the chord (all of them, where it has as many
voices), the bass to the chord's bass, the lead to chord tones on strong beats and to the scale between them. Pitches
that are right already stay, so revoicing twice is revoicing once. Nothing knows where the loop begins: it is circular.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.score import Note, Score

Harmony = Sequence[Sequence[int]]
"""Chords that share the loop equally, each as MIDI pitches from the bass up."""

PitchClasses = frozenset[int]

_REACH = 8  # semitones that a voice may move; there is a tone of the chord within six but at the ends of the keyboard
_MISSING = 6  # a tone of the chord that no voice sings costs as much as six semitones of movement
_DOUBLED = 4  # two voices that become one
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_SHIFTS = (0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, 6)  # the nearest to the home key first


@dataclass(frozen=True)
class _Piece:
    """A note, or the part of it that lies under one chord. ``begins`` is false where it was cut from the one before."""

    pitch: int
    step: int
    steps: int
    begins: bool


@dataclass(frozen=True)
class _Chord:
    bass: int  # pitch class
    tones: PitchClasses
    scale: PitchClasses


def major_scale(shift: int) -> PitchClasses:
    """The pitch classes of the major scale ``shift`` semitones above C (its relative minor is the same)."""
    return frozenset((tone + shift) % 12 for tone in _MAJOR)


def revoice(score: Score, harmony: Harmony, scale: PitchClasses | None = None) -> Score:
    """``score`` ``(T, 166) float32`` at sounding pitch, its bass, comp and lead following ``harmony``.

    ``scale`` holds the pitch classes of the key; without it the major scale that fits chords and score best. Drums and
    rhythm stay: every onset stays on its step, and a new one comes only where a held note has to change with the chord.
    Without chords the score comes back as it is. ``ValueError`` for another shape. Renderer process.
    """
    chords = [[int(pitch) for pitch in chord] for chord in harmony if len(chord)]
    notes, _ = sheet.notes_from_score(score)
    out, steps = score.copy(), len(score)
    if not chords:
        return out
    key = _best_scale(notes, chords, steps) if scale is None else scale
    alone = [chord for number, chord in enumerate(chords) if number == 0 or chord != chords[number - 1]]
    plan = [_under(chord, key) for chord in alone]
    repeats = [number > 0 and chord == chords[number - 1] for number, chord in enumerate(chords)]
    runs = np.cumsum([not repeat for repeat in repeats]) - 1
    place = [int(runs[step * len(chords) // steps]) for step in range(steps)]
    seams = frozenset(step for step in range(steps) if place[step] != place[step - 1])
    moves: dict[str, Callable[[list[_Piece], list[_Chord], list[int]], list[int]]] = {
        "bass": _move_bass,
        "comp": _move_comp,
        "lead": _move_lead,
    }
    for part, move in moves.items():
        own = [note for note in notes if note.part == part]
        pieces = _cut(own, seams, steps)
        moved = [sheet.fold(part, pitch) for pitch in move(pieces, plan, place)]
        _write(out, part, pieces, moved)
    return out


# --- chords and scales ----------------------------------------------------------------------------------------------


def _under(pitches: list[int], key: PitchClasses) -> _Chord:
    """A chord and the scale to be played over it: the key, where its tones give way to those the chord alters."""
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


# --- cutting and writing --------------------------------------------------------------------------------------------


def _cut(notes: list[Note], seams: frozenset[int], steps: int) -> list[_Piece]:
    """Every note in pieces that lie under one chord each, in the order of their steps."""
    pieces = []
    for note in notes:
        inside = [offset for offset in range(1, note.steps) if (note.start_step + offset) % steps in seams]
        edges = [0, *inside, note.steps]
        for start, end in pairwise(edges):
            pieces.append(_Piece(note.pitch, (note.start_step + start) % steps, end - start, start == 0))
    return sorted(pieces, key=lambda piece: (piece.step, piece.pitch))


def _write(out: Score, part: str, pieces: list[_Piece], moved: list[int]) -> None:
    """``pieces`` at their ``moved`` pitches; where a held note has changed its pitch, it begins anew."""
    columns, lowest = sheet.PART_COLUMNS[part], sheet.LOWEST[part]
    block = np.zeros_like(out[:, columns])
    onsets = np.zeros(len(out), np.float32)
    for piece, pitch in zip(pieces, moved, strict=True):
        block[np.arange(piece.step, piece.step + piece.steps) % len(out), pitch - lowest] = 1.0
        onsets[piece.step] = max(onsets[piece.step], float(piece.begins))
    for piece, pitch in zip(pieces, moved, strict=True):
        if not block[piece.step - 1, pitch - lowest]:
            onsets[piece.step] = 1.0
    out[:, columns] = block
    out[:, sheet.ONSET_COLUMN[part]] = onsets


# --- the parts ------------------------------------------------------------------------------------------------------


def _move_bass(pieces: list[_Piece], plan: list[_Chord], place: list[int]) -> list[int]:
    """The first note under each chord becomes its bass; where the line moves from there, the bass again or its fifth.

    What sounds already where a chord begins is the first note under it.
    """
    home: dict[int, tuple[int, int]] = {}  # place of the chord: pitch of the first note as dreamt, and as it becomes
    moved = []
    for piece in pieces:
        at = place[piece.step]
        chord = plan[at]
        if at not in home:
            home[at] = piece.pitch, sheet.fold("bass", _nearest(piece.pitch, frozenset({chord.bass})))
        dreamt, root = home[at]
        wanted = root + piece.pitch - dreamt
        if (piece.pitch - dreamt) % 12 == 0:
            moved.append(wanted)
            continue
        fifths = [step for step in (7, 6, 8) if (chord.bass + step) % 12 in chord.tones][:1]
        moved.append(_nearest(wanted, frozenset({chord.bass, *((chord.bass + step) % 12 for step in fifths)})))
    return moved


def _move_comp(pieces: list[_Piece], plan: list[_Chord], place: list[int]) -> list[int]:
    """Every voicing to the nearest one of its chord."""
    voicings: dict[int, set[int]] = {}
    for piece in pieces:
        voicings.setdefault(piece.step, set()).add(piece.pitch)
    return [
        dict(_voiced(tuple(sorted(voicings[piece.step])), plan[place[piece.step]].tones))[piece.pitch]
        for piece in pieces
    ]


def _move_lead(pieces: list[_Piece], plan: list[_Chord], place: list[int]) -> list[int]:
    """Notes on a beat, and those of a beat or longer, to chord tones, the others to the scale; up or down as it went.

    A note that is held into a chord whose scale has it stays, and otherwise goes to a tone of that chord.
    """
    ends = {(piece.pitch, (piece.step + piece.steps) % len(place)): number for number, piece in enumerate(pieces)}
    known: dict[int, int] = {}

    def moved(number: int) -> int:
        if number not in known:
            piece, chord = pieces[number], plan[place[pieces[number].step]]
            before = None if piece.begins else moved(ends[piece.pitch, piece.step])
            if before is not None and before % 12 in chord.scale:
                known[number] = before
            else:
                strong = piece.step % sheet.STEPS_PER_BEAT == 0 or piece.steps >= sheet.STEPS_PER_BEAT
                classes = chord.tones if strong or not piece.begins else chord.scale
                known[number] = _nearest(piece.pitch, classes, piece.pitch > pieces[number - 1].pitch)
        return known[number]

    return [moved(number) for number in range(len(pieces))]


def _nearest(pitch: int, classes: PitchClasses, rises: bool = False) -> int:
    """The pitch nearest to ``pitch`` whose class is in ``classes``; of two equally near the upper one if it rises."""
    for distance in range(7):
        for step in (distance, -distance) if rises else (-distance, distance):
            if (pitch + step) % 12 in classes:
                return pitch + step
    raise ValueError("a chord needs at least one tone")


@lru_cache(maxsize=1024)
def _voiced(voicing: tuple[int, ...], tones: PitchClasses) -> tuple[tuple[int, int], ...]:
    """Where each voice of ``voicing`` (rising) goes so that the chord ``tones`` sounds with the least movement.

    Voices do not cross. Found by going through the voices from below, keeping for every last pitch and every set of
    tones sung so far the cheapest way there (dynamic programming).
    """
    names = {tone: 1 << index for index, tone in enumerate(sorted(tones))}
    low, high = sheet.LOWEST["comp"], sheet.HIGHEST["comp"]
    ways: Mapping[tuple[int, int], tuple[int, int, tuple[int, ...]]] = {(low - 1, 0): (0, 0, ())}
    for pitch in voicing:
        onward: dict[tuple[int, int], tuple[int, int, tuple[int, ...]]] = {}
        tones_in_range = [p for p in range(low, high + 1) if p % 12 in names]
        near = [p for p in tones_in_range if abs(p - pitch) <= _REACH]
        near = near or [min(tones_in_range, key=lambda p: abs(p - pitch))]
        for (last, sung), (cost, moved, path) in ways.items():
            for target in near:
                if target < last:
                    continue
                step = abs(target - pitch)
                doubled = _DOUBLED if target == last else 0
                state = (target, sung | names[target % 12])
                # the second figure breaks ties: what stands still is preferred, so that a chord stays as it is
                way = (cost + step + doubled, moved + (step > 0), (*path, target))
                if state not in onward or way < onward[state]:
                    onward[state] = way
        ways = onward
    reachable = min(len(voicing), len(names))

    def price(state: tuple[int, int]) -> tuple[int, int, tuple[int, ...]]:
        cost, moved, path = ways[state]
        return cost + _MISSING * max(0, reachable - state[1].bit_count()), moved, path

    best = price(min(ways, key=price))
    return tuple(zip(voicing, best[2], strict=True))
