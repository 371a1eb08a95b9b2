"""MidiNotesOut: a set on virtual time, its notes through the real outbox; no note hangs."""

from __future__ import annotations

import random

import pytest

from riffengine.cli.parser import build_parser
from riffengine.cli.play import parameter_commands
from riffengine.cli.play_options import session_with
from riffengine.control.midi.sender import CancelMessages, Outbox, TimedMessage
from riffengine.engine.midi_out.notes import MidiNotesOut
from riffengine.errors import ControlError, PresetError
from riffengine.notes.loop_notes import LoopNote, pack
from riffengine.performance.command import Command
from riffengine.processes.render_messages import Render
from riffengine.session.session import Session, load_session
from riffengine.transport.sync.clock_out import BeatLine
from riffengine.transport.sync.frame_clock import FrameClock
from tests.scheduler.simulation import RATE, SchedulerSimulation

STEMS = ("drums", "bass", "harmony")
TICK = 20  # frames of a kilohertz: 20 ms
LATENCY_NS = 30_000_000


def tune(seed: int) -> bytes:
    """A bass and a chord whose pitches depend on the seed, and a kick on every beat."""
    notes = [LoopNote("drums", 36, step, 1, 120) for step in range(0, 32, 4)]
    notes += [LoopNote("bass", 30 + seed, step, 3, 100) for step in range(0, 32, 4)]
    notes += [LoopNote("comp", 60 + seed, 0, 32, 80)]
    return pack(notes)


class Port:
    """A sender in this process: the outbox that the real one has, on virtual time."""

    ended = False

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.now_ns = 0
        self.heard: list[tuple[int, bytes]] = []
        self.closed = False

    def send(self, order: TimedMessage | CancelMessages | BeatLine) -> None:
        self.heard += [(self.now_ns, message) for message in self.outbox.handle(order, self.now_ns)]

    def notes(self) -> list[str]:
        return []

    def gone(self) -> bool:
        return True

    def pass_to(self, now_ns: int) -> None:
        for ns in range(self.now_ns, now_ns, 1_000_000):
            self.heard += [(ns, message) for message in self.outbox.due(ns)]
        self.now_ns = now_ns

    def close(self) -> None:
        self.closed = True
        self.heard += [(self.now_ns, message) for message in self.outbox.final_messages()]


class NotesSimulation(SchedulerSimulation):
    """A set whose notes are sent, one tick at a time."""

    def __init__(self, decks=("a",), on=True, **values):
        self.port = Port()
        self.opened = 0
        self.said: list[str] = []
        self.clock = FrameClock(RATE, LATENCY_NS / 1e9)
        super().__init__(decks, stems=STEMS, midi__notes_out=on, **values)
        self.notes_out = MidiNotesOut(self.conductor, self.clock, self._open, self.said.append)

    def _open(self):
        self.opened += 1
        return self.port

    def hear(self, event):
        if isinstance(event, Render):
            point = event.request.end if event.request.alpha else event.request.start
            self.notes_out.set_slot_notes(event.slot, tune(point.seed))
        return super().hear(event)

    def play_to(self, frame, paused=False):
        while self.frame + TICK <= frame:
            self.run_to(self.frame + TICK)
            self.clock.mark(self.frame, self.frame * 1_000_000)
            self.port.pass_to(self.frame * 1_000_000)
            self.notes_out.tick(self.frame, self.frame * 1_000_000, paused)
        return self

    def notes(self, since_ms=0):
        """(channel, pitch, begin, end) in milliseconds of music; ``end`` is None for a held note.

        Fails for a note that starts twice.
        """
        started, found = {}, []
        for ns, (status, pitch, _) in self.port.heard:
            ms = (ns - LATENCY_NS) // 1_000_000
            key = (status & 15, pitch)
            if status & 0xF0 == 0x90:
                assert key not in started, (key, ms)
                started[key] = ms
            else:
                found.append((*key, started.pop(key), ms))
        found += [(*key, begin, None) for key, begin in started.items()]
        return sorted((n for n in found if n[2] >= since_ms), key=lambda n: (n[2], n[:2]))

    def held(self):
        return {note[:2] for note in self.notes() if note[3] is None}


def near(ms):
    return pytest.approx(ms, abs=2)


def test_notes_are_sent_when_the_loop_is_heard():
    simulation = NotesSimulation(deck__a__seed=3).play_to(12000)
    begins = [begin for channel, _, begin, _ in simulation.notes() if channel == 9]
    assert begins == [near(ms) for ms in range(begins[0], begins[-1] + 1, 500)]
    assert begins[0] % 500 in (0, 1, 2, 499, 498) and len(begins) >= 18
    bass = [note for note in simulation.notes() if note[0] == 0]
    assert {note[1] for note in bass} == {33}
    assert all(end is None or end - begin == near(375) for _, _, begin, end in bass[1:])


def test_a_muted_stem_and_a_solo_silence_notes_at_once():
    simulation = NotesSimulation().play_to(9010)
    simulation.send("deck/a/stem/harmony/mute", True)
    simulation.play_to(9100)
    ends = [end for channel, _, _, end in simulation.notes() if channel == 1]
    assert ends[-1] == near(9000 + TICK)
    assert (1, 60) not in simulation.held()
    simulation.send("deck/a/stem/bass/solo", True)
    simulation.play_to(12000)
    assert {note[0] for note in simulation.notes(9100)} == {0}
    simulation.send("deck/a/stem/bass/solo", False)
    simulation.send("deck/a/stem/harmony/mute", False)
    simulation.play_to(12100)
    assert (1, 60) in simulation.held()


