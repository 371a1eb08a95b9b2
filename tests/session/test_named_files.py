"""Presets, maps and clients are found by name; a file comes before a name; a wrong name is answered with near ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from riffengine.errors import PresetError
from riffengine.session.named_files import (
    CLIENTS,
    MAPS,
    PRESETS,
    client_names,
    copy_to,
    find_client,
    find_map,
    find_preset,
    map_folders,
    map_names,
    preset_names,
)
from riffengine.session.session import load_session, preset_description


def test_everything_that_ships_is_found_by_its_name() -> None:
    assert {"first-sound", "dj-two-prompts"} <= set(preset_names())
    for name in preset_names():
        assert find_preset(name) == PRESETS / f"{name}.yaml"
        assert preset_description(find_preset(name)) == load_session(find_preset(name)).description
    for name in map_names():
        assert find_map(name, map_folders({})) == MAPS / f"{name}.yaml"
    for name in client_names():
        assert find_client(name) == CLIENTS / name


def test_a_file_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("first-sound").mkdir()
    assert find_preset("first-sound") == PRESETS / "first-sound.yaml"
    Path("first-sound").rmdir()
    Path("first-sound").write_text("tempo: 90\n")
    assert find_preset("first-sound") == Path("first-sound")
    assert find_preset(str(PRESETS / "max-osc.yaml")) == PRESETS / "max-osc.yaml"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("frist-sound", "did you mean first-sound"),
        ("xyz", "there are: ableton-osc"),
        ("", "there are: ableton-osc"),
        ("none.yaml", "there is no such file; name a YAML preset"),
        ("my-sett.yaml", "there is no such file; did you mean my-set.yaml?"),
        ("folder.yaml", "is a folder; name a YAML preset in it"),
        ("presets/first-sound.yaml", "the preset of the package is called first-sound"),
        ("../first-sound", "there is no such file"),
    ],
)
def test_an_unknown_name_is_answered_with_near_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my-set.yaml").touch()
    Path("folder.yaml").mkdir()
    with pytest.raises(PresetError, match=problem):
        find_preset(text)


def test_an_unknown_map_or_client_names_those_there_are() -> None:
    with pytest.raises(PresetError, match="did you mean nanokontrol2"):
        find_map("nanokontrol", [MAPS])
    with pytest.raises(PresetError, match=r"riffengine\.pd"):
        find_client("riffengine.als")


def test_a_copy_never_replaces_a_file(tmp_path: Path) -> None:
    source = find_client("riffengine.pd")
    assert copy_to(source, tmp_path) == tmp_path / "riffengine.pd"
    assert (tmp_path / "riffengine.pd").read_bytes() == source.read_bytes()
    with pytest.raises(PresetError, match="exists already"):
        copy_to(source, tmp_path)
    with pytest.raises(PresetError, match="cannot be written"):
        copy_to(source, tmp_path / "none" / "patch.pd")
