"""The reference pages and the clients are written from the tree and the maps, by the command the failure names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command", ["tools.osc_reference", "tools.controller_pages", "tools.doc_tables", "tools.clients"]
)
def test_what_is_written_from_the_tree_is_fresh(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", command, "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun: python -m {command}"
