"""The bench of checkpoints runs where there is no GPU, and measures both sides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.bench.render import judged, main


def test_a_tiny_random_checkpoint_is_measured_beside_plain_diffusers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["--random", "tiny", "--device", "cpu", "--alphas", "1", "--steps", "3", "--guided", "yes"]
    typed += ["--strength", "0.7"]
    assert main([*typed, "--repeats", "1", "--warm", "0", "--out", str(tmp_path / "table.json")]) == 0
    found = json.loads((tmp_path / "table.json").read_text())
    assert [(row["alphas"], row["steps"], row["compiled"]) for row in found["rows"]] == [(1, 3, False)]
    for row in found["rows"]:
        assert min(row[part] for part in ("denoise", "decode", "phase", "median_ms", "peak_mib")) > 0.0
    assert found["plain"][0]["times_faster"] > 0.0
    calls = {row["calls"] for row in (*found["rows"], *found["plain"])}
    assert calls == {2}  # of 3 steps at strength 0.7, on both sides
    assert found["demands"] == [] and "diffusers" in capsys.readouterr().out


def test_each_demand_is_judged_by_its_row_and_only_a_gpu_counts() -> None:
    rows = [
        {"alphas": 1, "steps": 50, "guided": True, "median_ms": 900.0},
        {"alphas": 1, "steps": 50, "guided": True, "median_ms": 600.0},  # compiled
        {"alphas": 8, "steps": 4, "guided": False, "median_ms": 26.0},
    ]
    plain = [{"steps": 50, "guided": True, "times_faster": 1.9}]
    facts = {"rows": rows, "plain": plain, "checkpoint": "sd15"}
    told = judged({**facts, "device": "cuda float16, 1 threads"})
    assert [line.rpartition(": ")[2] for line in told] == ["met", "MISSED", "MISSED"]
    assert "600.0 ms" in told[0]
    assert "do not count" in judged({**facts, "device": "cpu float32, 1 threads"})[-1]
