"""NoteSequencer: computes which MIDI notes start and end on which frame, from the loops that the decks play.

Pure: frames in, MIDI messages out. On every sixteenth, and on every frame on which something changes, it compares the
notes that should sound with those that do sound and ends every note that should not, so no note can hang.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from riffengine.notes.loop_notes import STEPS_PER_BEAT, channel_of, unpack
from riffengine.processes.render_request import DEFAULT_LOOP_BEATS
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.timeline import Timeline

_ROUNDING_STEPS = 2e-3  # step boundaries are whole frames: an error of 0.5 of 2000 frames (fastest tempo, lowest rate)

NoteKey = tuple[int, int]
"""MIDI channel and pitch of a note."""


@dataclass(frozen=True)
class DeckNotes:
    """What one deck plays: the packed notes of its loops, without the stems in ``silent``.

    ``loops`` are pairs (first frame, packed notes), the loop that sounds now first, whatever frame it started on. An
    empty tuple is silence. ``beats`` is the length of each loop.
    """

    loops: tuple[tuple[int, bytes], ...] = ()
    silent: frozenset[str] = frozenset()
    beats: int = DEFAULT_LOOP_BEATS


@dataclass(frozen=True)
class _DesiredNote:
    velocity: int
    starts: bool
    is_drum: bool


@dataclass(frozen=True)
class SequencerEntry:
    """The MIDI messages for ``frame``, note-offs first, the notes that sound after them, and the sixteenth it is in."""

    frame: int
    messages: tuple[bytes, ...]
    sounding: frozenset[NoteKey]
    step: int


@dataclass
class NoteSequencer:
    """Plans MIDI messages ahead of time and withdraws planned ones when something changes. One thread.

    The order of the decks determines their MIDI channels.
    """

    planned: deque[SequencerEntry] = field(default_factory=deque)
    _sounding: frozenset[NoteKey] = frozenset()
    _step: int | None = None
    _planned_to: int = -1
    _inputs: object = None

    def plan(
        self, frame: int, until: int, timeline: Timeline, decks: Sequence[DeckNotes]
    ) -> tuple[SequencerEntry | None, list[SequencerEntry]]:
        """Plan everything before ``until``. Nothing before ``frame`` can be changed any more.

        Returns the first earlier entry that is withdrawn (with all entries after it), or ``None``, and the new entries.
        """
        while self.planned and self.planned[0].frame < frame:
            past = self.planned.popleft()
            self._sounding, self._step = past.sounding, past.step
        inputs = (timeline.grid, timeline.upcoming, tuple(decks))
        withdrawn: SequencerEntry | None = None
        new: list[SequencerEntry] = []
        if inputs != self._inputs or self._planned_to < frame - 1:
            self._inputs = inputs
            withdrawn = self.planned[0] if self.planned else None
            self.planned.clear()
            self._plan_frame(frame, timeline, decks, new)
            self._planned_to = frame
        while (next_frame := self._next_frame(timeline, decks)) < until:
            self._plan_frame(next_frame, timeline, decks, new)
            self._planned_to = next_frame
        return withdrawn, new

    @property
    def sounding(self) -> frozenset[NoteKey]:
        """The notes that sound after everything that is planned has been sent."""
        return self.planned[-1].sounding if self.planned else self._sounding

    def _next_frame(self, timeline: Timeline, decks: Sequence[DeckNotes]) -> int:
        """The first frame after ``_planned_to`` on which a note can start or end."""
        grid = _grid_at(timeline, self._planned_to)
        step = int((grid.beat_at(self._planned_to) * STEPS_PER_BEAT + _ROUNDING_STEPS) // 1) + 1
        boundary = grid.frame_at(step / STEPS_PER_BEAT)
        changes = [first_frame for deck in decks for first_frame, _ in deck.loops]
        if timeline.upcoming is not None:
            changes.append(timeline.upcoming.anchor_frame)
        return min([max(boundary, self._planned_to + 1), *(change for change in changes if change > self._planned_to)])

    def _plan_frame(
        self, frame: int, timeline: Timeline, decks: Sequence[DeckNotes], new: list[SequencerEntry]
    ) -> None:
        grid = _grid_at(timeline, frame)
        position = grid.beat_at(frame) * STEPS_PER_BEAT
        step = int((position + _ROUNDING_STEPS) // 1)
        previous_step = self.planned[-1].step if self.planned else self._step
        on_boundary = grid.frame_at(step / STEPS_PER_BEAT) == frame
        # Each sixteenth is played once, even if its frame moves a little while it is being planned.
        is_new_step = step != previous_step and (
            on_boundary or (previous_step is not None and step == previous_step + 1)
        )
        desired: dict[NoteKey, _DesiredNote] = {}
        for index, deck in enumerate(decks):
            desired.update(_desired_notes(index, deck, frame, step, is_new_step))
        sounding = self.sounding
        start = {key for key, note in desired.items() if note.starts or (key not in sounding and not note.is_drum)}
        keep = {key for key in sounding if key in desired and key not in start}
        note_offs = [bytes((0x80 | channel, pitch, 0)) for channel, pitch in sorted(sounding - keep)]
        note_ons = [
            bytes((0x90 | channel, pitch, desired[channel, pitch].velocity)) for channel, pitch in sorted(start)
        ]
        entry = SequencerEntry(frame, (*note_offs, *note_ons), frozenset(keep | start), step)
        self.planned.append(entry)
        if entry.messages:
            new.append(entry)


def _grid_at(timeline: Timeline, frame: int) -> BeatGrid:
    """The beat grid that is valid on ``frame``."""
    upcoming = timeline.upcoming
    return upcoming if upcoming is not None and frame >= upcoming.anchor_frame else timeline.grid


def _desired_notes(
    index: int, deck: DeckNotes, frame: int, step: int, is_new_step: bool
) -> dict[NoteKey, _DesiredNote]:
    """The notes of deck number ``index`` that should sound on ``frame``."""
    packed = b""
    for first_frame, loop in deck.loops:
        if first_frame <= frame:
            packed = loop
    steps = deck.beats * STEPS_PER_BEAT
    desired = {}
    for part, stem, pitch, velocity, starts in _notes_by_step(packed, steps)[step % steps]:
        if stem not in deck.silent:
            desired[channel_of(part, index), pitch] = _DesiredNote(velocity, is_new_step and starts, part == "drums")
    return desired


@lru_cache(maxsize=256)
def _notes_by_step(packed: bytes, steps: int) -> tuple[tuple[tuple[str, str, int, int, bool], ...], ...]:
    """For every sixteenth the notes that sound on it: part, stem, pitch, velocity, whether they start there."""
    rows: list[dict[tuple[str, int], tuple[str, str, int, int, bool]]] = [{} for _ in range(steps)]
    for note in sorted(
        unpack(packed), key=lambda note: note.steps, reverse=True
    ):  # shorter notes overwrite longer ones
        for offset in range(min(note.steps, steps)):
            row = rows[(note.start_step + offset) % steps]
            present = row.get((note.part, note.pitch))
            if present is None or not present[4]:
                row[note.part, note.pitch] = (note.part, note.stem, note.pitch, note.velocity, offset == 0)
    return tuple(tuple(row.values()) for row in rows)
