"""Basslines: patterns of chord degrees that follow the harmony.

One character is one sixteenth; a pattern is one bar or two. ``t`` tonic of the piece, ``1`` root, ``3`` third, ``5``
fifth above, ``4`` fifth below, ``7`` seventh, ``8`` octave, ``s`` scale step towards the next root, ``c`` semitone
towards it (chromatic only where the neighbour is outside the scale), ``p`` pentatonic neighbour, ``-`` hold, ``.``
rest.
"""

from __future__ import annotations

import random
from dataclasses import replace

from riffengine.renderer.bundled.score import HIGHEST, LOWEST, STEPS, Note
from tools.train.compose.character import Character
from tools.train.compose.theory import Harmony, nearest, scale_step

BASSLINES: dict[str, tuple[str, ...]] = {
    "drone": ("t" + "-" * 31,),
    "whole": ("1" + "-" * 15, "1-----------1---", "1-------5-------"),
    "quarters": ("1--.1--.1--.1--.", "1--.5--.1--.5--.", "1--.3--.5--.s--."),
    "offbeat": ("..1-..1-..1-..1-", "..1-..1-..1-..8-", "..11..11..11..11"),
    "house": ("1..1..1...1.8.1.", "1.....1.8..1..s.", "..1..1..1.1...7."),
    "house2": ("1--.8..1..1-..s.", "1..8..1...8.1.p.", "1.1...8..1....p."),
    "octaves": ("1.8.1.8.1.8.1.8.", "1-8-1-8-1-8-1-8.", "1.8.1.8.1.8.7.8."),
    "octaves16": ("1181118111811181", "1.811.811.811.81"),
    "disco": ("1.8.1.8.1.8.158s", "1-.8.118-1.8.5s.", "1.8..18.1.8.s.p."),
    "techno": ("..1...1...1...1.", "1.1...1.1.1...1.", "...1..1....1..1.", ".111.111.111.111"),
    "rolling": (".111.111.111.111", ".111.111.111.181", ".11..11..11..118"),
    "acid": ("1.1818.11.81p.1.", "11.81.1p11.81.71", "1..1p.8.1.71..8p", "118.1.1.p18.1.7."),
    "gallop": ("1.111.111.111.11", "1-111-111-111-11"),
    "sixteenths": ("1111111111111111", "1111111111118877", "1.1.1111.1.11111"),
    "eighths": ("1.1.1.1.1.1.1.1.", "1-1-1-1-1-1-1-5s", "1-1-1-1-1-1-8-s-"),
    "rock": ("1--.1.1-1--.1.s-", "1---..1-1-1-..5s", "1.....1-1.1...p-"),
    "reese": ("1---------------", "1---------1-----", "1---------8-7---", "1-----------1---1---------5-7---"),
    "dnb": ("1---......1---..", "1-........1---p-", "1---..1...1---s-", "1-..1.....1-8-.."),
    "dnb2": ("1---..1---..8-7-", "1-........p-1-..", "1-----..1-..p-..1---------8-7-s-"),
    "wobble": ("1-1-1-1-11111111", "1--1--1-1-1-1-1-", "1-----..1-1-1-1-", "11111111....1---"),
    "wobble2": ("1---1-1-1111....", "1--1--8-....1-7-", "1-------1-1-11111---1-1-8-8-7-7-"),
    "boom": ("1--....1..1-....", "1---..p-1-....s-", "1--...1-..1-..7-"),
    "boom2": ("1-....1-..3-5-..", "1--1......1-..8.", "1---......p-1---1---....8-7-5-s-"),
    "808": ("1---------1-----", "1-------..1-----1---------8-----", "1-----------1---1-----1---------"),
    "8082": ("1---------1---8-", "1-----1-..1---p-", "1---------1-8---1-----1-7---8---"),
    "8083": ("1---------------1---------8-7---", "1-----....1---7-", "1---------8---1-1-----....1-8---"),
    "two feel": ("1---..--5---....", "1--.....5--.....", "1-----..5---..s-"),
    "boogie": ("1-1-3-3-5-5-7-5-", "1-8-7-5-1-8-7-5-", "1-3-5-7-8-7-5-3-"),
    "shuffle walk": ("1---3---5---7---", "1---5---8---s---", "1-.13-.35-.57-.5"),
    "funk": ("1..1....8.1..p7.", "1.....8.71.1..p1", "1..8..1...1.78.s", "1-..1.81....p.71"),
    "funk2": ("1.1...8...1.p.7.1.1.....8.7.5.p.", "1...8.1..1..7.8.", "11..8..1.p..5.78"),
    "funk3": ("1--..1.8..1.5.7.", "1.8..7.5.1.....s", "1..1.p..1...8-7-"),
    "soul": ("1--..p1-..3-5-s-", "1---..1.5---..s-", "1--.5.8-..5-3-s-"),
    "soul2": ("1-....1-3-..5-..1-....1-5-3-s-c-", "1---..51..1-..p-", "1--3..5-..8-7-5-"),
    "reggae": ("....1-1-3-..5-..", "1--1..5-....3-1-", "..1-1-..5-3-1---"),
    "reggae2": ("1-..1-3-5---....", "....1-..1-1-5-3-", "1---..5-8---5-3-1---..5-3-1-...."),
    "reggae3": ("1-1-..5-1-......", "1--1--5-........", "1-.1.1..5-.3.1.."),
    "dub": ("1---..1-5---....1---..1-3-1-....", "1-----5-....7-8-", "..1-1-1---..5-7-"),
    "dub2": ("1---....1-1-..5-", "1-1-..........5-1-1-..3-1-......", "1-----------5-4-"),
    "bossa": ("1--.5-1---.51---", "1-----51-----5--", "1--.5-5-1--.5-c-"),
    "bossa2": ("1-----5-1-----s-", "1-----5-8-----5-"),
    "tumbao": ("......1-----1---", "1-....5-....1---", "1-----5-....8---"),
    "tumbao2": ("......1-----5---", "1-....3-....1---", "......1-..5-1---"),
    "country": ("1-..5-..1-..5-s-", "1-..4-..1-..s-c-", "1...5...1.3.5.s."),
    "afro": ("1..1..3...5..1..", "1.1...5..3.1....", "1-..8-1...7-5-p-1-..8-1.......p-"),
    "afro2": ("1--1--5-..7-5-..", "..1.1...5.3.1.p.", "1.....1.3.5...7.1.....1.5.3....."),
}  # fmt: skip


