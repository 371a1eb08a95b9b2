"""The plugin's parameters against the tree: there and back, choices, triggers, scenes, and what a session lacks."""

from __future__ import annotations

import pytest

from riffengine.control.daw.slot_map import DEFAULT_MAP, SlotMap
from riffengine.performance.parameters import standard_tree

TREE = standard_tree(("a", "b"), ("drums", "bass"))
SCENES = ("intro", "drop", "outro")


def test_the_default_map_moves_what_the_names_of_the_plugin_say() -> None:
    slots = SlotMap(TREE)
    assert len(slots.paths) == 16
    assert slots.value(0, 0.25) == ("crossfader", 0.25)
    assert slots.value(1, 0.0) == ("deck/a/gain", -60.0)
    assert slots.value(5, 0.5) == ("deck/a/filter", 0.0)
    assert slots.slot("deck/b/alpha") == 4


@pytest.mark.parametrize("path", ["crossfader", "master/gain", "deck/a/alpha", "deck/a/filter", "deck/a/seed"])
def test_a_number_goes_there_and_back(path: str) -> None:
    slots = SlotMap(TREE, (path,))
    for position in (0.0, 0.25, 0.5, 1.0):
        moved = slots.value(0, position)
        assert moved is not None
        back = slots.position(*moved)
        assert back == pytest.approx(position, abs=1e-6)
        slots.value(0, 0.1234)


def test_a_choice_and_a_scene_are_picked_by_their_place_and_only_when_it_changes() -> None:
    slots = SlotMap(TREE, ("scene/recall", "transport/quantum"), lambda: SCENES)
    assert [slots.value(0, x) for x in (0.0, 0.1, 0.5, 0.6, 1.0)] == [
        ("scene/recall", "intro"),
        None,
        ("scene/recall", "drop"),
        None,
        ("scene/recall", "outro"),
    ]
    assert slots.position("scene/recall", "drop") == 0.5
    assert slots.position("scene/recall", "gone") is None
    assert slots.value(1, 0.0) == ("transport/quantum", "off")


def test_a_trigger_fires_once_when_its_slot_rises() -> None:
    slots = SlotMap(TREE, ("next",))
    assert [slots.value(0, x) for x in (0.0, 0.4, 0.8, 1.0, 0.0, 1.0)] == [
        None,
        None,
        ("next", True),
        None,
        None,
        ("next", True),
    ]
    assert slots.position("next", True) is None


def test_what_the_session_lacks_moves_nothing() -> None:
    slots = SlotMap(standard_tree(("a",)), DEFAULT_MAP)
    assert slots.value(2, 0.5) is None  # deck b
    assert slots.slot("deck/b/gain") is None
    assert SlotMap(TREE, ("", "crossfader")).value(0, 1.0) is None
    assert SlotMap(TREE, ("scene/recall",)).value(0, 1.0) is None  # no scenes
