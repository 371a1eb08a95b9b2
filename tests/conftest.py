from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# On a busy machine an example takes longer the first time: that is no failure.
settings.register_profile("unhurried", parent=settings.default, deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def own_state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder for each test: none finds what another, or the user, has left for ``play --resume``."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder / "riffengine"


def folder_of(nodeid: str) -> str:
    """The folder that a test belongs to: the one below ``tests/``."""
    words = nodeid.split("::")[0].split("/")
    return words[1] if len(words) > 2 else "package"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many tests each folder has and how long they took, the slowest folder first, and what was fuzzed."""
    tests: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[folder_of(report.nodeid)] += report.duration  # type: ignore[assignment]
                tests[folder_of(report.nodeid)] += report.when == "call"
    terminalreporter.section("tests by folder")
    for folder, spent in seconds.most_common():
        terminalreporter.write_line(f"{folder:12}{tests[folder]:6} tests{spent:9.1f} s")
    fuzzed = [
        text
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, text in report.user_properties
        if name == "fuzzed"
    ]
    if fuzzed:
        terminalreporter.section("mangled files")
        for text in fuzzed:
            terminalreporter.write_line(text)
