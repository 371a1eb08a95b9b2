"""ARCHITECTURE.md names files that exist, every folder of the package, and the layers that are checked."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, prose

PAGE = ROOT / "ARCHITECTURE.md"
PACKAGE = ROOT / "riffengine"
_CODE = re.compile(r"`([^`\s]+)`")
_PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
_MOST_LINES = 10


def named_paths(text: str) -> list[str]:
    """What looks like a path: it ends in / or in .py, or has a / inside."""
    codes = [code for code in _CODE.findall(text) if _PATH.fullmatch(code)]
    return [code for code in codes if "/" in code or code.endswith(".py")]


def place(path: str) -> Path:
    """Where ``path`` lies: in the repository if it begins with one of its folders, else in the package."""
    base = ROOT if path.split("/")[0] in ("tests", "tools", "docs", "presets", "riffengine") else PACKAGE
    return base / path


def sections() -> dict[str, str]:
    """The text below each heading, by the heading."""
    parts = re.split(r"^#{2,3} (.+)$", prose(PAGE), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def walks() -> list[list[str]]:
    """The steps of each way, one text a step: every numbered list in the sections of a gesture and of a loop."""
    found: list[list[str]] = []
    for heading, text in sections().items():
        if heading.startswith(("One gesture", "One loop")):
            for number, step in re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^\S|\Z)", text, re.DOTALL | re.MULTILINE):
                if number == "1":
                    found.append([])
                found[-1].append(step)
    return found


def test_every_file_and_folder_that_is_named_exists() -> None:
    paths = named_paths(PAGE.read_text(encoding="utf-8"))
    assert len(paths) > 60
    gone = [path for path in paths if not place(path).exists()]
    assert not gone, f"ARCHITECTURE.md names {', '.join(gone)}"


def test_every_folder_of_the_package_is_described() -> None:
    described = set(named_paths(sections()["Folders in the order of the signal"]))
    folders = {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert not folders - described


def test_every_folder_says_in_one_sentence_what_it_is() -> None:
    for init in sorted(PACKAGE.rglob("__init__.py")):
        text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
        sentence = text.partition("\n\n")[0]
        assert sentence.endswith(".") and ". " not in sentence and "\n" not in sentence, init


def test_the_layers_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    checked = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert next(blocks(PAGE, "text")).splitlines() == checked


def test_there_are_three_walks() -> None:
    assert [len(walk) for walk in walks()] == [7, 5, 5]


@pytest.mark.parametrize("walk", walks(), ids=["gesture", "prompt to loop", "loop to block"])
def test_a_walk_crosses_each_folder_once(walk: list[str]) -> None:
    crossed = []
    for step in walk:
        title = re.match(r"\*\*(\w+)\*\*", step)
        assert title is not None, f"a step begins with its folder: {step}"
        crossed.append(title[1])
        others = {path.split("/")[0] for path in named_paths(step)} - {title[1]}
        # The messages and shared memory belong to no side: a step may name them, but only as what crosses the border.
        assert others <= {"processes"}, f"{title[1]}: names files of {', '.join(sorted(others))}"
    assert len(crossed) == len(set(crossed))


def test_where_to_add_something_is_said_in_ten_lines() -> None:
    adding = [heading for heading in sections() if heading.startswith(("A ", "An "))]
    assert len(adding) >= 5
    for heading in adding:
        lines = [line for line in sections()[heading].splitlines() if line.strip()]
        assert len(lines) <= _MOST_LINES, heading
        assert named_paths(sections()[heading]), heading