@pytest.mark.parametrize(
    ("path", "value", "back"),
    [("panic", True, True), ("deck/a/mute", True, False), ("deck/a/gain", -60.0, 0.0), ("master/gain", -60.0, 0.0)],
)
def test_what_silences_the_deck_silences_its_notes(path, value, back):
    simulation = NotesSimulation().play_to(9010)
    assert simulation.held()
    simulation.send(path, value)
    simulation.play_to(9100)
    assert not simulation.held()
    simulation.play_to(12000)
    assert simulation.notes(9100) == []
    simulation.send(path, back)
    simulation.play_to(13000)
    assert simulation.held()


def test_the_crossfader_fades_one_side_out():
    simulation = NotesSimulation(("a", "b"), deck__a__side="left", deck__b__side="right", crossfader=0.5).play_to(9000)
    assert {channel for channel, _ in simulation.held()} >= {1, 4}
    simulation.send("crossfader", 1.0)
    simulation.play_to(9100)
    assert {4} <= {channel for channel, _ in simulation.held()} <= {10, 3, 4}


def test_a_new_bank_takes_over_where_it_lands():
    simulation = NotesSimulation().play_to(9000)
    reply = simulation.send("deck/a/seed", 7)
    landed_ms = round(reply.landing.beat * 500)
    simulation.play_to(landed_ms + 1000)
    old, new = [[n for n in simulation.notes() if n[:2] == (1, 60 + seed)] for seed in (0, 7)]
    assert old[-1][3] == near(landed_ms) and new[0][2] == near(landed_ms)
    assert next(n[2] for n in simulation.notes() if n[:2] == (0, 37)) == near(landed_ms)


def test_along_alpha_the_nearer_loop_plays():
    simulation = NotesSimulation(deck__a__to="ambient", deck__a__to_seed=5).play_to(16000)
    assert (1, 60) in simulation.held()
    simulation.send("deck/a/alpha", 1.0)
    simulation.play_to(16200)
    assert (1, 65) in simulation.held() and (1, 60) not in simulation.held()


def test_no_note_hangs_when_a_leader_stops_or_the_set_ends():
    simulation = NotesSimulation().play_to(9010)
    simulation.play_to(9200, paused=True)
    assert not simulation.held()
    simulation.play_to(9800)
    assert simulation.held()
    simulation.notes_out.close()
    assert simulation.port.closed and not simulation.held()


def test_it_is_off_until_it_is_asked_for_and_can_be_switched():
    simulation = NotesSimulation(on=False).play_to(8000)
    assert simulation.opened == 0
    simulation.send("midi/notes_out", True)
    simulation.play_to(8100)
    assert simulation.opened == 1 and simulation.held()
    simulation.send("midi/notes_out", False)
    simulation.play_to(8200)
    assert simulation.port.closed and not simulation.held()


def test_a_missing_port_is_reported_once_and_the_set_goes_on():
    simulation = NotesSimulation()

    def refuse():
        simulation.opened += 1
        raise ControlError("there is no MIDI here")

    simulation.notes_out = MidiNotesOut(simulation.conductor, simulation.clock, refuse, simulation.said.append)
    simulation.play_to(8000)
    assert simulation.opened == 1 and len(simulation.said) == 1 and "no MIDI here" in simulation.said[0]


@pytest.mark.parametrize("seed", range(4))
def test_no_note_hangs_in_a_random_set(seed):
    dice = random.Random(seed)
    simulation = NotesSimulation(("a", "b"), deck__a__drift=0.3)
    for _ in range(40):
        deck, stem = dice.choice("ab"), dice.choice(STEMS)
        path, value = dice.choice(
            [
                (f"deck/{deck}/stem/{stem}/mute", dice.random() < 0.5),
                (f"deck/{deck}/stem/{stem}/solo", dice.random() < 0.3),
                (f"deck/{deck}/seed", dice.randrange(20)),
                (f"deck/{deck}/alpha", dice.random()),
                (f"deck/{deck}/mute", dice.random() < 0.3),
                ("transport/tempo", dice.uniform(60, 180)),
                ("transport/quantum", dice.choice(("off", "beat", "bar"))),
                ("crossfader", dice.choice((0.0, 0.5, 1.0))),
                ("panic", dice.random() < 0.1),
            ]
        )
        simulation.send(path, value)
        simulation.play_to(simulation.frame + TICK * dice.randrange(1, 60))
    assert len(simulation.notes()) > 30
    simulation.notes_out.close()
    assert not simulation.held()


def test_the_command_line_and_a_preset_ask_for_notes(tmp_path):
    typed = build_parser().parse_args(["play", "--notes-out", "synth"])
    assert Command("midi/notes_out", True, source="cli") in parameter_commands(typed)
    assert list(parameter_commands(build_parser().parse_args(["play"]))) == []
    assert session_with(typed, Session()).midi.notes_out_port == "synth"
    preset = tmp_path / "set.yaml"
    preset.write_text('midi: {notes_out: true, notes_port: "synth"}\n')
    session = load_session(preset)
    assert (session.parameters["midi/notes_out"], session.midi.notes_out_port) == (True, "synth")
    preset.write_text("midi: {notes_out: loud}\n")
    with pytest.raises(PresetError, match="notes_out"):
        load_session(preset)
