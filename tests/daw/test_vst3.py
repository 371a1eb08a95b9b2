"""The VST3 around DPF in pedalboard, which tells plugins no time: it loads, plays on, and keeps its parameters."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from riffengine.daw.build import build_vst3, dpf_folder
from riffengine.errors import DawError
from tests.needed import lacks

SECONDS = 120  # pedalboard has been seen to load a plugin for ever

PLAY = """
import sys
from pathlib import Path
import numpy as np
from pedalboard import load_plugin
from riffengine.clock import SystemClock
from riffengine.daw.ramp_engine import RampEngine, beats_of

engine = RampEngine(Path(sys.argv[2]), SystemClock())
plugin = load_plugin(sys.argv[1])
plugin.parameters["when_stopped"].raw_value = 1.0
plugin.parameters["crossfader"].raw_value = 0.25
silence, heard = np.zeros((2, 256), np.float32), []
while len(heard) < 2000 and not (len(heard) > 100 and all(len(b) and not np.isnan(b).any() for b in heard[-100:])):
    engine.serve(0.002)
    left, right = plugin.process(silence, 48000, buffer_size=256, reset=False)
    engine.fill()
    heard.append(beats_of(left, right))
beats = np.concatenate(heard[-100:])
assert np.abs(np.diff(beats) - 120.0 / 60.0 / 48000).max() < 1e-6, "every frame follows the one before"
assert engine.instances[-1].parameters == {0: 0.25}
assert len(plugin.parameters) == 19
other = load_plugin(sys.argv[1])
other.raw_state = plugin.raw_state
other.process(silence, 48000, buffer_size=256, reset=False)
assert abs(other.parameters["crossfader"].raw_value - 0.25) < 1e-6
print("exact")
"""


def test_it_plays_in_pedalboard(tmp_path: Path, compiler: str) -> None:
    if dpf_folder() is None:
        lacks("not installed: dpf-source")
    if find_spec("pedalboard") is None:
        lacks("not installed: pedalboard (riffengine[vst])")
    bundle = build_vst3(tmp_path, compiler)
    environment = {"RIFFENGINE_DAW_SOCKET": str(tmp_path / "daw.sock"), "PATH": "/usr/bin:/bin"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", PLAY, str(bundle), str(tmp_path / "daw.sock")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.stdout.splitlines()[-1:] == ["exact"], ended.stdout + ended.stderr


def test_without_dpf_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIFFENGINE_DPF", str(tmp_path))
    with pytest.raises(DawError, match="dpf-source"):
        build_vst3(tmp_path)
    assert list(tmp_path.iterdir()) == []
