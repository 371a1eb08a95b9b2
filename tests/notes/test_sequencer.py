"""NoteSequencer: every note of the playing loops starts once, on its sixteenth, and no note hangs."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riffengine.notes.loop_notes import LoopNote, channel_of, pack
from riffengine.notes.sequencer import DeckNotes, NoteSequencer
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.timeline import Timeline

RATE = 8000
STEP = 1000  # frames at 120 bpm
WINDOW = 2000
BASS = pack([LoopNote("bass", 40, 0, 4, 100), LoopNote("bass", 40, 4, 2, 90), LoopNote("bass", 43, 30, 4, 80)])
DRUMS = pack([LoopNote("drums", 36, step, 1, 120) for step in range(0, 32, 4)])
PAD = pack([LoopNote("comp", 60, 0, 32, 70), LoopNote("comp", 64, 8, 8, 70)])


class Receiver:
    """Plays the messages of a sequencer and drops those that the sequencer withdraws."""

    def __init__(self) -> None:
        self.sequencer = NoteSequencer()
        self.queue: list[tuple[int, bytes]] = []
        self.heard: list[tuple[int, bytes]] = []

    def tick(self, frame: int, timeline: Timeline, *decks: DeckNotes) -> None:
        timeline.settle(frame)
        self.heard += [item for item in self.queue if item[0] < frame]
        self.queue = [item for item in self.queue if item[0] >= frame]
        withdrawn, new = self.sequencer.plan(frame, frame + WINDOW, timeline, decks)
        if withdrawn is not None:
            self.queue = [item for item in self.queue if item[0] < withdrawn.frame]
        self.queue += [(entry.frame, message) for entry in new for message in entry.messages]

    def run(self, begin: int, end: int, timeline: Timeline, *decks: DeckNotes) -> None:
        for frame in range(begin, end, 160):
            self.tick(frame, timeline, *decks)

    def notes(self) -> list[tuple[int, int, int, int]]:
        """(channel, pitch, begin, end) of the notes played; a note that hangs or ends twice fails."""
        held: dict[tuple[int, int], int] = {}
        found = []
        for frame, (status, pitch, velocity) in self.heard:
            key = (status & 15, pitch)
            if status & 0xF0 == 0x90:
                assert velocity > 0 and key not in held
                held[key] = frame
            else:
                found.append((*key, held.pop(key), frame))
        assert not held, held
        return sorted(found, key=lambda note: (note[2], note[:2]))


def played(*loops: tuple[int, bytes], silent: str = "") -> DeckNotes:
    return DeckNotes(loops, frozenset(silent.split()), 8)


def grid() -> Timeline:
    return Timeline(BeatGrid(RATE, 120.0))


def test_notes_continue_past_the_end_of_the_loop() -> None:
    receiver, timeline = Receiver(), grid()
    receiver.run(0, 36 * STEP, timeline, played((0, BASS)))
    receiver.run(36 * STEP, 40 * STEP, timeline, played())
    assert receiver.notes() == [
        (0, 40, 0, 4 * STEP),
        (0, 43, 0, 2 * STEP),  # it continues from the loop's end, as the audio does
        (0, 40, 4 * STEP, 6 * STEP),
        (0, 43, 30 * STEP, 34 * STEP),
        (0, 40, 32 * STEP, 36 * STEP),
    ]


def test_muting_a_stem_ends_its_notes_and_unmuting_restarts_them() -> None:
    receiver, timeline = Receiver(), grid()
    both = pack([LoopNote("bass", 40, 0, 32, 100), *(LoopNote("drums", 36, step, 1, 120) for step in range(32))])
    receiver.run(0, 2400, timeline, played((0, both)))
    receiver.run(2400, 8400, timeline, played((0, both), silent="bass"))
    receiver.run(8400, 10000, timeline, played((0, both)))
    receiver.run(10000, 14000, timeline, played())
    bass = [note for note in receiver.notes() if note[0] == 0]
    assert bass == [(0, 40, 0, 2400), (0, 40, 8320 + 80, 10000)]  # a note that still lasts is started again
    drums = [note[2] for note in receiver.notes() if note[0] == 9]
    assert drums == [STEP * n for n in range(10)]  # drums are not interrupted, and no stroke is repeated


def test_a_new_loop_takes_over_on_its_frame() -> None:
    receiver, timeline = Receiver(), grid()
    receiver.run(0, 6400, timeline, played((0, PAD)))
    receiver.run(6400, 9600, timeline, played((0, PAD), (8 * STEP, BASS)))
    receiver.run(9600, 40000, timeline, played((0, BASS)))
    receiver.run(40000, 44000, timeline, played())
    found = receiver.notes()
    assert (1, 60, 0, 8 * STEP) in found
    assert not [note for note in found if note[0] == 1 and note[3] > 8 * STEP]
    assert (0, 43, 30 * STEP, 34 * STEP) in found


def test_a_note_that_both_loops_hold_is_not_restarted() -> None:
    receiver, timeline = Receiver(), grid()
    other = pack([LoopNote("comp", 60, 0, 32, 70)])
    receiver.run(0, 9600, timeline, played((0, PAD), (4 * STEP, other)))
    receiver.run(9600, 12000, timeline, played())
    assert receiver.notes() == [(1, 60, 0, 9600)]


def test_every_deck_has_its_own_channels() -> None:
    receiver, timeline = Receiver(), grid()
    receiver.run(0, 3200, timeline, played((0, BASS)), played((0, BASS)))
    receiver.run(3200, 6000, timeline, played(), played())
    assert {note[0] for note in receiver.notes()} == {channel_of("bass", 0), channel_of("bass", 1)} == {0, 3}


def test_a_new_tempo_moves_planned_notes() -> None:
    receiver, timeline = Receiver(), grid()
    receiver.run(0, 7000, timeline, played((0, DRUMS)))
    timeline.announce(timeline.grid.with_tempo(60.0, 8000))
    receiver.run(7040, 20000, timeline, played((0, DRUMS)))
    receiver.run(20000, 24000, timeline, played())
    assert [note[2] for note in receiver.notes()] == [0, 4000, 8000, 16000]


def test_every_stroke_plays_once_while_the_grid_follows_a_clock() -> None:
    receiver, timeline = Receiver(), grid()
    rng = random.Random(3)
    for frame in range(0, 96000, 160):
        if frame % 320 == 0:
            now = timeline.grid.beat_at(frame)
            timeline.grid = BeatGrid(
                RATE, 120.0 * (1 + rng.uniform(-0.01, 0.01)), frame, now + rng.uniform(-1e-3, 1e-3)
            )
        receiver.tick(frame, timeline, played((0, DRUMS)))
    receiver.run(96000, 100000, timeline, played())
    begins = [note[2] for note in receiver.notes()]
    assert len(begins) == pytest.approx(24, abs=1)
    assert all(3800 < b - a < 4200 for a, b in pairwise(begins))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_with_random_changes_no_note_hangs_or_starts_twice(seed: int) -> None:
    rng, receiver, timeline = random.Random(seed), Receiver(), grid()
    frame = 0
    for _ in range(30):
        loops = [rng.choice((BASS, DRUMS, PAD, b"")) for _ in range(2)]
        schedule = ((0, loops[0]), (frame + rng.randrange(4000), loops[1]))[: rng.randrange(3)]
        silent = " ".join(rng.sample(("drums", "bass", "harmony"), rng.randrange(4)))
        if rng.random() < 0.3:
            at = frame + rng.randrange(3000)
            jump = rng.choice((0.0, 0.0, 5.0, -3.3))
            timeline.announce(BeatGrid(RATE, rng.uniform(60, 180), at, timeline.beat_at(at) + jump))
        for _ in range(rng.randrange(1, 12)):
            receiver.tick(frame, timeline, played(*schedule, silent=silent), played((0, PAD)))
            frame += rng.choice((1, 100, 160, 160, 5000))
    receiver.run(frame, frame + 3 * WINDOW, timeline, DeckNotes(), DeckNotes())
    receiver.notes()
