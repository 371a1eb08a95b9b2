"""NoteSequencer: which notes of the loops that sound begin and end on which frame. Pure; frames in, MIDI messages out.

Every sixteenth, and wherever something changes, what should ring is compared with what rings: whatever is no longer
wanted is ended there and then, so a note cannot hang.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from riffengine.notes.loop_notes import STEPS_PER_BEAT, channel_of, unpack
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.timeline import Timeline

_ROUNDING_STEPS = 2e-3  # a boundary is a whole frame: 0.5 of 2000 frames at the fastest tempo and lowest rate

Key = tuple[int, int]
"""Channel and pitch."""


@dataclass(frozen=True)
class DeckNotes:
    """What one deck plays: from each frame on the packed notes of a loop, of the stems that are not in ``silent``.

    ``course`` begins with what sounds now, at whatever frame it began; none is silence.
    """

    course: tuple[tuple[int, bytes], ...] = ()
    silent: frozenset[str] = frozenset()
    beats: int = 8


@dataclass(frozen=True)
class _Ringing:
    velocity: int
    begins: bool
    drum: bool


@dataclass(frozen=True)
class SequencerEntry:
    """What must be sent for ``frame``, ends before beginnings; ``rings`` after it, and the sixteenth it lies in."""

    frame: int
    messages: tuple[bytes, ...]
    rings: frozenset[Key]
    step: int


@dataclass
class NoteSequencer:
    """Decides ahead of time and takes back what turned out otherwise. Decks by their order. One thread."""

    ahead: deque[SequencerEntry] = field(default_factory=deque)
    _rings: frozenset[Key] = frozenset()
    _step: int | None = None
    _done: int = -1
    _known: object = None

    def plan(
        self, frame: int, until: int, timeline: Timeline, decks: Sequence[DeckNotes]
    ) -> tuple[SequencerEntry | None, list[SequencerEntry]]:
        """Decide everything before ``until``; nothing before ``frame`` can be changed any more.

        Returns the first entry that was decided before and is taken back, with all after it, and the new ones.
        """
        while self.ahead and self.ahead[0].frame < frame:
            past = self.ahead.popleft()
            self._rings, self._step = past.rings, past.step
        known = (timeline.grid, timeline.upcoming, tuple(decks))
        withdrawn: SequencerEntry | None = None
        new: list[SequencerEntry] = []
        if known != self._known or self._done < frame - 1:
            self._known = known
            withdrawn = self.ahead[0] if self.ahead else None
            self.ahead.clear()
            self._enter(frame, timeline, decks, new)
            self._done = frame
        while (at := self._next(timeline, decks)) < until:
            self._enter(at, timeline, decks, new)
            self._done = at
        return withdrawn, new

    @property
    def rings(self) -> frozenset[Key]:
        """What rings when all that was decided has been sent."""
        return self.ahead[-1].rings if self.ahead else self._rings

    def _next(self, timeline: Timeline, decks: Sequence[DeckNotes]) -> int:
        """The first frame after those decided on which anything can begin or end."""
        grid = _ruling(timeline, self._done)
        step = int((grid.beat_at(self._done) * STEPS_PER_BEAT + _ROUNDING_STEPS) // 1) + 1
        boundary = grid.frame_at(step / STEPS_PER_BEAT)
        turns = [turn for deck in decks for turn, _ in deck.course]
        if timeline.upcoming is not None:
            turns.append(timeline.upcoming.anchor_frame)
        return min([max(boundary, self._done + 1), *(turn for turn in turns if turn > self._done)])

    def _enter(self, frame: int, timeline: Timeline, decks: Sequence[DeckNotes], new: list[SequencerEntry]) -> None:
        grid = _ruling(timeline, frame)
        position = grid.beat_at(frame) * STEPS_PER_BEAT
        step = int((position + _ROUNDING_STEPS) // 1)
        before = self.ahead[-1].step if self.ahead else self._step
        exact = grid.frame_at(step / STEPS_PER_BEAT) == frame
        # A sixteenth is played once, even if its frame moved a little while it was being decided.
        fresh = step != before and (exact or (before is not None and step == before + 1))
        wanted: dict[Key, _Ringing] = {}
        for place, deck in enumerate(decks):
            wanted.update(_wanted(place, deck, frame, step, fresh))
        rings = self.rings
        again = {key for key, note in wanted.items() if note.begins or (key not in rings and not note.drum)}
        stay = {key for key in rings if key in wanted and key not in again}
        ends = [bytes((0x80 | channel, pitch, 0)) for channel, pitch in sorted(rings - stay)]
        begins = [bytes((0x90 | channel, pitch, wanted[channel, pitch].velocity)) for channel, pitch in sorted(again)]
        entry = SequencerEntry(frame, (*ends, *begins), frozenset(stay | again), step)
        self.ahead.append(entry)
        if entry.messages:
            new.append(entry)


def _ruling(timeline: Timeline, frame: int) -> BeatGrid:
    upcoming = timeline.upcoming
    return upcoming if upcoming is not None and frame >= upcoming.anchor_frame else timeline.grid


def _wanted(place: int, deck: DeckNotes, frame: int, step: int, fresh: bool) -> dict[Key, _Ringing]:
    """What of one deck should ring on ``frame``."""
    notes = b""
    for since, loop in deck.course:
        if since <= frame:
            notes = loop
    steps = deck.beats * STEPS_PER_BEAT
    found = {}
    for part, stem, pitch, velocity, begins in _table(notes, steps)[step % steps]:
        if stem not in deck.silent:
            found[channel_of(part, place), pitch] = _Ringing(velocity, fresh and begins, part == "drums")
    return found


@lru_cache(maxsize=256)
def _table(packed: bytes, steps: int) -> tuple[tuple[tuple[str, str, int, int, bool], ...], ...]:
    """For every sixteenth the notes that ring on it: part, stem, pitch, velocity, whether they begin there."""
    rows: list[dict[tuple[str, int], tuple[str, str, int, int, bool]]] = [{} for _ in range(steps)]
    for note in sorted(unpack(packed), key=lambda note: note.steps, reverse=True):  # the shorter one was written last
        for passed in range(min(note.steps, steps)):
            row = rows[(note.start_step + passed) % steps]
            known = row.get((note.part, note.pitch))
            if known is None or not known[4]:
                row[note.part, note.pitch] = (note.part, note.stem, note.pitch, note.velocity, passed == 0)
    return tuple(tuple(row.values()) for row in rows)
