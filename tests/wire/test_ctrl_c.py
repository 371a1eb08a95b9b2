"""Ctrl-C while a set starts, as a terminal sends it: to every process of the group, at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PATIENCE_SECONDS = 180.0
PRESET = 'deck: {a: {prompt: "techno"}}\noutput: {to: paced, fade_out: 0.1}\nmidi: {enabled: false}\n'
STARTED = "started"
# Python's own start, which nothing of ours can shield, is over when this runs; then what the console script does.
# The tests may run in the background of a shell, which has all that it starts there ignore SIGINT.
COMMAND = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    f"sys.stderr.write('{STARTED}\\n'); sys.stderr.flush(); "
    "from riffengine.__main__ import run; sys.exit(run())"
)


@pytest.mark.wire
@pytest.mark.skipif(sys.platform == "win32", reason="has process groups")
@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0])
def test_ctrl_c_at_any_moment_of_the_start_prints_no_traceback(tmp_path: Path, seconds: float) -> None:
    (tmp_path / "set.yaml").write_text(PRESET)
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "play", "set.yaml", "--no-osc"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == f"{STARTED}\n"
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=PATIENCE_SECONDS)[0]
    finally:
        process.kill()
    assert "Traceback" not in said and "rror" not in said, said
    assert process.returncode in (0, 130, -signal.SIGINT), said
