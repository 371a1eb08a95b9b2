from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.control.midi.binding import Binding, Curve
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.event import MidiEvent, decode
from riffengine.control.midi.server import MidiServer
from riffengine.errors import ControlError, ParameterError
from riffengine.performance.command import Command
from tests.control.engine_stub import EngineStub

CC, NOTE, OFF, PROGRAM, BEND = 0xB0, 0x90, 0x80, 0xC0, 0xE0
PROMPTS = ("house", "techno", "jazz")


def midi_server(engine: EngineStub, *bindings: Binding) -> MidiServer:
    return MidiServer(engine.context(), MidiSetup(bindings))


def values_of(binding: Binding, *messages: list[int]) -> list[object]:
    engine = EngineStub()
    midi = midi_server(engine, binding)
    for message in messages:
        midi.handle(message, "nano", 5)
    assert midi.counters.rejected == 0
    assert all(c.source == "midi:nano" and c.stamp_ns == 5 and c.path == binding.path for c in engine.commands)
    return [command.value for command in engine.commands]


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ([0xB2, 1, 127], MidiEvent("cc", 3, 1, 127)),
        ([0x9F, 60, 100], MidiEvent("note_on", 16, 60, 100)),
        ([0x90, 60, 0], MidiEvent("note_off", 1, 60, 0)),
        ([0x80, 60, 9], MidiEvent("note_off", 1, 60, 9)),
        ([0xC0, 5], MidiEvent("program", 1, 5)),
        ([0xE0, 0, 64], MidiEvent("pitchbend", 1, 0, 8192)),
        ([0xE0, 127, 127], MidiEvent("pitchbend", 1, 0, 16383)),
        ([0xF8], None),
        ([0xF0, 1, 2, 0xF7], None),
        ([0xD0, 5], MidiEvent("aftertouch", 1, 0, 5)),
        ([0xA0, 36, 5], MidiEvent("polytouch", 1, 36, 5)),
    ],
)
def test_bytes_become_events(message: list[int], event: MidiEvent | None) -> None:
    assert decode(message) == event


@pytest.mark.parametrize("message", [[], [60, 1], [0xB0], [0xB0, 1], [0xB0, 1, 128], [0xB0, 1, 2, 3], [0xC0, 200]])
def test_bytes_that_are_no_message_are_refused(message: list[int]) -> None:
    with pytest.raises(ControlError):
        decode(message)


