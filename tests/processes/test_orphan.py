"""A process that is to end with the one that started it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PATIENCE_SECONDS = 60.0
WAITS = (
    "import time; from riffengine.processes.orphan import end_with_stdin; end_with_stdin(); print(1); time.sleep(300)"
)


@pytest.mark.skipif(sys.platform == "win32", reason="a process that is ended has another status there")
@pytest.mark.parametrize("said", ["", "text that nobody reads\n" * 1000])
def test_a_process_ends_with_its_stdin_and_not_before(said: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as it:
        assert it.stdin is not None and it.stdout is not None
        try:
            it.stdin.write(said)
            it.stdin.flush()
            assert it.stdout.readline() == "1\n"
            assert it.poll() is None
            it.stdin.close()
            assert it.wait(PATIENCE_SECONDS) == -9
        finally:
            it.kill()
