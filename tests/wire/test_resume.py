"""Kills all processes of a set with SIGKILL and resumes it from its saved loops, before the model is loaded."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

PATIENCE_SECONDS = 180.0
PRESET = """
tempo: 120
quantum: beat
deck: {a: {prompt: "techno, driving", seed: 3, drift: 0.0}}
output: {to: paced, fade_in: 0.02, fade_out: 0.2}
midi: {enabled: false}
osc: {enabled: false}
"""


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_set_whose_processes_were_all_killed_resumes_with_its_loops(tmp_path: Path, own_state_folder: Path) -> None:
    (tmp_path / "set.yaml").write_text(PRESET)
    play = [sys.executable, "-m", "riffengine", "play"]
    with (tmp_path / "log").open("w") as log:
        first = subprocess.Popen([*play, str(tmp_path / "set.yaml"), "--prompt", "dub"], stdout=log, stderr=log)
        deadline = time.perf_counter() + PATIENCE_SECONDS
        state = own_state_folder / "last.json"
        while not (state.exists() and json.loads(state.read_text())["loops"]):
            assert first.poll() is None and time.perf_counter() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
        os.kill(first.pid, signal.SIGSTOP)  # otherwise it may see its player die and end the run cleanly
        for pid in (*children(first.pid), first.pid):
            os.kill(pid, signal.SIGKILL)
        first.wait()
    saved = json.loads(state.read_text())
    assert saved["parameters"]["deck/a/prompt"] == "dub" and saved["preset"] == str(tmp_path / "set.yaml")

    shutil.copytree(own_state_folder, tmp_path / "after the crash")
    hint = subprocess.run(
        [*play, str(tmp_path / "set.yaml"), "--seconds", "0.5"], capture_output=True, text=True, timeout=180, check=True
    )
    assert "play --resume" in hint.stdout
    shutil.rmtree(own_state_folder)  # that start has played and saved its own state
    shutil.copytree(tmp_path / "after the crash", own_state_folder)

    record, journal = tmp_path / "again.wav", tmp_path / "again.jsonl"
    resumed = subprocess.run(
        [*play, "--resume", "--record", str(record), "--journal", str(journal), "--seconds", "18"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    lines = resumed.stdout
    assert "resumed: 1 loops" in lines and "Traceback" not in lines
    heard = soundfile.read(record, dtype="float32")[0]
    assert float(np.abs(heard).max()) > 0.01
    rows = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    if rows:  # the model was loaded in time: the first loop was placed before that
        assert next(r["facts"]["request"]["start"]["prompt"] for r in rows if r.get("path") == "PlaceLoop") == "dub"
        loaded = (r["frame"] for r in rows if "renderer ready" in r.get("note", ""))
        ready = next(loaded, sys.maxsize)  # on a busy machine 18 s may not be enough
        assert next(r["frame"] for r in rows if r.get("path") == "LaunchBank") < ready
        replayed = tmp_path / "replayed.wav"
        subprocess.run(
            [sys.executable, "-m", "riffengine", "render", "--journal", str(journal), "-o", str(replayed)],
            capture_output=True, timeout=300, check=True,
        )  # fmt: skip
        assert np.array_equal(soundfile.read(replayed, dtype="float32")[0], heard)  # including the saved loops
    assert json.loads((own_state_folder / "run.json").read_text())["clean"] is True
