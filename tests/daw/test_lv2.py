"""The LV2 bundle is valid and has the ports of the C shell; ``riffengine plugin`` installs, checks and refuses."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from riffengine.cli import main
from riffengine.daw.install import write_engine_command
from riffengine.daw.lv2_bundle import PLUGINS
from riffengine.processes.daw_slots import SLOTS
from tests.needed import needs

SPECIFICATIONS = Path("/usr/lib/lv2")
USED = ("core", "atom", "urid", "midi", "time", "units", "port-groups", "port-props", "parameters", "options", "state")
USED += ("ui", "presets", "resize-port")


def test_the_bundle_has_no_error_for_lv2_validate(lv2_bundle: Path) -> None:
    needs("lv2-dev and sordi", "lv2_validate")
    files = [str(path) for name in USED for path in sorted((SPECIFICATIONS / f"{name}.lv2").glob("*.ttl"))]
    files += [str(path) for path in sorted(lv2_bundle.glob("*.ttl"))]
    checked = subprocess.run(["lv2_validate", *files], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Found 0 errors" in checked.stdout + checked.stderr


def test_lilv_finds_every_plugin_and_port(lv2_bundle: Path) -> None:
    needs("lilv-utils", "lv2info")
    for plugin in PLUGINS:
        seen = subprocess.run(
            ["lv2info", plugin.uri],
            env={**os.environ, "LV2_PATH": str(lv2_bundle.parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        ports = 1 + plugin.inputs + plugin.outputs + len(SLOTS) + 3 + 2
        assert seen.count("\tPort ") == ports
        assert "freeWheeling" in seen
        assert ("midi" in seen.lower()) == plugin.midi or "MidiEvent" not in seen


def test_it_is_installed_checked_and_seen_to_be_exact(
    tmp_path: Path, compiler: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", "install", "--format", "lv2,clap", "--dir", str(tmp_path)]) == 0
    assert "riffengine.lv2" in capsys.readouterr().out
    assert main(["plugin", "check", "--dir", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 6
    assert {row["format"] for row in rows} == {"lv2", "clap"}
    assert all(row["frames"] == 51200 and row["wrong"] == row["silent"] == 0 for row in rows)


def test_a_plugin_that_cannot_be_loaded_is_said_to_be_so(
    tmp_path: Path, compiler: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", "install", "--format", "clap", "--dir", str(tmp_path)]) == 0
    (tmp_path / "riffengine.clap").write_bytes(b"no library")
    assert main(["plugin", "check", "--dir", str(tmp_path)]) == 1
    assert "refused" in capsys.readouterr().out


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "check", "--dir", str(tmp_path)]) == 1
    assert "run riffengine plugin install" in capsys.readouterr().err
    assert main(["plugin", "install", "--dir", str(tmp_path), "--compiler", "no-such-cc"]) != 0
    assert "there is no C compiler 'no-such-cc'" in capsys.readouterr().err
    assert main(["plugin", "install", "--dir", str(tmp_path), "--format", "au"]) != 0
    assert "there is no plugin format au" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_compilers_complaint_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho 'core.c:1: unhappy' >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    assert main(["plugin", "install", "--dir", str(tmp_path), "--compiler", str(broken)]) != 0
    assert "unhappy" in capsys.readouterr().err


def test_the_command_that_starts_the_engine_has_one_word_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIFFENGINE_DAW_ENGINE", str(tmp_path / "config" / "engine"))
    path = write_engine_command("techno-walk")
    words = path.read_text().splitlines()
    assert words[1:] == ["-m", "riffengine", "serve", "techno-walk", "--output", "daw"]
