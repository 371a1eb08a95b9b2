"""A set whose machine's clock is set, and that is stopped and goes on: it is on its beat, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from riffengine.clock import SystemClock
from riffengine.control.osc.wire import encode, time_tag
from tests.needed import needs
from tests.wire.osc_session import PATIENCE_SECONDS, is_on_its_beat, playing_set, silences

pytestmark = [
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD and /proc"),
]

PRESET = """\
name: time
tempo: 120
quantum: beat
output: {to: paced, fade_out: 0.5}
midi: {enabled: false}
deck: {a: {prompt: "house, driving", seed: 3}}
"""
HOUR = 3600
STOPPED_SECONDS = 5.0


def family(pid: int) -> list[int]:
    """``pid`` and all processes below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def saved_at(folder: Path) -> float:
    file = next((folder / "state").rglob("run.json"))
    return float(json.loads(file.read_text())["seen"])


def test_a_set_outlives_a_clock_that_is_set_and_a_stop_of_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("gcc", "cc")
    library, offset = tmp_path / "wall_clock.so", tmp_path / "offset"
    source = Path(__file__).with_name("wall_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
    offset.write_bytes(struct.pack("l", 0))
    for name, value in (
        ("LD_PRELOAD", library), ("WALL_CLOCK_OFFSET", offset), ("XDG_STATE_HOME", tmp_path / "state"),
    ):  # fmt: skip
        monkeypatch.setenv(name, str(value))
    with playing_set(PRESET, tmp_path) as (process, surface):
        surface.wait_until(lambda status: status["jobs_heard"] >= 1)  # type: ignore[operator]
        before, at = surface.status(), time.perf_counter()
        beat = float(str(before["beat"]))
        for hours in (-3, 5):
            with offset.open("r+b") as file:
                file.write(struct.pack("l", hours * HOUR))
            deadline = time.perf_counter() + PATIENCE_SECONDS
            while (
                abs(saved_at(tmp_path) - SystemClock().unix_seconds() - hours * HOUR) > 30.0
            ):  # the state for --resume is saved on
                assert time.perf_counter() < deadline
                time.sleep(0.1)
            assert is_on_its_beat(surface, beat, at)
            # A bundle in the new time is done at its time, neither at once nor in hours.
            alpha = encode("/riff/deck/a/alpha", 0.5 + hours / 100)
            tag = time_tag(SystemClock().unix_seconds() + hours * HOUR + 3.0)
            surface.send_raw(b"#bundle\0" + struct.pack(">Qi", tag, len(alpha)) + alpha)
            planned = surface.wait_for("/riff/scheduled", lambda values: values[0] == "deck/a/alpha")
            assert 0.0 < float(str(planned[2])) <= 3.0
            surface.wait_for("/riff/ok", lambda v, to=0.5 + hours / 100: abs(float(str(v[1])) - to) < 1e-6)  # type: ignore[misc]
            surface.received.clear()
        everybody = family(process.pid)
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)
        for pid in reversed(everybody):
            os.kill(pid, signal.SIGCONT)
        assert is_on_its_beat(surface, beat, at)
        after = surface.status()
        assert (after["renderer_pid"], after["player_pid"]) == (before["renderer_pid"], before["player_pid"])
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=PATIENCE_SECONDS)[0]
    assert process.returncode == 0 and "Traceback" not in output, output
    samples, rate = soundfile.read(tmp_path / "set.wav", always_2d=True)
    assert not silences(samples, rate // 10)
