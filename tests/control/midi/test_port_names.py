from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.control.midi.port_names import PortLabels, base_name, matches_port, normalised


def test_port_names_lose_the_numbers_that_change() -> None:
    assert normalised("nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0") == "nanokontrol2:nanokontrol2 midi 1"
    assert normalised("APC MINI") == "apc mini"


@pytest.mark.parametrize(
    ("names", "base"),
    [
        (("nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0", "nanoKONTROL2:nanoKONTROL2 MIDI 1 32:0"), "nanokontrol2 midi 1"),
        (("APC mini mk2:out", "APC mini mk2:in", "APC mini mk2-01:out"), "apc mini mk2"),
        (("a2j:LPD8 mk2 [24] (capture): LPD8 mk2 MIDI 1", "a2j:LPD8 mk2 [28] (playback): LPD8 mk2 MIDI 1"),
         "lpd8 mk2 midi 1"),
        (("Launchpad X LPX MIDI Out", "Launchpad X LPX MIDI In"), "launchpad x lpx midi"),
    ],
)  # fmt: skip
def test_one_controller_has_one_name_in_both_directions_and_after_every_plug_in(
    names: tuple[str, ...], base: str
) -> None:
    assert {base_name(name) for name in names} == {base}


def test_two_of_one_name_keep_their_labels_when_one_is_unplugged() -> None:
    first, second = "nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0", "nanoKONTROL2:nanoKONTROL2 MIDI 1 24:0"
    name = "nanokontrol2 midi 1"
    port_labels = PortLabels()
    assert port_labels.assign([first, second]) == {name: 0, f"{name} #2": 1}
    assert port_labels.assign([second]) == {f"{name} #2": 0}
    assert port_labels.assign([second, first]) == {f"{name} #2": 0, name: 1}
    assert port_labels.assign([first]) == {name: 0}
    elsewhere = "nanoKONTROL2:nanoKONTROL2 MIDI 1 40:0"  # the second comes back through another socket
    assert port_labels.assign([first, elsewhere]) == {name: 0, f"{name} #2": 1}


def test_two_ports_of_the_very_same_name_are_labelled_by_their_order() -> None:
    assert PortLabels().assign(["Twister", "Other", "Twister"]) == {"twister": 0, "other": 1, "twister #2": 2}


@given(st.lists(st.lists(st.sampled_from(["A 20:0", "A 21:0", "A 22:0", "B 9:0"]), unique=True), max_size=12))
def test_every_port_has_a_label_of_its_own_and_keeps_it_while_it_stays(looks: list[list[str]]) -> None:
    port_labels, before = PortLabels(), {}
    for names in looks:
        labels = port_labels.assign(names)
        assert sorted(labels.values()) == list(range(len(names)))
        now = {names[number]: label for label, number in labels.items()}
        assert all(now[name] == label for name, label in before.items() if name in now)
        before = now


@pytest.mark.parametrize(
    ("part", "label", "meant"),
    [
        ("nano", "nanokontrol2 midi 1", True),
        ("nano", "nanokontrol2 midi 1 #2", True),
        ("nano#1", "nanokontrol2 midi 1", True),
        ("nano#1", "nanokontrol2 midi 1 #2", False),
        ("NANO #2", "nanokontrol2 midi 1 #2", True),
        ("lpd8", "nanokontrol2", False),
    ],
)
def test_a_part_of_a_name_matches_all_unless_it_has_a_number(part: str, label: str, meant: bool) -> None:
    assert matches_port(part, label) is meant
