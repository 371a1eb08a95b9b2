"""MIDI learn as a new user does it: by `riffengine learn`, and by OSC while a set plays."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needed import needs
from tools.bench.midi_set import PATIENCE_SECONDS, FakeController, MidiSet, playing_midi_set, plugs

pytestmark = pytest.mark.wire


@pytest.fixture
def controller(jack: object) -> Iterator[FakeController]:
    needs("jackd2", "jackd")
    found = FakeController()
    yield found
    found.pull()


def sweep(found: MidiSet, controller: FakeController) -> None:
    """Turn the learned knob from end to end, again if JACK had not made the connection yet."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while found.value("deck/a/filter") != pytest.approx(1.0, abs=1e-3):
        assert time.perf_counter() < deadline, found.output()[-800:]
        for value in range(128):
            controller.send(0xB0, 21, value)
            time.sleep(0.002)
        time.sleep(0.2)


def test_a_knob_is_learned_by_the_command_and_by_a_running_set(
    controller: FakeController, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    command = [sys.executable, "-m", "riffengine", "learn", "deck/a/filter"]
    learner = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert learner.stdout is not None
    output = [learner.stdout.readline()]
    while "turn the knob" not in output[-1]:
        assert output[-1], output
        output.append(learner.stdout.readline())
    assert "pad controller" in output[0]
    time.sleep(0.1)  # JACK makes the connection in its next cycle
    for value in (*range(0, 128, 3), 127, *range(125, -1, -3), 0):
        controller.send(0xB0, 21, value)
        time.sleep(0.002)
    rest, _ = learner.communicate(timeout=60)
    assert learner.returncode == 0, rest
    line = 'cc: 21, channel: 1, takeover: pickup, port: "pad controller", set: deck/a/filter'
    kept = tmp_path / "config" / "riffengine" / "midi.yaml"
    assert line in rest and line in kept.read_text()

    with playing_midi_set(tmp_path, learned=True) as found:
        sweep(found, controller)
        found.send("/riff/learn", "crossfader")
        found.wait_for("/riff/ok")
        for click in [1] * 20 + [127] * 20:  # an endless knob, to the right first
            controller.send(0xB0, 30, click)
        found.wait_until("learn", "")
        found.wait_for_output("learned {cc: 30, channel: 1, mode: relative-twos-complement")
        time.sleep(0.2)
        for _ in range(64):
            controller.send(0xB0, 30, 1)
        found.wait_until("crossfader", 0.5)
        assert kept.read_text().count("- {") == 2
        controller.pull()
        found.wait_for_output("gone: pad controller")
        assert plugs(found, 2)["plugs"] == 2
