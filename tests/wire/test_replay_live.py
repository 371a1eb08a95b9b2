"""A set is played by real processes and replayed from its journal: both files are equal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

PRESET = """
tempo: 120
quantum: beat
deck: {a: {prompt: "techno, driving", to: "ambient, pad", seed: 3, to_seed: 4, drift: 1.0}}
output: {to: paced, fade_in: 0.02, fade_out: 0.3}
midi: {enabled: false}
osc: {enabled: false}
"""


def riffengine(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "riffengine", *arguments],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_replay_of_a_live_set_is_its_recording_to_the_last_bit(tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(PRESET)
    journal = str(tmp_path / "set.jsonl")
    riffengine(
        "play", str(tmp_path / "set.yaml"), "--record", str(tmp_path / "set.wav"),
        "--journal", journal, "--seconds", "16",
    )  # fmt: skip
    replays = []
    for name in ("one.wav", "two.wav"):
        replays.append(json.loads(riffengine("render", "--journal", journal, "-o", str(tmp_path / name), "--json")))
    live, _ = soundfile.read(tmp_path / "set.wav", dtype="float32")
    one, _ = soundfile.read(tmp_path / "one.wav", dtype="float32")
    two, _ = soundfile.read(tmp_path / "two.wav", dtype="float32")
    assert float(np.abs(live).max()) > 0.01, "silence: the machine was too slow to load the model in time"
    assert replays[0]["same_weights"] and replays[0]["damaged_lines"] == 0 and replays[0]["renders"] >= 1
    assert np.array_equal(one, two)
    assert np.array_equal(one, live)
