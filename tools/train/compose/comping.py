"""Comping: how the chords are played, from pads and stabs to strums, arpeggios and montunos.

One character is one sixteenth. ``X``/``x``/``o`` the whole chord, accented, plain or light; ``0``–``7`` one tone of the
voicing from below (running on into the next octave); ``r`` the root below; ``f`` the fifth below; ``h`` the upper
notes; ``-`` hold, ``.`` rest. Held chords are struck anew where the harmony changes.
"""

from __future__ import annotations

import random

from riffengine.renderer.bundled.score import STEPS, Note, fold
from tools.train.compose.character import Character
from tools.train.compose.theory import Harmony, nearest, voice

COMPING: dict[str, tuple[str, ...]] = {
    "pad": ("x" + "-" * 31,),
    "slow arp": ("0---1---2---3---", "0---2---1---2---", "3---2---1---0---", "0-----1-----2---"),
    "arp8": ("0-1-2-1-0-1-2-1-", "0-1-2-3-4-3-2-1-", "0-2-1-2-0-2-1-2-", "r-0-1-2-3-2-1-0-"),
    "arp16": ("0123012301230123", "0121012101210121", "0.12.01.2.012.01", "3210321032103210", "0123432101234321"),
    "gate": ("x.xxx.xxx.xxx.xx", "xx.xx.xxx.xx.xx.", ".xxx.xxx.xxx.xxx", "x.xx.xx.x.xx.xxx"),
    "house stab": ("x..x..x...x..x..", "x-....x-...x....", "...x..x....x..x.", "x..x...x..x..x.."),
    "offbeat": ("..x...x...x...x.", "..x-..x-..x-..x-", "..xo..xo..xo..xo"),
    "push stab": ("x-....x-......x-", "x--x--x-....x-..", "x-....x-..x-...."),
    "techno stab": ("x.............x.", "...x......x.....", "x..x............x..x......x.....", "......x.......x."),
    "half stab": ("x-......x-......", "x---....", "x-....x-........", "........x---...."),
    "lazy stab": ("x---..x-........", "x-....x---......", "x-----....x-....", "..x---....x---.."),
    "loop chops": ("x.x-..x.x-..h.h.", "x-x.h-..x-x.....", "x-.h..x-.h..x-h."),
    "eighths": ("x-o-o-o-x-o-o-o-", "x.x.x.x.x.x.x.x.", "x-o-x-o-x-o-x-o-"),
    "quarters": ("x--.x--.x--.x--.", "x---o---x---o---"),
    "charleston": ("x--...x-........", "x-....x---......", "..x-....x--.....", "x--...x-....x-.."),
    "jazz comp": ("......x-....x-..", "x-......x-..x-..", "....x-......x-..", "..x-....x-......x-..x-........x-"),
    "jazz comp2": ("x-x-....x-......", "x-....x-..x-....", "..x---..x-......"),
    "freddie": ("x--.x--.x--.x--.", "x-..X-..x-..X-.."),
    "shuffle chug": ("x-o-x-o-x-o-x-o-", "r-h-r-h-r-h-r-h-", "x-x-h-h-x-x-h-h-"),
    "turn stab": ("....x.......x...", "....x-x-....x-x-", "x---....x-x-...."),
    "funk scratch": ("o.xoo.xo.oxoo.xo", "x.oo.oxoo.x.ooxo", "oox.o.xoo.ox..xo"),
    "funk scratch2": ("xo.oxo..x.oxo.xo", "..x.oox...xoo.x.", "x.o.xoo.x.o.xoox"),
    "horn stab": ("X.....X.........", "......X.X.....X.", "X..X..X.........", "........X..X-...X..X-..........."),
    "funk clav": ("0.2.r03.0.2.r.3.", "r.0.20.3r.02.03.", "r0.2r.03.2r0.23."),
    "soul comp": ("x---..x-x---..x-", "x---h-h-x---h-h-", "x-....h-x-h-...."),
    "disco strings": ("x-------..x-x-x-", "x-x-..x-..x-x---", "h-------x-------", "xxx-....xxx-...."),
    "power eighths": ("X.x.x.x.X.x.x.x.", "XoxoXoxoXoxoXoxo", "X-x.x.x-X-x.x.x-"),
    "power riff": ("X--X--X-..X-X-..", "X-x.X-..x.X-..x.", "X.xX.xX.X.xX.xX."),
    "power hold": ("X-------X-------", "X-----------X---", "X---------------"),
    "gallop chug": ("X.xxX.xxX.xxX.xx", "X-xxX-xxX-xxXxxx"),
    "chug16": ("XoooXoooXoooXooo", "X.ooX.oo.oXo.oXo", "XooXooXoXooXooXo"),
    "strum": ("X--.x-xo.ox-x-xo", "X---x-x-.-x-x-xo", "X-x-x-xox-x-x-xo"),
    "strum2": ("X---..x-X-x-..x-", "x---x---x-x-x-x-"),
    "pop push": ("X-----x-----x---", "x--x--x---x-x---", "X--x--x---------"),
    "skank": ("....x.......x...", "..x...x...x...x.", "....xx......xx..", "..x...x...x...xo"),
    "bubble": ("..h.x.h...h.x.h.", "r.h.x.hor.h.x.ho"),
    "dub stab": ("....x.......x...", "....x...........", "..............x.....x...........", "....x.......x..."),
    "bossa": ("r-x-.-x-r-.-x---", "x--x--x---x--x--", "r--x-.x-r-x-.-x-"),
    "bossa2": ("r-h-.h-.r-h-.-h-", "x--x--x-..x--x--x-..x-..x--x--x-"),
    "montuno": ("0-32-3.2.3.2-30-", "r-2-3.20.3.2.3r.", "0.2.3..23.2.03.2"),
    "montuno2": ("x-h.hx.h.hx.hx.h", "x.h.x.hx.hx.hx..", "r.x.hr.x.rh.xr.h"),
    "alberti": ("0-2-1-2-0-2-1-2-", "0212021202120212", "r-1-2-1-r-1-2-1-"),
    "block quarters": ("r-..x-..r-..x-..", "x--.x--.x--.x---", "r--.x-x-r--.x-x-"),
    "picking": ("r-2-1-2-f-2-1-2-", "r-1-2-1-f-1-2-1-", "r123f123r123f123"),
    "picking2": ("r-2-f-1-r-3-f-2-", "r--2-1-2f--2-1--"),
    "boom chick": ("r-..x-..f-..x-..", "r-..x-xof-..x-xo", "r.x.r.x.f.x.f.x."),
    "afro guitar": ("0.2.1.20.2.1.2.0", "2.10.2.02.10.1.2", "3.2.13..2.3.1.2."),
    "afro guitar2": ("x..x..x...x.x...", "h.h..h.hh..h.h..", "..h.hh....h.hh.h"),
    "syncopated": ("x..x..x...x..x..", "..x..x....x..x..", ".x.x..x..x.x...."),
}  # fmt: skip