TABLE = [
    # a knob: exact at both ends
    (Binding("deck/a/alpha", "cc", 1), [[CC, 1, 0], [CC, 1, 127]], [0.0, 1.0]),
    (Binding("master/gain", "cc", 1), [[CC, 1, 0], [CC, 1, 127]], [-60.0, 6.0]),
    (Binding("deck/a/alpha", "cc", 1, low=1, high=0), [[CC, 1, 0], [CC, 1, 127]], [1.0, 0.0]),
    (Binding("steps", "cc", 1, low=1, high=9), [[CC, 1, 0], [CC, 1, 64], [CC, 1, 127]], [1, 5, 9]),
    (Binding("deck/a/alpha", "pitchbend"), [[BEND, 0, 0], [BEND, 127, 127]], [0.0, 1.0]),
    (Binding("transport/quantum", "cc", 1), [[CC, 1, 0], [CC, 1, 127]], ["off", "loop"]),
    (Binding("deck/a/prompt", "cc", 1, values=PROMPTS), [[CC, 1, 0], [CC, 1, 64], [CC, 1, 127]], [*PROMPTS]),
    # other controls and channels
    (Binding("deck/a/alpha", "cc", 1), [[CC, 2, 127], [NOTE, 1, 127]], []),
    (Binding("deck/a/alpha", "cc", 1, channel=2), [[CC, 1, 127], [CC + 1, 1, 0]], [0.0]),
    # pads
    (Binding("deck/a/prompt", "note", 36, values=PROMPTS), [[NOTE, 37, 9], [OFF, 37, 0], [NOTE, 39, 9]], ["techno"]),
    (Binding("deck/a/prompt", "program", 0, values=PROMPTS), [[PROGRAM, 2], [PROGRAM, 3]], ["jazz"]),
    (Binding("deck/a/alpha", "note", 36), [[NOTE, 36, 127], [OFF, 36, 64]], [1.0]),
    (Binding("deck/a/alpha", "note", 36, mode="trigger", high=0.5), [[NOTE, 36, 1]], [0.5]),
    (Binding("next", "note", 36), [[NOTE, 36, 1], [NOTE, 36, 0]], [True]),
    (Binding("next", "cc", 36), [[CC, 36, 127], [CC, 36, 0]], [True]),
    (Binding("next", "program", 3), [[PROGRAM, 3]], [True]),
    (Binding("deck/a/mute", "note", 36), [[NOTE, 36, 1], [OFF, 36, 0]], [True, False]),
    (Binding("deck/a/mute", "note", 36, mode="toggle"), [[NOTE, 36, 1], [OFF, 36, 0], [NOTE, 36, 1]], [True, False]),
    (Binding("deck/a/mute", "cc", 1), [[CC, 1, 63], [CC, 1, 64]], [False, True]),
    (
        Binding("deck/a/alpha", "cc", 9, mode="toggle", values=(0.0, 1.0)),
        [[CC, 9, 127], [CC, 9, 0], [CC, 9, 127]],
        [1.0, 0.0],
    ),
    # endless knobs, clipped at the ends; seeds step by one, alpha by 1/128
    (
        Binding("deck/a/seed", "cc", 1, mode="relative-twos-complement"),
        [[CC, 1, 3], [CC, 1, 127], [CC, 1, 100]],
        [3, 2, 0],
    ),
    (Binding("deck/a/seed", "cc", 1, mode="relative-binary-offset"), [[CC, 1, 67], [CC, 1, 63], [CC, 1, 0]], [3, 2, 0]),
    (Binding("deck/a/seed", "cc", 1, mode="relative-signed-bit"), [[CC, 1, 3], [CC, 1, 65], [CC, 1, 127]], [3, 2, 0]),
    (Binding("deck/a/alpha", "cc", 1, mode="relative-twos-complement"), [[CC, 1, 32], [CC, 1, 96]], [0.25, 0.0]),
    (
        Binding("deck/a/seed", "cc", 1, mode="relative-signed-bit-2"),
        [[CC, 1, 67], [CC, 1, 1], [CC, 1, 63]],
        [3, 2, 0],
    ),
    (Binding("deck/a/seed", "cc", 1, mode="relative-signed-bit", invert=True), [[CC, 1, 65], [CC, 1, 1]], [1, 0]),
    (Binding("deck/a/seed", "cc", 1, mode="relative-twos-complement", step=10), [[CC, 1, 2], [CC, 1, 127]], [20, 10]),
    # wide values, pressure, ends that a worn control reaches, a control that is mounted upside down
    (Binding("deck/a/alpha", "cc14", 1), [[CC, 1, 127], [CC, 33, 127], [CC, 1, 0], [CC, 33, 0]], [1.0, 1.0, 0.0]),
    (
        Binding("deck/a/alpha", "nrpn", 130),
        [[CC, 99, 1], [CC, 98, 2], [CC, 6, 127], [CC, 6, 0], [CC, 101, 0], [CC, 6, 127]],
        [1.0, 0.0],
    ),
    (Binding("deck/a/seed", "nrpn", 1, low=0, high=16383), [[CC, 99, 0], [CC, 98, 1], [CC, 96, 5]], [5]),
    (Binding("deck/a/alpha", "aftertouch"), [[0xD0, 127], [0xD0, 0]], [1.0, 0.0]),
    (Binding("deck/a/alpha", "polytouch", 36), [[0xA0, 36, 127], [0xA0, 37, 9]], [1.0]),
    (Binding("deck/a/alpha", "cc", 1, travel=(3, 124)), [[CC, 1, 3], [CC, 1, 124], [CC, 1, 127]], [0.0, 1.0, 1.0]),
    (Binding("deck/a/alpha", "cc", 1, invert=True), [[CC, 1, 0], [CC, 1, 127]], [1.0, 0.0]),
    (Binding("deck/a/mute", "cc", 1, invert=True), [[CC, 1, 127], [CC, 1, 0]], [False, True]),
    (
        Binding("transport/quantum", "note", 1, mode="toggle", values=("bar", "beat")),
        [[NOTE, 1, 9], [OFF, 1, 0], [NOTE, 1, 9], [NOTE, 2, 9]],
        ["beat", "bar"],
    ),
    (
        Binding("transport/quantum", "cc", 1, mode="relative-twos-complement"),
        [[CC, 1, 1], [CC, 1, 63]],
        ["2bars", "loop"],
    ),
]


