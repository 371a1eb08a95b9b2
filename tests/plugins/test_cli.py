"""``riffengine plugins``: what is printed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from riffengine.cli import main


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, witness_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_scan_list_info_and_forgive(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["plugins"]) == 0
    assert "riffengine plugins scan" in capsys.readouterr().out

    assert main(["plugins", "scan"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("4 of 4 plugins were run in ")
    assert "4 plugins: 1 ran, 1 refused, 1 crashed, 0 hung, 1 not finite" in captured.out
    assert "crashed               crash  signal 11 while it runs" in captured.err
    assert (tmp_path / "cache" / "riffengine" / "plugins.json").is_file()

    assert main(["plugins", "scan", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["plugins"], facts["run_now"], facts["gone"]) == (4, 0, 0)

    assert main(["plugins", "list"]) == 0
    text = capsys.readouterr().out
    (crashed,) = [line for line in text.splitlines() if "test:crash" in line]
    assert crashed.split()[0] == "crashed"
    assert crashed.endswith("lv2:urn:riffengine:test:crash; signal 11 while it runs; blacklisted")
    (ran,) = [line for line in text.splitlines() if "test witness" in line]
    assert "2-2n" in ran and "blacklisted" not in ran

    assert main(["plugins", "list", "witness", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["plugins"]
    assert (row["verdict"], row["kind"], row["blacklisted"]) == ("ran", "effect", "")

    assert main(["plugins", "info", "witness"]) == 0
    text = capsys.readouterr().out
    assert "  ask         0 to 1000, default 0  ask\n" in text
    assert "  bpm         0 to 1000, meter  bpm\n" in text

    assert main(["plugins", "info", "CRASH", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["parameters"] == []
    assert facts["blacklisted"] == "crashed: signal 11 while it runs"

    assert main(["plugins", "forgive", "crash"]) == 0
    assert "is off the blacklist" in capsys.readouterr().out
    assert main(["plugins", "scan"]) == 0
    assert capsys.readouterr().out.startswith("1 of 4 plugins were run")

    assert main(["plugins", "scan", "--again", "--format", "lv2"]) == 0
    assert capsys.readouterr().out.startswith("4 of 4 plugins were run")
    assert main(["plugins", "scan", "--format", "clap"]) == 0
    assert capsys.readouterr().out.startswith("0 of 4 plugins were run")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info"], "needs a NAME"),
        (["forgive"], "needs a NAME"),
        (["info", "reverb"], "no plugins are known yet"),
        (["forgive", "reverb"], "no plugins are known yet"),
    ],
)
def test_nonsense_is_refused_in_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""
    assert captured.err.count("\n") == 1