ARPEGGIOS = ("arp16", "arp8", "slow arp")
# Styles that are known by a word: montuno, skank and fingerpicked.
FIGURES = ("montuno", "montuno2", "skank", "picking", "picking2")
HELD = ("pad", "power hold")
_LEVEL = {"X": 1.0, "x": 0.82, "o": 0.5, "h": 0.72}


def keeps_figure(character: Character) -> bool:
    """Whether the mood leaves a figure that has a word of its own as it is."""
    return not character.arpeggio and character.density >= 0.15


def pattern_for(rng: random.Random, character: Character, style: str) -> str:
    """The rhythm of one style as the mood wants it, two bars long (32 characters)."""
    if style in FIGURES and keeps_figure(character):
        pass
    elif character.arpeggio:
        style = rng.choice(("arp16", "arp16", "arp8"))
    elif character.syncopation > 0.8:
        style = "syncopated"
    elif character.density < 0.15:
        style = rng.choice(("pad", "half stab")) if style not in ("slow arp", "skank", "dub stab") else style
    if style not in COMPING:
        raise KeyError(f"no comping style {style!r}")
    pattern = rng.choice(COMPING[style])
    bars = pattern * (STEPS // len(pattern))
    if len(pattern) <= 16 and rng.random() < 0.35 and style not in HELD and not character.static_harmony:
        bars = bars[:24] + rng.choice(COMPING[style])[:16][-8:]
        bars = bars if len(bars) == STEPS else pattern * (STEPS // len(pattern))
    return bars


def write(rng: random.Random, harmony: Harmony, character: Character, bars: str, centre: int) -> list[Note]:
    """Play the chords in the rhythm ``bars`` with voices that move little, around the MIDI pitch ``centre``."""
    size = 5 if character.density > 0.9 else 3 if character.density < 0.2 else rng.choice((3, 4, 4))
    voices = voicings(harmony, centre, size)
    notes: list[Note] = []
    sign = "."
    for step, now in enumerate(bars):
        if now == "-" and (step not in harmony.changes or sign == "."):
            continue
        if now != "-":
            sign = now
        if sign == ".":
            continue
        length = 1
        while step + length < STEPS and bars[step + length] == "-" and step + length not in harmony.changes:
            length += 1
        level = _LEVEL.get(sign, 0.75)
        for pitch in _pitches(sign, voices[step], harmony, step, centre):
            notes.append(Note("comp", fold("comp", pitch), step, length, min(level, 1.0)))
    return notes


def voicings(harmony: Harmony, centre: int, size: int) -> list[tuple[int, ...]]:
    """The chord of every sixteenth as pitches around ``centre``, whose voices move little."""
    found: list[tuple[int, ...]] = []
    before: tuple[int, ...] = ()
    for step in range(STEPS):
        if step == 0 or harmony.at[step] != harmony.at[step - 1] or step in harmony.changes:
            tones = len(harmony.at[step].tones)
            before = voice(harmony.at[step], centre, size if tones > 2 else 3, before)
        found.append(before)
    return found


def _pitches(sign: str, voicing: tuple[int, ...], harmony: Harmony, step: int, centre: int) -> tuple[int, ...]:
    if sign == "h":
        return voicing[-2:]
    if sign == "r":
        return (nearest(harmony.at[step].root, centre - 14),)
    if sign == "f":
        return (nearest(harmony.at[step].fifth, centre - 16),)
    if sign.isdigit():
        octave, index = divmod(int(sign), len(voicing))
        return (voicing[index] + 12 * octave,)
    return voicing
