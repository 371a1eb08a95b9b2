from __future__ import annotations

from typing import Any

import pytest

from riffengine.clock import VirtualClock
from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.event import WideValues, decode
from riffengine.control.midi.learn import REST_NS, Learner
from riffengine.control.midi.port_names import matches_port
from riffengine.control.midi.server import MidiServer
from tests.control.engine_stub import EngineStub

CC, NOTE, OFF = 0xB0, 0x90, 0x80
TREE = EngineStub().tree


def learned(path: str, *messages: list[int], values: tuple[str, ...] = (), port: str = "nano") -> Binding:
    learner, wide = Learner(TREE[path], values), WideValues()
    for number, message in enumerate(messages):
        event = decode(message)
        assert event is not None
        learner.on_events(port, [event, *wide.add(event)], number * 10_000_000)
        assert learner.done(number * 10_000_000) is None  # not while it moves
    last_ns = (len(messages) - 1) * 10_000_000
    assert learner.done(last_ns + REST_NS - 1) is None
    binding = learner.done(last_ns + REST_NS)
    assert binding is not None
    binding.validate(TREE)
    return binding


def cc(number: int, *values: int) -> list[list[int]]:
    return [[CC, number, value] for value in values]


SWEEP = [*range(40, 128), *range(127, -1, -1), *range(0, 40)]
ALPHA, MUTE, NEXT, QUANTUM, SEED = "deck/a/alpha", "deck/a/mute", "next", "transport/quantum", "deck/a/seed"

