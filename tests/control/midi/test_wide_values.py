from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from riffengine.control.midi.event import MidiEvent, WideValues


def heard(*numbers_and_data: tuple[int, int], channel: int = 1) -> list[tuple[str, int, int]]:
    wide = WideValues()
    found = []
    for number, data in numbers_and_data:
        found += wide.add(MidiEvent("cc", channel, number, data))
    return [(event.kind, event.number, event.data) for event in found]


def test_a_14_bit_fader_gives_a_value_when_both_halves_are_there() -> None:
    moves = [(7, 64), (39, 1), (7, 65), (39, 2)]
    assert heard(*moves) == [("cc14", 7, 64 << 7 | 64), ("cc14", 7, 64 << 7 | 1), ("cc14", 7, 65 << 7 | 2)]


def test_lower_bits_without_upper_ones_give_no_value() -> None:
    assert heard((39, 5)) == []


def test_a_fader_that_sends_its_lower_half_first_is_read_in_whole_values() -> None:
    full_down_up = [(39, 0), (7, 0), (39, 127), (7, 127), (39, 0), (7, 1)]
    assert heard(*full_down_up) == [("cc14", 7, 0), ("cc14", 7, 16383), ("cc14", 7, 128)]


def test_upper_halves_alone_are_heard_after_lower_ones_were_sent_once() -> None:
    found = heard((7, 10), (39, 5), (7, 20), (7, 30), (7, 40))
    assert [value for _, _, value in found] == [10 << 7 | 10, 10 << 7 | 5, 30 << 7 | 5, 40 << 7 | 5]


def test_lower_halves_alone_are_heard_at_once() -> None:
    assert [value for _, _, value in heard((7, 10), (39, 5), (39, 6))] == [10 << 7 | 10, 10 << 7 | 5, 10 << 7 | 6]


def test_nrpns_whose_lower_half_is_entered_first() -> None:
    found = [
        value for kind, _, value in heard((99, 2), (98, 3), (38, 127), (6, 127), (38, 0), (6, 64)) if kind == "nrpn"
    ]
    assert found == [16383, 64 << 7]


def test_a_7_bit_fader_reaches_both_ends_of_a_14_bit_value() -> None:
    assert heard((7, 0), (7, 127)) == [("cc14", 7, 0), ("cc14", 7, 16383)]


def test_nrpns_by_entry_by_steps_and_not_after_an_rpn() -> None:
    chosen = [(99, 2), (98, 3)]
    number = 2 << 7 | 3
    found = [event for event in heard(*chosen, (6, 10), (38, 20), (96, 0), (97, 5)) if event[0] == "nrpn"]
    wide = 10 << 7 | 20
    assert found == [("nrpn", number, 10 << 7 | 10), ("nrpn", number, wide), ("nrpn", number, wide + 1),
                     ("nrpn", number, wide - 4)]  # fmt: skip
    assert not [e for e in heard(*chosen, (101, 0), (100, 0), (6, 10)) if e[0] == "nrpn"]
    assert not [e for e in heard((99, 127), (98, 127), (6, 10)) if e[0] == "nrpn"]
    assert not [e for e in heard((6, 10)) if e[0] == "nrpn"]


@given(st.lists(st.tuples(st.integers(1, 16), st.integers(0, 127), st.integers(0, 127)), max_size=400))
def test_values_stay_in_range_and_memory_stays_small(
    messages: list[tuple[int, int, int]],
) -> None:
    wide = WideValues()
    for channel, number, data in messages:
        for event in wide.add(MidiEvent("cc", channel, number, data)):
            assert 0 <= event.data <= 16383 and event.channel == channel
    assert len(wide._halves) <= 2048 and len(wide._entered) <= 16
