"""A page that a program writes: brought up to date, or with ``--check`` only looked at."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def bring_up_to_date(page: Path, text: str, command: str) -> int:
    """Write ``text`` to ``page``; with ``--check`` on the command line only say whether it is stale (1) or not (0)."""
    if "--check" not in sys.argv:
        page.write_text(text, encoding="utf-8")
        return 0
    stale = not page.is_file() or page.read_text(encoding="utf-8") != text
    if stale:
        print(f"{page.relative_to(ROOT)} is stale: run {command}")
    return int(stale)
