"""The published truth table of Mixxx's soft takeover, row by row, and Live's Value Scaling at its ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controller import Controller
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.server import MidiServer
from riffengine.control.midi.takeover import THRESHOLD, WINDOW_NS, SoftTakeover, Takeover
from riffengine.performance.command import Command
from riffengine.performance.parameters import standard_tree
from tests.control.engine_stub import EngineStub

SOON, LATER = WINDOW_NS, WINDOW_NS + 1
CLOSE, FAR = THRESHOLD, 2 * THRESHOLD
PARAMETER = 0.5

# sides of the parameter, distance of the previous and of the new value, arrival after the last one that counted
TABLE = [
    ("opposite", CLOSE, CLOSE, SOON, True),
    ("opposite", CLOSE, CLOSE, LATER, True),
    ("opposite", CLOSE, FAR, SOON, True),
    ("opposite", CLOSE, FAR, LATER, False),
    ("opposite", FAR, CLOSE, SOON, True),
    ("opposite", FAR, CLOSE, LATER, True),
    ("opposite", FAR, FAR, SOON, True),
    ("opposite", FAR, FAR, LATER, False),
    ("same", CLOSE, CLOSE, SOON, True),
    ("same", CLOSE, CLOSE, LATER, True),
    ("same", CLOSE, FAR, SOON, True),
    ("same", CLOSE, FAR, LATER, False),
    ("same", FAR, CLOSE, SOON, True),
    ("same", FAR, CLOSE, LATER, True),
    ("same", FAR, FAR, SOON, False),
    ("same", FAR, FAR, LATER, False),
]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("sides", "before", "new", "after_ns", "counts"), TABLE)
def test_pickup_follows_the_table(
    sides: str, before: float, new: float, after_ns: int, counts: bool, side: int
) -> None:
    soft_takeover = SoftTakeover("pickup")
    previous = PARAMETER + side * before
    knob = PARAMETER + side * (new if sides == "same" else -new)
    soft_takeover.apply(previous, previous, 0)  # the first is ignored
    assert soft_takeover.apply(previous, previous, 0) == previous  # the last one that counted, at time 0
    taken = soft_takeover.apply(knob, PARAMETER, after_ns)  # meanwhile another hand has moved the parameter
    assert taken == (knob if counts else None)


def test_pickup_ignores_the_first_value_wherever_it_is() -> None:
    for knob in (0.0, 0.5, 1.0):
        assert SoftTakeover("pickup").apply(knob, 0.5, 0) is None


def test_a_slow_knob_waits_at_a_distance_and_takes_over_where_it_meets_the_parameter() -> None:
    soft_takeover, taken = SoftTakeover("pickup"), []
    for step in range(128):
        value = soft_takeover.apply(step / 127, 0.5, step * 10**9)
        taken.append(value is not None)
    first = taken.index(True)
    assert abs(first / 127 - 0.5) <= THRESHOLD
    assert sum(taken) == sum(abs(s / 127 - 0.5) <= THRESHOLD for s in range(128))  # the parameter stood still here


def test_scaling_moves_at_once_and_meets_both_ends() -> None:
    soft_takeover = SoftTakeover("scale")
    assert soft_takeover.apply(0.25, 0.75, 0) is None  # one value has no direction
    parameter = 0.75
    for knob in (0.5, 0.75, 1.0):
        moved = soft_takeover.apply(knob, parameter, 0)
        assert moved is not None and moved > parameter
        parameter = moved
    assert parameter == 1.0
    for knob in (0.6, 0.2, 0.0):
        moved = soft_takeover.apply(knob, parameter, 0)
        assert moved is not None and moved < parameter
        parameter = moved
    assert parameter == 0.0


@given(st.lists(st.integers(0, 127), min_size=2, max_size=60), st.floats(0, 1))
def test_scaling_never_leaves_the_range_nor_turns_round(knobs: list[int], parameter: float) -> None:
    soft_takeover, before = SoftTakeover("scale"), None
    for knob in knobs:
        moved = soft_takeover.apply(knob / 127, parameter, 0)
        if moved is not None:
            assert 0.0 <= moved <= 1.0
            if before is not None and 0 < knob < 127:
                assert (moved - parameter) * (knob - before) >= 0
            parameter = moved
        before = knob


@pytest.mark.parametrize(("takeover", "heard"), [("none", [0.0, 1.0]), ("pickup", [1.0]), ("scale", [0.0, 1.0])])
def test_a_binding_takes_over_as_it_says(takeover: Takeover, heard: list[float]) -> None:
    engine = EngineStub()
    engine.submit(Command("deck/a/alpha", 0.99))
    midi = MidiServer(engine.context(), MidiSetup((Binding("deck/a/alpha", "cc", 1, takeover=takeover),)))
    engine.commands.clear()
    midi.handle([0xB0, 1, 0], "nano", 0)
    midi.handle([0xB0, 1, 127], "nano", 10**9)
    assert [command.value for command in engine.commands] == heard


def test_each_controller_has_its_own_takeover() -> None:
    engine = EngineStub()
    midi = MidiServer(engine.context(), MidiSetup((Binding("deck/a/alpha", "cc", 1, takeover="pickup"),)))
    midi.handle([0xB0, 1, 0], "nano", 0)
    midi.handle([0xB0, 1, 1], "nano", 1)
    assert engine.commands and not midi.handle([0xB0, 1, 1], "nano #2", 2)  # its own first value


def test_no_position_of_a_fader_with_takeover_is_left_out_in_a_crowd() -> None:
    """The one left out might be the one that meets the parameter, and the fader would stay without effect."""
    tree = standard_tree()
    for takeover, left_out in (("none", True), ("pickup", False), ("scale", False)):
        fader = Binding("deck/a/alpha", "cc", 7, takeover=takeover)
        assert Controller.of("box", tree, (), (fader,), ()).is_replaceable((0xB0, 7, 64)) is left_out