CONTROLS: list[tuple[str, list[list[int]], dict[str, Any]]] = [
    (ALPHA, cc(7, *SWEEP), {"kind": "cc", "number": 7, "mode": "absolute", "takeover": "pickup", "travel": None}),
    (ALPHA, cc(7, *range(3, 121, 2)), {"mode": "absolute", "travel": (3, 119)}),  # a worn knob
    (ALPHA, cc(7, *range(60, 70)), {"mode": "absolute", "travel": None}),  # only moved a little
    (ALPHA, cc(7, 0, 30, 70, 127), {"mode": "absolute", "travel": None}),  # in a hurry
    # endless, to the right and back, slow and accelerated
    (ALPHA, cc(7, 1, 1, 1, 2, 1, 127, 127, 126, 127), {"mode": "relative-twos-complement", "takeover": "none"}),
    (ALPHA, cc(7, 1, 1, 1, 1, 1, 1), {"mode": "relative-twos-complement"}),
    (ALPHA, cc(7, 1, 3, 7, 12, 15, 9, 4, 1, 127, 120, 110, 125), {"mode": "relative-twos-complement"}),
    (ALPHA, cc(7, 65, 65, 65, 66, 63, 63, 62), {"mode": "relative-binary-offset"}),
    (ALPHA, cc(7, 65, 65, 65, 65), {"mode": "relative-binary-offset"}),
    (ALPHA, cc(7, 1, 1, 2, 1, 65, 65, 66, 65), {"mode": "relative-signed-bit"}),
    (ALPHA, cc(7, 65, 65, 66, 65, 1, 1, 2, 1), {"mode": "relative-signed-bit-2"}),
    (SEED, cc(7, 65, 65, 63, 63), {"mode": "relative-binary-offset"}),
    # buttons
    (MUTE, cc(48, 127, 0), {"kind": "cc", "mode": "toggle"}),
    (MUTE, cc(48, 127), {"kind": "cc", "mode": "absolute"}),  # it stays down: it keeps the state itself
    (MUTE, [[NOTE, 36, 90], [OFF, 36, 0]], {"kind": "note", "number": 36, "mode": "toggle"}),
    (MUTE, [[NOTE, 36, 90], [0xA0, 36, 3], [0xA0, 36, 80], [0xA0, 36, 9], [NOTE, 36, 0]], {"kind": "note"}),
    (NEXT, [[NOTE, 36, 90], [OFF, 36, 0]], {"kind": "note", "mode": "absolute", "values": ()}),
    (ALPHA, [[NOTE, 36, 90], [OFF, 36, 0]], {"kind": "note", "mode": "trigger"}),
    (QUANTUM, cc(48, 127, 0), {"mode": "toggle", "values": TREE[QUANTUM].choices}),
    # the rest of MIDI
    (ALPHA, [[0xE2, 0, 64], [0xE2, 5, 70], [0xE2, 127, 127], [0xE2, 0, 0]], {"kind": "pitchbend", "channel": 3}),
    (ALPHA, [[0xD0, v] for v in (3, 50, 127, 0)], {"kind": "aftertouch", "number": 0}),
    (ALPHA, [m for v in range(0, 128, 4) for m in ([CC, 1, v], [CC, 33, v])], {"kind": "cc14", "number": 1}),
    (ALPHA, [m for v in range(0, 128, 4) for m in ([CC, 99, 1], [CC, 98, 2], [CC, 6, v], [CC, 38, v])],
     {"kind": "nrpn", "number": 130}),
    (NEXT, [[0xC0, 5]], {"kind": "program", "number": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "messages", "facts"), CONTROLS)
def test_the_kind_of_a_control_is_found_from_its_values(
    path: str, messages: list[list[int]], facts: dict[str, Any]
) -> None:
    binding = learned(path, *messages)
    assert binding.path == path and binding.port == "nano"
    assert {name: getattr(binding, name) for name in facts} == facts


def test_the_control_that_moved_most_is_learned() -> None:
    assert learned(ALPHA, *cc(3, 5), *cc(7, *range(20, 90)), *cc(4, 9)).number == 7


def test_a_row_of_pads_is_learned_from_its_first_pad_or_program_change() -> None:
    binding = learned("deck/a/prompt", [NOTE, 36, 9], [OFF, 36, 0], values=("house", "dub"))
    assert (binding.number, binding.values, binding.span) == (36, ("house", "dub"), 2)
    assert learned("scene/recall", [0xC0, 3], values=("intro", "drop")).span == 2


def test_releasing_a_key_that_was_pressed_before_is_not_learned() -> None:
    learner = Learner(TREE[NEXT])
    off = decode([OFF, 36, 0])
    assert off is not None
    learner.on_events("nano", [off], 0)
    assert learner.done(10 * REST_NS) is None


def learned_with(*labels: str) -> Binding | None:
    """What is learned when the first of several connected controllers moves its fader."""
    engine, clock, found = EngineStub(), VirtualClock(), list[Binding | None]()
    midi = MidiServer(engine.context(clock), MidiSetup())
    for label in labels:
        midi.handle((0xB0, 99, 1), label, 0)
    midi.learn("deck/a/alpha", (), found.append)
    for value in range(128):
        assert midi.handle((0xB0, 7, value), labels[0], 0) == [], "what is moved while it learns moves nothing"
    midi.tick(clock.now_ns() + REST_NS - 1)
    assert found == []
    midi.tick(clock.now_ns() + REST_NS)
    (binding,) = found
    return binding


def test_of_two_controllers_of_one_name_the_moved_one_is_learned() -> None:
    alone, first, second = (
        learned_with("pad box"),
        learned_with("pad box", "pad box #2"),
        learned_with("pad box #2", "pad box"),
    )
    assert alone == Binding("deck/a/alpha", "cc", 7, channel=1, takeover="pickup", port="pad box")
    assert first is not None and second is not None
    assert [matches_port(first.port, label) for label in ("pad box", "pad box #2")] == [True, False]
    assert [matches_port(second.port, label) for label in ("pad box", "pad box #2")] == [False, True]


def test_a_request_for_which_no_control_moves_ends() -> None:
    engine, found = EngineStub(), list[Binding | None]()
    midi = MidiServer(engine.context(), MidiSetup())
    midi.learn("deck/a/alpha", (), found.append)
    midi.tick(10**9)
    assert found == []
    midi.tick(10**12)
    assert found == [None]
