"""Melodies: a motif of half a bar, repeated, answered and varied over the chords."""

from __future__ import annotations

import random

from riffengine.renderer.bundled.score import STEPS, Note, fold
from tools.train.compose.character import Character
from tools.train.compose.theory import Harmony, nearest, scale_step, voice

# Half-bar rhythms: x onset, - hold, . rest.
CELLS: dict[str, tuple[str, ...]] = {
    "sparse": ("x-----..", "x--x----", "....x-x-", "..x-----", "x-x-----", "........", "x-......"),
    "long": ("x-------", "x-x-----", "x---x---", "x-----x-", "x-------"),
    "song": ("x---x-x-", "x-x-x---", "x---x---", "x--xx-x-", "x-----x-", "x-x-x-x-"),
    "hook": ("x..x..x.", "x.x..x..", "x-.x-.x-", "x.xx..x.", "..x.x.x.", "x--x--x-", "x.x.x..x"),
    "riff": ("x..x..x.", "x.xx..x.", "xx..x.x.", "x.x...xx", "..x..xx.", "x...x..x", ".x.x..x."),
    "anthem": ("x---x--x", "x--x--x-", "x-----x-", "x---x---", "-x--x-x-"),
    "bebop": ("x-x-x-x-", "..x-x-x-", "x---x-x-", "x-x-x---", "x-xxx-x-", "....x-x-"),
    "call": ("x-x-x-x-", "x--x--x-", "x-x-x---", "xx-x--x-"),
    "blues": ("x-x-x---", "..x-x-x-", "x---..x-", "x-x---..", "x-....x-", "....x-x-"),
    "jig": ("x-xxx-xx", "x-x-x-xx", "xxx-xxx-", "x-xxx-x-", "x---x-xx"),
}
FORMS = ("aaba", "abab", "abac", "aaab", "abcb", "aabc")
ARPEGGIOS = (
    "0123210123210123",
    "0213021302130213",
    "0120120120120121",
    "0.12.01.2.0120.1",
    "3210321032103210",
    "0102030201020302",
)
ROLLS = ("0212032102120321", "0121302101213021")
_QUIET = "........"


def write(rng: random.Random, harmony: Harmony, character: Character, style: str, centre: int) -> list[Note]:
    """A melody of one style around the MIDI pitch ``centre``."""
    if style in ("arp", "banjo roll"):
        return _arpeggio(rng, harmony, rng.choice(ROLLS if style == "banjo roll" else ARPEGGIOS), centre)
    if character.density < 0.15:
        style = "sparse"
    rhythm, letters = _rhythm(rng, character, style)
    contours = {letter: _contour(rng, character, style) for letter in sorted(set(letters))}
    scale = _scale(rng, harmony, style)
    notes: list[Note] = []
    pitch = nearest(rng.choice(harmony.at[0].triad), centre + rng.choice((-4, 0, 3)))
    for half, letter in enumerate(letters):
        start = 8 * half
        anchor = nearest(min(harmony.at[start].triad, key=lambda t: abs(nearest(t, pitch) - pitch)), pitch)
        anchor += 12 if anchor < centre - 8 else -12 if anchor > centre + 9 else 0
        onsets = [i for i in range(8) if rhythm[start + i] == "x"]
        for place, onset in enumerate(onsets):
            step = start + onset
            length = 1
            while step + length < STEPS and rhythm[step + length] == "-":
                length += 1
            pitch = scale_step(anchor, contours[letter][place % len(contours[letter])], scale or harmony.scale_at(step))
            strong = onset % 4 == 0 or length >= 4
            last = place == len(onsets) - 1
            if last and half % 2 == 1:  # the first bar asks, the second one answers and comes home
                goals = _goals(harmony, step, closes=half == 3)
                pitch = min((nearest(tone, pitch) for tone in goals), key=lambda p: abs(p - pitch))
            elif strong or last:
                pitch = min((nearest(tone, pitch) for tone in harmony.at[step].triad), key=lambda p: abs(p - pitch))
            elif style in ("blues", "bebop") and rng.random() < 0.13:
                blue = nearest(harmony.blue, pitch)
                pitch = blue if abs(blue - pitch) <= 2 else pitch
            while pitch > centre + 14:
                pitch -= 12
            while pitch < centre - 13:
                pitch += 12
            level = 0.8 if strong else 0.74
            notes.append(Note("lead", fold("lead", pitch), step, length, level))
    return notes


