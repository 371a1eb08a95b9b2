"""Form: which two bars of which composition a seed shows, and how one section grows out of another.

A composition has four bars (statement, turnaround) or eight (statement, repetition, variation, turnaround). A loop is
one section of two bars. A third of the seeds show a composition again that an earlier seed of the same genre shows:
another section, tempo or key of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from riffengine.renderer.bundled.score import STEPS, Note
from tools.train.compose.theory import Harmony, dominant, with_last_chord

FORMS: dict[int, tuple[str, ...]] = {
    4: ("statement", "turnaround"),
    8: ("statement", "repetition", "variation", "turnaround"),
}
# How often each section is the one that is shown.
_SHARE = {"statement": 0.3, "repetition": 0.2, "variation": 0.2, "turnaround": 0.3}
_BAR = STEPS // 2
_HALF_BAR = STEPS // 4


@dataclass(frozen=True)
class View:
    """What a seed shows: the composition of the seed ``origin``; whether in its own section, tempo and key."""

    seed: int
    origin: int
    own_section: bool = True
    own_tempo: bool = True
    own_key: bool = True

    def section(self, names: Sequence[str]) -> int:
        """The index of the section that is shown."""
        own = _draw(random.Random(f"section {self.origin}"), names)
        if self.own_section:
            return own
        others = [index for index in range(len(names)) if index != own]
        return random.Random(f"section {self.seed}").choice(others)


def _draw(rng: random.Random, names: Sequence[str]) -> int:
    return rng.choices(range(len(names)), [_SHARE[name] for name in names])[0]


def view_of(seed: int, genres: int) -> View:
    """The view of a seed, where the genre goes round every ``genres`` seeds."""
    if seed // genres % 3 != 2:
        return View(seed, seed)
    rng = random.Random(f"view {seed}")
    section, tempo, key = (rng.random() < share for share in (0.2, 0.4, 0.2))
    return View(seed, seed - genres * rng.choice((1, 2)), section, tempo, key and not section)


def section_harmony(rng: random.Random, section: str, chords: Harmony, *, plain: bool) -> Harmony:
    """The chords of a section: a turnaround ends on the (``plain``) dominant, which leads back to the beginning."""
    if section != "turnaround" or len(chords.changes) < 2:
        return chords
    return with_last_chord(chords, dominant(rng, minor=chords.minor, plain=plain))


def splice(first: Sequence[Note], second: Sequence[Note], step: int) -> list[Note]:
    """``first`` up to ``step``, ``second`` from there to the end of the loop."""
    kept = [replace(note, steps=min(note.steps, step - note.start_step)) for note in first if note.start_step < step]
    return kept + [replace(note, steps=min(note.steps, STEPS - note.start_step))
                   for note in second if note.start_step >= step]  # fmt: skip


def section_notes(rng: random.Random, section: str, statement: list[Note], other: list[Note]) -> list[Note]:
    """The notes of a part in a section, from its ``statement`` and from ``other``, written in the same style.

    A repetition ends differently, a variation begins differently and comes home, a turnaround is the statement over
    its own chords.
    """
    if not other or section in ("statement", "turnaround"):
        return statement
    if section == "repetition":
        return splice(statement, other, rng.choice((STEPS - _HALF_BAR, STEPS - _HALF_BAR, STEPS - _HALF_BAR // 2)))
    return splice(other, statement, rng.choice((_BAR, STEPS - _HALF_BAR)))


def call_and_response(
    lead: list[Note], comp: list[Note], voicings: Sequence[Sequence[int]]
) -> tuple[list[Note], list[Note]]:
    """The lead calls in the first half of every bar, the comp answers in the second, in the rhythm of the call.

    ``voicings`` are the chords of all sixteenths. Nothing changes where there is no call of at least two notes.
    """
    calls = [note for note in lead if note.start_step % _BAR < _HALF_BAR]
    if len({note.start_step for note in calls}) < 3:
        return lead, comp
    kept = []
    for note in calls:  # the call ends where the answer begins, or one note may hang over
        room = _HALF_BAR + 2 - note.start_step % _BAR
        kept.append(replace(note, steps=min(note.steps, room)))
    answers: dict[int, Note] = {}
    for note in calls:
        step = (note.start_step + _HALF_BAR) % STEPS
        length = min(max(note.steps, 1), _BAR - step % _BAR, 4)
        answers[step] = replace(note, start_step=step, steps=length)
    accompaniment = [replace(note, steps=min(note.steps, _HALF_BAR - note.start_step % _BAR), velocity=0.6)
                     for note in comp if note.start_step % _BAR in (0, 4)]  # fmt: skip
    accompaniment += [Note("comp", pitch, step, answer.steps, 0.9)
                      for step, answer in sorted(answers.items()) for pitch in voicings[step]]  # fmt: skip
    return kept, accompaniment
