"""The bench of checkpoints runs where there is no GPU, and measures both sides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.bench.render import main


def test_a_tiny_random_checkpoint_is_measured_beside_plain_diffusers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["--random", "tiny", "--device", "cpu", "--alphas", "1", "4", "--steps", "2", "--guided", "yes"]
    assert main([*typed, "--repeats", "1", "--warm", "0", "--out", str(tmp_path / "table.json")]) == 0
    found = json.loads((tmp_path / "table.json").read_text())
    assert [(row["alphas"], row["steps"], row["compiled"]) for row in found["rows"]] == [(1, 2, False), (4, 2, False)]
    for row in found["rows"]:
        assert min(row[part] for part in ("denoise", "decode", "phase", "median_ms", "peak_mib")) > 0.0
    assert found["plain"][0]["times_faster"] > 0.0
    assert "diffusers" in capsys.readouterr().out
