"""Processes of a set that are killed, or that the system will not start: the music continues and ends well."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from riffengine.performance.journal import read_journal
from tests.wire.osc_session import PATIENCE_SECONDS, free_port, is_on_its_beat, playing_set, silences

pytestmark = [pytest.mark.wire, pytest.mark.slow]

PRESET = """\
name: deaths
tempo: 120
quantum: beat
output: {to: paced, fade_out: 0.5}
midi: {enabled: false}
deck: {a: {prompt: "house, driving", seed: 3}}
"""


def test_a_player_that_is_killed_comes_back_on_its_beat_and_the_recording_goes_on(tmp_path: Path) -> None:
    with playing_set(PRESET, tmp_path) as (process, surface):
        status = surface.wait_until(lambda status: status["jobs_heard"] >= 1)  # type: ignore[operator]
        time.sleep(2.0)
        before, began = surface.status(), time.perf_counter()
        os.kill(int(str(before["player_pid"])), signal.SIGKILL)
        second = surface.wait_until(lambda status: status["player_pid"] not in (0, before["player_pid"]))
        os.kill(int(str(second["player_pid"])), signal.SIGKILL)  # at once: no other one waits yet
        dead = (0, before["player_pid"], second["player_pid"])
        after = surface.wait_until(lambda status: status["player_pid"] not in dead)
        # The beat never stopped: it has advanced like the clock of this test.
        assert is_on_its_beat(surface, float(str(before["beat"])), began)
        surface.send("/riff/deck/a/prompt", "techno, dark")
        surface.wait_for("/riff/ok", lambda values: values[0] == "deck/a/prompt")
        surface.wait_until(lambda status: status["jobs_heard"] > after["jobs_heard"])  # type: ignore[operator]
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=PATIENCE_SECONDS)[0]
    assert process.returncode == 0, output
    assert "the player ended; a new one starts and continues" in output and "Traceback" not in output
    assert int(str(status["player_pid"])) > 0
    part = max(tmp_path.glob("set-*.wav"))  # set-3, or set-2 if the second player died before its first block
    last, rate = soundfile.read(part, always_2d=True)
    assert len(last) > 2 * rate and abs(last).max() > 0.05 and not silences(last, rate // 10)
    first, _ = soundfile.read(tmp_path / "set.wav", always_2d=True)
    assert abs(first).max() > 0.05
    assert part.with_name(f"{part.name}.cue").is_file()
    landed = [entry.value for entry in read_journal(tmp_path / "set.jsonl").entries if entry.kind == "landing"]
    assert "techno, dark" in landed


_WITH_A_FIRST_PLAYER_KILLED = """
import os, signal, sys
from riffengine.__main__ import run
from riffengine.output.process import PlayerProcess
start = PlayerProcess.start
def start_and_kill(player):
    start(player)
    PlayerProcess.start = start
    os.kill(player.pid, signal.SIGKILL)
PlayerProcess.start = start_and_kill
sys.exit(run())
"""


def test_a_player_that_is_killed_before_its_first_block_is_started_again(tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(PRESET)
    words = ["play", "set.yaml", "--record", "set.flac", "--osc-port", str(free_port()), "--seconds", "4"]
    ended = subprocess.run(
        [sys.executable, "-c", _WITH_A_FIRST_PLAYER_KILLED, *words],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    assert output.index("the player ended; a new one starts\n") < output.index("output: paced")
    assert "Traceback" not in output
    assert [path.name for path in tmp_path.glob("set*.flac")] == ["set.flac"]
    sound, rate = soundfile.read(tmp_path / "set.flac", always_2d=True)
    assert len(sound) > 4 * rate and abs(sound).max() > 0.05
    assert (tmp_path / "set.flac.cue").is_file()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prlimit of another process")
def test_a_renderer_that_the_system_will_not_start_comes_back_when_it_can(tmp_path: Path) -> None:
    with playing_set(PRESET, tmp_path) as (process, surface):
        before = surface.wait_until(lambda status: status["jobs_heard"] >= 1)  # type: ignore[operator]
        limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        used = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used, limits[1]))
        os.kill(int(str(before["renderer_pid"])), signal.SIGKILL)
        time.sleep(2.0)  # the first new start fails: there is no descriptor for its pipe
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits)
        surface.wait_until(lambda status: status["renderer_pid"] not in (0, before["renderer_pid"]))
        surface.send("/riff/deck/a/prompt", "techno, dark")
        surface.wait_until(lambda status: status["jobs_heard"] > before["jobs_heard"])  # type: ignore[operator]
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=PATIENCE_SECONDS)[0]
    assert process.returncode == 0, output
    assert "cannot be started: Too many open files" in output and "Traceback" not in output
    sound, rate = soundfile.read(tmp_path / "set.wav", always_2d=True)
    assert not silences(sound, rate // 100)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts on how descriptors are numbered here")
def test_a_set_that_cannot_start_its_processes_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(PRESET)
    command = f"ulimit -n 20; exec {sys.executable} -m riffengine play set.yaml --seconds 1"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert ended.returncode in (1, 2)
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stdout + ended.stderr
    assert "Too many open files" in ended.stdout + ended.stderr
