"""Pages, clients and the layers picture are written by tools; a failure names the command that writes them again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command",
    ["tools.osc_reference", "tools.controller_pages", "tools.doc_tables", "tools.clients", "tools.layers_picture"],
)
def test_what_a_tool_writes_is_current(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", command, "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun: python -m {command}"
