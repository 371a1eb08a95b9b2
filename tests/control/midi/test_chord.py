"""Keys that are held as a chord: when it counts, what it is called, and what it does not change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.chord import SETTLE_NS, ChordKeys
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.event import MidiEvent
from riffengine.control.midi.server import MidiServer
from riffengine.errors import ControlError, PresetError
from riffengine.performance.chords import parse_chords
from riffengine.performance.parameters import standard_tree
from riffengine.session.learned_map import LearnedMap
from riffengine.session.session import load_session
from tests.control.engine_stub import EngineStub

MS = 1_000_000


def played(keys_held: ChordKeys, keys: Sequence[tuple[int, int]], at_ms: int = 0) -> None:
    """``keys`` are milliseconds and pitches, negative for a key let go."""
    for ms, pitch in keys:
        keys_held.on_event(MidiEvent("note_on" if pitch > 0 else "note_off", 1, abs(pitch), 90), (at_ms + ms) * MS)


@pytest.mark.parametrize(
    ("keys", "chord"),
    [
        ([(0, 48), (10, 52), (25, 55)], "C"),
        ([(0, 57), (5, 60), (9, 64), (60, -57), (61, -60), (62, -64)], "Am"),  # struck short
        ([(0, 48), (20, 52), (30, -48), (40, 55)], "C"),  # the thumb has lifted already
        ([(0, 52), (3, 60), (6, 67)], "C/E"),
        ([(0, 50), (0, 53), (0, 57), (0, 60)], "Dm7"),
        ([(0, 48)], "C3"),
    ],
)
def test_keys_pressed_together_are_one_chord(keys: list[tuple[int, int]], chord: str) -> None:
    keys_held = ChordKeys()
    played(keys_held, keys)
    last = max(ms for ms, pitch in keys if pitch > 0) * MS
    assert keys_held.due(last + SETTLE_NS - 1) is None
    assert keys_held.due(last + SETTLE_NS) == chord
    assert parse_chords(chord)
    assert keys_held.due(last + 10 * SETTLE_NS) is None, "it is told once"


def test_releasing_keys_keeps_the_chord_and_a_new_key_makes_a_new_one() -> None:
    keys_held = ChordKeys()
    played(keys_held, [(0, 48), (1, 52), (2, 55)])
    assert keys_held.due(1000 * MS) == "C"
    played(keys_held, [(0, -55)], at_ms=1100)
    assert keys_held.due(2000 * MS) is None
    played(keys_held, [(0, 57)], at_ms=2100)
    assert keys_held.due(3000 * MS) == "Am/C"
    played(keys_held, [(0, -48), (1, -52), (2, -57)], at_ms=3100)
    assert keys_held.due(4000 * MS) is None
    played(keys_held, [(0, 53), (1, 57), (2, 60)], at_ms=4100)
    assert keys_held.due(5000 * MS) == "F"


def test_more_keys_than_a_chord_can_have_are_left_out() -> None:
    keys_held = ChordKeys()
    played(keys_held, [(0, pitch) for pitch in range(40, 70)])
    text = keys_held.due(1000 * MS)
    assert text is not None and parse_chords(text)


def midi_server(*bindings: Binding) -> tuple[EngineStub, MidiServer]:
    engine = EngineStub()
    setup = MidiSetup(bindings=bindings)
    return engine, MidiServer(engine.context(), setup)


def test_a_key_range_plays_chords_and_its_neighbours_do_not() -> None:
    chords = Binding("deck/a/chords", "chord", 48, to=60, channel=1)
    engine, midi = midi_server(chords, Binding("deck/a/mute", "note", 61, mode="toggle"))
    for pitch in (48, 52, 55, 61, 64):
        midi.handle((0x90, pitch, 100), "keys", 0)
    midi.handle((0x91, 57, 100), "keys", 0)  # another channel
    assert midi.tick(SETTLE_NS - 1) == []
    (reply,) = midi.tick(SETTLE_NS)
    assert reply.command.path == "deck/a/chords" and reply.command.source == "midi:keys"
    assert engine.state["deck/a/chords"] == "C" and engine.state["deck/a/mute"] is True
    for pitch in (48, 52, 55):
        midi.handle((0x80, pitch, 0), "keys", SETTLE_NS)
    assert midi.tick(10 * SETTLE_NS) == [] and engine.state["deck/a/chords"] == "C"


@pytest.mark.parametrize(
    ("binding", "why"),
    [
        (Binding("deck/a/alpha", "chord", 48, to=72), "chords"),
        (Binding("chords", "chord", 72, to=48), "lower first"),
        (Binding("chords", "chord", 48, to=128), "0 to 127"),
        (Binding("chords", "chord", 48, to=72, values=("C",)), "nothing else"),
        (Binding("chords", "chord", 48, to=72, light="plain"), "nothing else"),
    ],
)
def test_a_chord_binding_that_cannot_work_is_refused(binding: Binding, why: str) -> None:
    with pytest.raises(ControlError, match=why):
        binding.validate(standard_tree())


def test_a_chord_binding_is_read_from_a_preset_and_from_the_learned_map(tmp_path: Path) -> None:
    preset = tmp_path / "set.yaml"
    preset.write_text("midi: {map: [{chord: 48..72, channel: 2, set: chords}]}\n")
    (line,) = load_session(preset).midi.bindings
    assert line == Binding("chords", "chord", 48, to=72, channel=2)
    learned = LearnedMap(tmp_path)
    learned.keep(line)
    assert learned.read() == ((line,), [])
    preset.write_text("midi: {map: [{chord: 48, set: chords}]}\n")
    with pytest.raises(PresetError, match="first and the last key"):
        load_session(preset)
