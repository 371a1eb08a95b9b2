"""WalkForm: the plan of a drift with memory, loop by loop: what of its theme each loop keeps, and what it changes.

A theme is the loop of a deck's prompt and seed. The walk goes on in sections of 32 bars, each of which keeps a part of
the theme and generates the others anew; tension rises over its last 16. A section is made of phrases of four loops:
call, answer, call, and an answer with a fill. Pure: every loop of the plan is a function of its number and of the
deck's parameters, so it can be played again, and nothing is remembered but the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from riffengine.processes.render_request import Retake

OFF, GROOVE, HARMONY, TURNS = MEMORY_CHOICES = ("off", "groove", "harmony", "turns")
"""What a drift keeps: nothing (it morphs on and on), the drums, the harmony, or each of them in turns."""

PHRASE_LOOPS = 4
SECTION_BEATS = 128
THEME_SECTIONS = 4
"""Sections on one theme where drums and harmony take turns; then all has changed, and the next seed is the theme."""

FILL_WORDS = "drum fill"
_KEPT_STEMS = {GROOVE: ("drums", "low"), HARMONY: ("harmony", "mid")}  # of the bundled model, and of checkpoints
_FIRST_TAKE = 1000  # beyond the takes that a performer counts up to, so that none of these returns in a walk


@dataclass(frozen=True)
class WalkForm:
    """How one deck walks: what it keeps (``memory``), how far tension rises (0..1), its words and its stems.

    ``prompt`` is that of the theme and of every second section, ``to`` that of the sections between them (the same
    where it is empty). A loop has ``beats`` beats.
    """

    memory: str
    tension: float
    prompt: str
    to: str
    stems: tuple[str, ...]
    beats: int

    @property
    def section_loops(self) -> int:
        """Loops of a section of 32 bars: two phrases, or more."""
        return SECTION_BEATS // self.beats

    def ends_theme(self, loop: int) -> bool:
        """Whether the next seed is the theme after ``loop``, the last one on this theme."""
        return self._in_theme(loop + 1) == 0 and self.memory == TURNS

    def kept(self, section: int) -> tuple[str, ...]:
        """The stems that stay in ``section`` as they were before it; none where a model has no such stem."""
        return tuple(stem for stem in self.stems if stem in _KEPT_STEMS[self._keeps(section)])

    def changed(self, section: int) -> tuple[str, ...]:
        """The stems that ``section`` generates anew, and in which it answers; all where none can be kept."""
        kept = self.kept(section)
        return tuple(stem for stem in self.stems if stem not in kept) or self.stems

    def retakes(self, loop: int) -> tuple[Retake, ...]:
        """What makes the loop of number ``loop``, from 0, of the theme; none of loop 0."""
        loop = self._in_theme(loop)
        section, place = divmod(loop, self.section_loops)
        changed, words, lift = self.changed(section), self._words(section), self.tension_at(loop)
        retakes = self._material(section, lift)
        if place >= self.section_loops - 2 and lift and self.kept(section):  # what was kept rises at last
            retakes.append(self._of_kept_part(section, lift))
        if loop % 2:
            half = self._beats(self.beats // 2)
            retakes.append(Retake(changed, half, _FIRST_TAKE + 2 * loop, words, lift))
        if self._fills(loop):
            filled = tuple(stem for stem in self.stems if stem == "drums") or self.stems
            fill_words = f"{words or self.prompt}, {FILL_WORDS}"
            beats = self._beats(max(1, self.beats // 4))
            retakes.append(Retake(filled, beats, _FIRST_TAKE + 2 * loop + 1, fill_words, lift))
        return tuple(retakes)

    def tension_at(self, loop: int) -> float:
        """How far density, brightness and energy are raised: from 0 in the second half of a section, by steps of two
        loops."""
        half = self.section_loops // 2
        pair = max(0, loop % self.section_loops - half) // 2
        return round(self.tension * pair / (half // 2 - 1), 6)

    def description(self, loop: int) -> str:
        """What loop ``loop`` is in the form, for a person."""
        loop = self._in_theme(loop)
        section, place = divmod(loop, self.section_loops)
        part = "answer" if loop % 2 else "call"
        fill = " with a fill" if self._fills(loop) else ""
        what = "the theme" if self._is_theme(section) else f"new {_listed(self.changed(section))}"
        kept = self.kept(section)
        keeps = f", keeps {_listed(kept)}" if kept and not self._is_theme(section) else ""
        return f"section {section + 1}, loop {place + 1} of {self.section_loops}: {part}{fill}, {what}{keeps}"

    def _in_theme(self, loop: int) -> int:
        """``loop`` counted from where its theme begins: in turns each section adds to those before it, so a performer
        who sets a number beyond the last one of the theme hears the theme from its beginning."""
        return loop % (THEME_SECTIONS * self.section_loops) if self.memory == TURNS else loop

    # --- the parts of a loop ------------------------------------------------------------------------------------------

    def _material(self, section: int, lift: float) -> list[Retake]:
        """What ``section`` is made of, without answers and fills; only its own part is lifted."""
        sections = range(1, section + 1) if self.memory == TURNS else [] if self._is_theme(section) else [section]
        made = [
            Retake(
                self.changed(each),
                self._beats(self.beats),
                self._number(each),
                self._words(each),
                lift if each == section else 0.0,
            )
            for each in sections
        ]
        if not made and lift:
            made.append(Retake(self.changed(section), self._beats(self.beats), 0, lift=lift))
        return made

    def _of_kept_part(self, section: int, lift: float) -> Retake:
        """The part that ``section`` keeps, with the noise and the words that it has, and lifted."""
        maker = section - 1 if self.memory == TURNS and section >= 2 else 0
        number = self._number(maker) if maker else 0
        return Retake(self.kept(section), self._beats(self.beats), number, self._words(maker), lift)

    def _is_theme(self, section: int) -> bool:
        """Whether ``section`` plays the theme itself: the first, and without turns every second one."""
        return section == 0 or (self.memory != TURNS and section % 2 == 0)

    def _keeps(self, section: int) -> str:
        return self.memory if self.memory != TURNS else HARMONY if section and section % 2 == 0 else GROOVE

    def _words(self, section: int) -> str:
        """The prompt of ``section`` where it is not the theme's."""
        return self.to if section % 2 and self.to != self.prompt else ""

    def _number(self, section: int) -> int:
        return _FIRST_TAKE + 2 * section * self.section_loops

    def _fills(self, loop: int) -> bool:
        return loop % PHRASE_LOOPS == PHRASE_LOOPS - 1

    def _beats(self, last: int) -> int:
        """The ``last`` beats of the loop, as the bits of a retake."""
        return ((1 << last) - 1) << (self.beats - last)


def _listed(stems: Sequence[str]) -> str:
    return " and ".join(stems)
