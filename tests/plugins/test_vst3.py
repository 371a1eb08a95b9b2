"""VST3 by the optional extra: always in a child process with a time limit, here too."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from riffengine.errors import PluginError
from riffengine.plugins.child import Send, call_in_child
from riffengine.plugins.registry import FORMATS, Listed, open_plugin, plugin_folders
from riffengine.plugins.scan import probed
from tests.needed import lacks
from tests.plugins.conftest import FRAMES, RATE, noise, play

SECONDS = 60.0


@pytest.fixture(autouse=True)
def _needed() -> None:
    installed = any((folder / "ZamCompX2.vst3").exists() for folder in plugin_folders("vst3"))
    if find_spec("pedalboard") is None or not installed:
        lacks("pedalboard (riffengine[vst]) and the VST3 files of zam-plugins are needed; tools/test installs them")


@pytest.mark.parametrize(
    ("name", "latency", "inputs"),
    [("ZamCompX2", 0, 2), ("ZamHeadX2", 0, 2), ("ZaMaximX2", 480, 2), ("ZamComp", 0, 1)],
)
def test_a_plugin_runs_and_reports_its_latency(name: str, latency: int, inputs: int) -> None:
    row = probed(Listed(f"vst3:{name}.vst3", name), SECONDS)
    assert (row.verdict, row.reason) == ("ran", "")
    assert (row.name, row.latency_frames, row.inputs, row.kind) == (name, latency, inputs, "effect")


def test_a_plugin_that_never_loads_is_stopped() -> None:
    row = probed(Listed("vst3:ZamVerb.vst3", "ZamVerb"), 10.0)
    assert (row.verdict, row.name) == ("hung", "ZamVerb")
    assert row.reason.startswith("no sign of life for 10 s while it is loaded")


def test_sound_parameters_and_state_survive_a_restart() -> None:
    end = call_in_child(restart, (), SECONDS)
    assert (end.ended, end.messages) == ("done", ("values are equal", "sound is equal", "wrong states are refused"))


def restart(send: Send) -> None:
    """In a child: what is checked is sent, so that a failure says how far it came."""
    first = open_plugin("vst3:ZamCompX2.vst3", RATE, FRAMES)
    first.set("threshold_db", -31.0)
    first.set("sidechain", 1.0)
    first.set("current_program", 0.0)
    state = first.state()
    second = open_plugin("vst3:ZamCompX2.vst3", RATE, FRAMES)
    second.restore(state)
    settable = [parameter.symbol for parameter in first.info.parameters if not parameter.output]
    if [first.get(symbol) for symbol in settable] == [second.get(symbol) for symbol in settable]:
        send("values are equal")
    wet = play(first, noise())
    if np.array_equal(wet, play(second, noise())) and np.abs(wet).max() > 0.01:
        send("sound is equal")
    refused = 0
    for wrong in (b"", b"{}", state[:-5]):
        try:
            second.restore(wrong)
        except PluginError:
            refused += 1
    if refused == 3:
        send("wrong states are refused")


def test_a_file_that_is_no_vst3_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.vst3"
    wrong.write_bytes(b"nothing")
    assert probed(Listed(f"vst3:{wrong}", "wrong"), SECONDS).verdict == "refused"


def test_without_the_extra_the_format_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riffengine.plugins.vst3.find_spec", lambda _: None)
    assert "pip install 'riffengine[vst]'" in FORMATS["vst3"].problem()
