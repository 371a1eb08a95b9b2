"""Write the README's tables from the parameter tree and the presets: ``python -m tools.readme_tables [--check]``."""

from __future__ import annotations

import re
import sys

from riffengine.performance.parameters import QUANTUM_OF, standard_tree
from riffengine.session.session import load_session
from tools.generated_page import ROOT, bring_up_to_date

README = ROOT / "README.md"
COMMAND = "python -m tools.readme_tables"
LONGEST_RANGE = 60


def controls() -> list[str]:
    """One row for each parameter of a deck named a; of the quanta the first stands for all, the text names the rest."""
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
        rows.append(f"| `presets/{path.name}` | {load_session(path).description} |")
    return rows


def rewritten(text: str) -> str:
    """``text`` with both tables as they should be."""
    for name, rows in (("controls", controls()), ("presets", presets())):
        table = "\n".join(rows)
        pattern = re.compile(f"<!-- {name} -->\n.*?<!-- /{name} -->", re.DOTALL)
        text = pattern.sub(lambda _, name=name, table=table: f"<!-- {name} -->\n{table}\n<!-- /{name} -->", text)
    return text


if __name__ == "__main__":
    sys.exit(bring_up_to_date(README, rewritten(README.read_text(encoding="utf-8")), COMMAND))