@pytest.mark.parametrize(("binding", "messages", "values"), TABLE)
def test_a_binding_turns_gestures_into_values(
    binding: Binding, messages: list[list[int]], values: list[object]
) -> None:
    binding.validate(EngineStub().tree)
    assert values_of(binding, *messages) == values


def test_curves_meet_at_the_ends_and_bend_between() -> None:
    curves: tuple[Curve, ...] = ("exp", "lin", "log")
    messages = [CC, 1, 0], [CC, 1, 64], [CC, 1, 127]
    at = {curve: values_of(Binding("deck/a/alpha", "cc", 1, curve=curve), *messages) for curve in curves}
    assert {(v[0], v[2]) for v in at.values()} == {(0.0, 1.0)}
    assert at["exp"][1] < at["lin"][1] < at["log"][1]  # type: ignore[operator]


WRONG = [
    Binding("deck/a/aplha", "cc", 1),
    Binding("deck/a/alpha", "cc", 128),
    Binding("deck/a/alpha", "cc", 1, channel=17),
    Binding("deck/a/alpha", "cc", 1, high=2.0),
    Binding("deck/a/mute", "cc", 1, high=1.0),
    Binding("deck/a/prompt", "note", 36),
    Binding("deck/a/prompt", "note", 126, values=PROMPTS),
    Binding("deck/a/seed", "note", 1, values=("one",)),
    Binding("deck/a/alpha", "note", 1, mode="relative-signed-bit"),
    Binding("deck/a/mute", "cc", 1, mode="relative-signed-bit"),
    Binding("deck/a/alpha", "cc", 1, mode="toggle"),
    Binding("deck/a/mute", "pitchbend", mode="toggle"),
    Binding("deck/a/alpha", "program", 1),
    Binding("deck/a/alpha", "cc14", 32),
    Binding("deck/a/alpha", "nrpn", 16384),
    Binding("deck/a/alpha", "aftertouch", mode="trigger"),
    Binding("deck/a/mute", "cc", 1, takeover="pickup"),
    Binding("deck/a/alpha", "note", 1, takeover="scale"),
    Binding("deck/a/alpha", "cc", 1, travel=(5, 5)),
    Binding("deck/a/alpha", "cc", 1, travel=(0, 128)),
    Binding("deck/a/alpha", "cc", 1, step=2),
    Binding("deck/a/alpha", "note", 1, echo=True),
]


@pytest.mark.parametrize("binding", WRONG)
def test_a_binding_that_cannot_work_is_refused(binding: Binding) -> None:
    with pytest.raises((ControlError, ParameterError)):
        binding.validate(EngineStub().tree)


@given(st.lists(st.lists(st.integers(0, 255), max_size=4), max_size=20))
def test_no_bytes_raise_or_are_refused_by_the_tree(messages: list[list[int]]) -> None:
    engine = EngineStub()
    bindings = [binding for binding, _, _ in TABLE]
    midi = midi_server(engine, *bindings)
    for message in messages:
        midi.handle(message, "x", 0)
    assert midi.counters.received == len(messages)
    assert midi.counters.rejected == 0 and midi.counters.accepted == len(engine.commands)


def test_a_relative_move_starts_from_the_present_value() -> None:
    engine = EngineStub()
    engine.submit(Command("deck/a/seed", 40))
    midi = midi_server(engine, Binding("deck/a/seed", "cc", 1, mode="relative-twos-complement"))
    midi.handle([CC, 1, 2], "x", 0)
    assert engine.state["deck/a/seed"] == 42