def write(rng: random.Random, harmony: Harmony, character: Character, style: str, centre: int) -> list[Note]:
    """A bassline of one style around the MIDI pitch ``centre``, with the mood's own rhythm where it has one."""
    if style == "walking":
        return _walk(rng, harmony, centre)
    pattern = rng.choice(BASSLINES[style])
    if character.density < 0.15 and style not in ("drone", "whole"):
        pattern = rng.choice(BASSLINES["whole"] + ("1-----..........", "1--.......1-...."))
    if character.syncopation > 0.8 and rng.random() < 0.6:
        pattern = rng.choice(("1..1..1...1.8.p.", "..1..1...1.1..8.", "1..8...1..1.p...", "1.....1..1..7.8."))
    bars = pattern * (STEPS // len(pattern))
    answer = rng.random() < 0.4 and len(pattern) == 16 and not character.static_harmony
    if answer:  # the second bar ends differently
        bars = bars[:24] + rng.choice(BASSLINES[style])[-8:]
    return _read(rng, bars, harmony, centre)


def lead_home(rng: random.Random, notes: list[Note], harmony: Harmony) -> list[Note]:
    """The last beat of a form walks in two or four steps up or down to the root of the beginning."""
    start = STEPS - 4
    kept = [replace(note, steps=min(note.steps, start - note.start_step)) for note in notes if note.start_step < start]
    home = nearest(harmony.at[0].root, kept[-1].pitch if kept else 38)
    side = rng.choice((-1, 1))
    count = rng.choice((2, 2, 4))
    for place in range(count):
        pitch = scale_step(home, side * (count - place), harmony.scale_at(start))
        kept.append(Note("bass", _inside(pitch), start + place * (4 // count), 4 // count, 0.8 + 0.03 * place))
    return kept


def _read(rng: random.Random, bars: str, harmony: Harmony, centre: int) -> list[Note]:
    notes: list[Note] = []
    for step, sign in enumerate(bars):
        if sign in ".-":
            continue
        length = 1
        while step + length < STEPS and bars[step + length] == "-" and step + length not in harmony.changes:
            length += 1
        if sign in "3457ps" and (step % (STEPS // 2) == 0 or step in harmony.changes):
            sign = "1"  # the root on the downbeat says where home is
        pitch = _pitch(rng, sign, step, harmony, centre)
        notes.append(Note("bass", pitch, step, length, 0.86 if sign in "18" else 0.78))
    for change in harmony.changes:  # a hold that crosses a change is struck anew on the new root
        if bars[change] == "-" and not any(n.start_step <= change < n.start_step + n.steps for n in notes):
            length = 1
            while change + length < STEPS and bars[change + length] == "-" and change + length not in harmony.changes:
                length += 1
            notes.append(
                Note("bass", _pitch(rng, "t" if bars[0] == "t" else "1", change, harmony, centre), change, length, 0.85)
            )
    return notes


def _pitch(rng: random.Random, sign: str, step: int, harmony: Harmony, centre: int) -> int:
    chord = harmony.at[step]
    root = nearest(harmony.tonic if sign == "t" else chord.root, centre)
    following = nearest(harmony.at[(step + harmony.next_change(step)) % STEPS].root, centre)
    if sign == "3":
        pitch = root + (chord.third - root) % 12
    elif sign == "5":
        pitch = root + (chord.fifth - root) % 12
    elif sign == "4":
        pitch = root + (chord.fifth - root) % 12 - 12
    elif sign == "7":
        pitch = root + (chord.seventh - root) % 12
        pitch -= 12 if rng.random() < 0.5 else 0
    elif sign == "8":
        pitch = root + 12
    elif sign == "p":
        pitch = scale_step(root + rng.choice((3, 7)), rng.choice((-1, 0, 1)), harmony.pentatonic)
    elif sign in "sc":
        side = -1 if root <= following else 1
        scale = harmony.scale_at(step)
        pitch = following + side if sign == "c" else scale_step(following, side, scale)
        if sign == "c" and pitch % 12 not in scale and rng.random() < 0.6:
            pitch = scale_step(following, side, scale)
    else:
        pitch = root
    return _inside(pitch)


def _inside(pitch: int) -> int:
    while pitch < LOWEST["bass"] + 2:
        pitch += 12
    while pitch > HIGHEST["bass"] - 2:
        pitch -= 12
    return pitch


def _walk(rng: random.Random, harmony: Harmony, centre: int) -> list[Note]:
    """A walking bass in quarters: the root where the chord changes, then through the scale to the next root."""
    notes: list[Note] = []
    pitch = nearest(harmony.at[0].root, centre)
    for beat in range(STEPS // 4):
        step = beat * 4
        chord = harmony.at[step]
        until = harmony.next_change(step)
        if step in harmony.changes:
            pitch = nearest(chord.root, (pitch + centre) // 2)
        elif until <= 4:  # the last beat before a change leads into it
            following = nearest(harmony.at[(step + until) % STEPS].root, pitch)
            side = -1 if pitch <= following else 1
            chromatic = following + side
            pitch = chromatic if rng.random() < 0.25 else scale_step(following, side, harmony.scale_at(step))
        else:
            goal = rng.choice((chord.third, chord.fifth, chord.seventh))
            pitch = nearest(goal, pitch + rng.choice((-3, 3, 4)))
        pitch = _inside(pitch)
        notes.append(Note("bass", pitch, step, 4, 0.84))
        if rng.random() < 0.12:  # a skipped eighth
            notes[-1] = Note("bass", pitch, step, 2, 0.85)
            notes.append(Note("bass", pitch, step + 2, 2, 0.6))
    return notes
