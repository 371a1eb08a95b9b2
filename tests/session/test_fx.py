"""Plugins in presets: read with their places, numbers, values and states; what is wrong is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from riffengine.errors import PresetError
from riffengine.session.fx import PluginSetting
from riffengine.session.session import load_session

PRESET = """\
deck:
  a:
    prompt: house
    send: {1: -12, 2: -60}
    fx:
      - lv2:urn:one
      - {plugin: "clap:Zam.clap#two", on: false, mix: 0.5, values: {decay: 1.5, kind: Hall}, state: two.state}
    stem: {drums: {gain: -3, fx: ["lv2:urn:three"]}}
send: {1: {fx: ["lv2:urn:four"]}}
master: {fx: ["lv2:urn:five"]}
"""


def test_plugins_are_read_with_place_number_values_and_state(tmp_path: Path) -> None:
    (tmp_path / "two.state").write_bytes(b"\0state")
    (tmp_path / "set.yaml").write_text(PRESET)
    session = load_session(tmp_path / "set.yaml")
    values = {"on": False, "mix": 0.5, "decay": 1.5, "kind": "Hall"}
    assert sorted(session.plugins, key=lambda plugin: (plugin.place, plugin.number)) == [
        PluginSetting("deck/a", 1, "lv2:urn:one", {}),
        PluginSetting("deck/a", 2, "clap:Zam.clap#two", values, b"\0state"),
        PluginSetting("deck/a/stem/drums", 1, "lv2:urn:three", {}),
        PluginSetting("master", 1, "lv2:urn:five", {}),
        PluginSetting("send/1", 1, "lv2:urn:four", {}),
    ]
    assert session.parameters["deck/a/send/1"] == -12.0
    assert session.parameters["deck/a/stem/drums/gain"] == -3.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("deck: {a: {fx: [reverb]}}", "must begin with lv2:, clap: or vst3:"),
        ("deck: {a: {fx: lv2:urn:one}}", "needs a list"),
        ("deck: {a: {fx: [{on: true}]}}", "needs the key plugin"),
        ("deck: {a: {fx: [{plugin: lv2:x, mix: 2}]}}", "from 0 to 1"),
        ("deck: {a: {fx: [{plugin: lv2:x, state: missing.state}]}}", "cannot be read"),
        ("deck: {a: {fx: [{plugin: lv2:x, volume: 3}]}}", "no key is called 'volume'"),
        ("deck: {a: {send: {3: -6}}}", "no key is called '3'"),
        ("deck: {a: {fx/1/plugin: lv2:x}}", "no key is called 'fx/1/plugin'"),
        ("{deck: {a: {prompt: x}}, master: {gain: 3}}", "no key is called 'gain'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path, wrong: str, said: str) -> None:
    (tmp_path / "set.yaml").write_text(wrong)
    with pytest.raises(PresetError, match=said) as caught:
        load_session(tmp_path / "set.yaml")
    assert caught.value.where.endswith("set.yaml:1")
