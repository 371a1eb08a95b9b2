"""Links lead somewhere, printed commands parse, and what a page names is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from riffengine.cli.parser import build_parser
from riffengine.session.named_files import preset_names
from tests.docs.pages import PAGES, ROOT, anchors, blocks, links, name, prose

MOST_README_LINES = 200
_PRESET = re.compile(r"presets/[\w./-]*\w")
_TOOL = re.compile(r"\b(?:tools|tests)/[\w./-]+\.(?:py|json|md)\b|\btools/(?:play|test|install-service)\b")
_MODULE = re.compile(r"python -m (tools\.[\w.]+)")


def commands() -> list[tuple[str, str]]:
    """Page and line of every ``riffengine`` command in a block of shell lines, or alone in a cell of a table."""
    found = []
    for page in PAGES:
        lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
        if name(page) in ("docs/measured.md", "docs/examples.md"):
            lines += re.findall(r"`(riffengine [^`]+)`", prose(page))
        found += [(name(page), line) for line in lines if "riffengine" in shlex.split(line, comments=True)[:2]]
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), f"{name(page)} links to {target}, which does not exist"
        if anchor:
            assert anchor in anchors(target), f"{name(page)} links to #{anchor}, which {name(target)} does not have"


@pytest.mark.parametrize(("page", "line"), commands())
def test_printed_commands_parse(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    words = words[words.index("riffengine") + 1 :]
    try:
        arguments = build_parser().parse_args(words)
    except SystemExit as end:
        assert not end.code, f"{page}: `{line}` is refused by the command line"
        return
    preset = str(getattr(arguments, "preset", None) or "")
    assert preset in ("", "PRESET", *preset_names()) or Path(preset).suffix == ".yaml", f"{page}: no preset {preset}"


def test_commands_are_found() -> None:
    assert len(commands()) > 60


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_presets_and_tools_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {*_PRESET.findall(text), *_TOOL.findall(text)}
    named |= {found.replace(".", "/") + ".py" for found in _MODULE.findall(text)}
    missing = [
        path
        for path in sorted(named)
        if not (ROOT / path).exists() and not (ROOT / path.removesuffix(".py")).is_dir() and "NAME" not in path
    ]
    assert not missing, f"{name(page)} names {', '.join(missing)}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_README_LINES


def test_contributing_says_what_every_folder_of_tests_is_for() -> None:
    rows = [line for line in prose(ROOT / "CONTRIBUTING.md").splitlines() if line.startswith("| `tests/")]
    named = re.findall(r"`tests/(\w+)`", "\n".join(row.split(" | ")[0] for row in rows))
    assert sorted(named) == sorted({path.relative_to(ROOT / "tests").parts[0] for path in ROOT.glob("tests/*/**/*.py")})


def test_every_page_is_in_the_navigation() -> None:
    configuration = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    absent = [name(page) for page in PAGES if f'"{name(page).removesuffix(".md")}"' not in configuration]
    assert not absent, f"docs/conf.py has no place for {', '.join(absent)}"
