"""Write the tables in docs/ that come from the program: ``python -m tools.doc_tables [--check]``.

``docs/parameters.md`` has the parameter tree, ``docs/presets.md`` the presets; the text around the tables is
written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from riffengine.performance.parameters import QUANTUM_OF, standard_tree
from riffengine.session.session import load_session
from tools.generated_page import ROOT, bring_up_to_date

COMMAND = "python -m tools.doc_tables"
LONGEST_RANGE = 60


def controls() -> list[str]:
    """One row for each parameter of a deck named a; the first quantum of a kind of change stands for all of them."""
    rows = ["| path | what it is | range | default | heard |", "|---|---|---|---|---|"]
    quanta = [f"transport/quantum_{name}" for name in QUANTUM_OF]
    for row in standard_tree(("a",)).describe():
        if row.path in quanta[1:]:
            continue
        allowed = row.allowed.removeprefix("a number ").removeprefix("a whole number ")
        choices = allowed.split(", ")
        if len(allowed) > LONGEST_RANGE and len(choices) > 3:
            allowed = f"{choices[0]}, {choices[1]} … {choices[-1]}"
        rows.append(f"| `{row.path}` | {row.help} | {allowed} | {row.default} | {row.control} |")
    return rows


def presets() -> list[str]:
    """One row for each preset that ships."""
    rows = ["| preset | what it is |", "|---|---|"]
    for path in sorted((ROOT / "presets").glob("*.yaml")):
        rows.append(f"| [`presets/{path.name}`](../presets/{path.name}) | {load_session(path).description} |")
    return rows


TABLES: dict[str, tuple[Path, Callable[[], list[str]]]] = {
    "controls": (ROOT / "docs" / "parameters.md", controls),
    "presets": (ROOT / "docs" / "presets.md", presets),
}


def rewritten(text: str, name: str, rows: list[str]) -> str:
    """``text`` with ``rows`` as the table between ``<!-- name -->`` and ``<!-- /name -->``.

    Markdown needs the empty lines around a table.
    """
    table = "\n".join(rows)
    pattern = re.compile(f"<!-- {name} -->\n.*?<!-- /{name} -->", re.DOTALL)
    return pattern.sub(lambda _: f"<!-- {name} -->\n\n{table}\n\n<!-- /{name} -->", text)


def main() -> int:
    """Bring every page up to date, or with ``--check`` return 1 when one is stale."""
    stale = 0
    for name, (page, rows) in TABLES.items():
        text = page.read_text(encoding="utf-8")
        stale |= bring_up_to_date(page, rewritten(text, name, rows()), COMMAND)
    return stale


if __name__ == "__main__":
    sys.exit(main())