def _goals(harmony: Harmony, step: int, *, closes: bool) -> tuple[int, ...]:
    """The pitch classes on which a phrase may end: at home, or open; always tones of the chord."""
    chord = harmony.at[step]
    home = tuple(tone for tone in chord.triad if tone == harmony.tonic)
    away = tuple(tone for tone in chord.triad if tone != harmony.tonic)
    return (home if closes else away) or chord.triad


def _rhythm(rng: random.Random, character: Character, style: str) -> tuple[str, str]:
    """A rhythm of 32 steps and the four letters of its form."""
    cells = sorted(CELLS[style], key=lambda cell: cell.count("x"))
    # Dense characters draw from the busy end of the list, sparse ones from the calm end.
    tilt = 0.35 + character.density

    def cell() -> str:
        return cells[min(int(len(cells) * rng.random() ** (1.0 / tilt)), len(cells) - 1)]

    form = "aaaa" if character.static_harmony and rng.random() < 0.6 else rng.choice(FORMS)
    if character.static_harmony and form != "aaaa":
        form = "abab"
    rhythms = {letter: cell() for letter in "abc"}
    if not rhythms["a"].count("x"):
        rhythms["a"] = "x--x----"
    if style == "call" and rng.random() < 0.7:  # the answer waits: every second half bar is silent or short
        rhythms["b"] = rng.choice((_QUIET, "x---....", "....x-x-"))
        form = "abab" if form == "aaaa" else form
    if character.syncopation > 0.8:
        rhythms = {k: (v[1:] + v[0] if v[0] == "x" and rng.random() < 0.7 else v) for k, v in rhythms.items()}
    return "".join(rhythms[letter] for letter in form), form


def _contour(rng: random.Random, character: Character, style: str) -> list[int]:
    """Eight scale steps away from the anchor: a walk with a direction."""
    leaps = {
        "hook": (1, 2, 2, 3),
        "riff": (0, 0, 1, 2, 3),
        "bebop": (1, 1, 1, 2, 3),
        "jig": (1, 1, 2, 2),
        "blues": (1, 1, 2),
    }
    sizes = leaps.get(style, (0, 1, 1, 2, 2))
    shape = character.contour or rng.choice(("rising", "falling", "arch", "arch", "valley"))
    steps, at = [], 0
    for i in range(8):
        steps.append(at)
        up = {"rising": 0.75, "falling": 0.25, "arch": 0.85 if i < 2 else 0.2, "valley": 0.15 if i < 2 else 0.8}[shape]
        at += rng.choice(sizes) * (1 if rng.random() < up else -1)
        at = max(min(at, 5), -5)
    return steps


def _scale(rng: random.Random, harmony: Harmony, style: str) -> tuple[int, ...]:
    """Five pitch classes around the tonic, or none: then the scale of each chord is used."""
    if style in ("blues", "riff", "hook", "sparse") or (style in ("anthem", "call") and rng.random() < 0.5):
        return harmony.pentatonic
    return ()


def _arpeggio(rng: random.Random, harmony: Harmony, pattern: str, centre: int) -> list[Note]:
    notes: list[Note] = []
    before: tuple[int, ...] = ()
    for step in range(STEPS):
        if step == 0 or step in harmony.changes:
            before = voice(harmony.at[step], centre, 4, before)
        sign = pattern[step % len(pattern)]
        if sign != ".":
            notes.append(Note("lead", fold("lead", before[int(sign)]), step, 1, 0.78))
    return notes
