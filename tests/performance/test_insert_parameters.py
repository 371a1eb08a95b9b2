"""The parameters of hosted plugins: how a plugin's own description becomes rows, and how they join the tree."""

from __future__ import annotations

import pytest

from riffengine.errors import OutOfRange, UnknownParameter
from riffengine.performance.insert_parameters import PluginControl, control_rows, places, plugin_row, plugins_in
from riffengine.performance.parameter_tree import Parameter
from riffengine.performance.parameters import standard_tree
from riffengine.performance.routing import Handler, handler_of
from riffengine.processes.parameter_path import parse_path

CONTROLS = (
    PluginControl("threshold", "Threshold", -60.0, 0.0, -12.0, "dB"),
    PluginControl("kind", "Kind", 0, 2, 1, integer=True, labels=((0, "Plate"), (2, "Hall"), (1, "Room"))),
    PluginControl("resonance", "Resonance", 0.0, 1.4, 0.7, labels=((0.0, "none"), (1.0, "much"))),
    PluginControl("voices", "Voices", 1, 8, 4, integer=True),
    PluginControl("listen", "Listen\n", 0, 1, 0, toggled=True),
)


def rows() -> dict[str, Parameter]:
    return {row.path.rpartition("/")[2]: row for row in control_rows("deck/a", 2, "Comp", CONTROLS)}


def test_rows_have_kind_range_unit_and_default_of_the_plugin() -> None:
    found = rows()
    assert [*found] == ["on", "mix", "threshold", "kind", "resonance", "voices", "listen"]
    threshold = found["threshold"]
    assert (threshold.path, threshold.low, threshold.high) == ("deck/a/fx/2/threshold", -60.0, 0.0)
    assert (threshold.default, threshold.unit, threshold.help) == (-12.0, "dB", "Comp: Threshold")
    assert found["kind"].choices == ("Plate", "Room", "Hall") and found["kind"].default == "Room"
    assert found["resonance"].kind == "float"  # labels of a number that is not whole name some values, not all
    assert found["voices"].kind == "int" and found["listen"].kind == "bool"


def test_values_and_numbers_stand_for_each_other() -> None:
    found = rows()
    assert found["kind"].number("Hall") == 2.0 and found["kind"].value(1.8) == "Hall"
    assert found["listen"].number(True) == 1.0 and found["listen"].value(0.2) is False
    assert found["voices"].value(99.0) == 8
    with pytest.raises(OutOfRange):
        found["kind"].check("Spring")


def test_rows_join_and_leave_the_tree() -> None:
    tree = standard_tree()
    added = control_rows("deck/a", 1, "Comp", CONTROLS)
    tree.join(added)
    assert tree["deck/a/fx/1/threshold"].default == -12.0
    tree.leave([row.path for row in added])
    with pytest.raises(UnknownParameter):
        _ = tree["deck/a/fx/1/threshold"]


@pytest.mark.parametrize("place", places(("a",), ("drums",)))
def test_every_place_has_a_path_for_its_first_plugin(place: str) -> None:
    row = plugin_row(place, 1)
    path = parse_path(row.path)
    assert row.path in standard_tree(("a",), ("drums",))
    assert (path.place, path.plugin_number, str(path)) == (place, 1, row.path)
    assert handler_of(row.path) is Handler.PLUGIN
    assert handler_of(f"{place}/fx/1/mix") is Handler.PLUGIN_CONTROL


def test_the_plugins_of_a_state_are_found_by_place_and_number() -> None:
    values = {
        "deck/a/fx/1/plugin": "lv2:x",
        "deck/a/fx/2/plugin": "",
        "master/fx/3/plugin": "clap:y",
        "deck/a/gain": 0.0,
    }
    assert plugins_in(values) == {"deck/a": {1: "lv2:x"}, "master": {3: "clap:y"}}
