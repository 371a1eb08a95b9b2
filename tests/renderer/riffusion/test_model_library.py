"""The checkpoints on this machine: found by path and name, listed with their state, never downloaded unasked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.download import download_checkpoint
from riffengine.renderer.checkpoints.model_library import RIFFUSION, Library
from riffengine.renderer.riffusion.checkpoint import read_checkpoint
from riffengine.renderer.riffusion.model_spec import ModelSpec
from tests.renderer.riffusion.checkpoints import toy_checkpoints


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """One that holds a ready, a pickled and a broken checkpoint, and one in the hub's cache."""
    home, cache = tmp_path / "models", tmp_path / "hub"
    shutil.copytree(toy_checkpoints() / "modern", home / "somebody--ready")
    (home / "somebody--ready" / "README.md").write_text("---\nlicense: openrail\n---\nWords.\n")
    shutil.copytree(toy_checkpoints() / "pickled", home / "own")
    (home / "broken" / "unet").mkdir(parents=True)
    shutil.copytree(toy_checkpoints() / "modern", cache / "models--riffusion--riffusion-model-v1" / "snapshots" / "abc")
    return Library(home, cache)


def test_the_list_says_what_is_there_and_what_lacks(library: Library) -> None:
    found = {holding.name: holding for holding in library.holdings()}
    assert list(found) == ["broken", "own", RIFFUSION, "somebody/ready"]
    assert [found[name].state.split(":")[0] for name in found] == ["incomplete", "pickled", "ready", "ready"]
    assert found["somebody/ready"].licence == "openrail" and found["own"].licence == ""
    assert found[RIFFUSION].licence == "creativeml-openrail-m"
    files = [path for path in (toy_checkpoints() / "modern").rglob("*") if path.is_file()]
    assert found[RIFFUSION].size_bytes == sum(path.stat().st_size for path in files)


def test_a_name_or_a_path_leads_to_a_folder(library: Library, tmp_path: Path) -> None:
    assert library.locate("somebody/ready") == library.home / "somebody--ready"
    assert library.locate("own") == library.home / "own"
    assert library.locate(str(toy_checkpoints() / "modern")) == toy_checkpoints() / "modern"
    assert library.locate(RIFFUSION).name == "abc"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("no-such-folder", "there is no folder"),
        ("/nowhere/at/all", "there is no folder"),
        ("..", "model_index.json is missing"),
        ("nobody/nothing", "riffengine models get nobody/nothing .*--model bundled"),
        ("owner/na me!", "not a name on the hub"),
    ],
)
def test_what_is_not_here_is_told_with_what_to_do(
    source: str, words: str, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIFFENGINE_MODELS", str(library.home))
    with pytest.raises(ModelError, match=words):
        read_checkpoint(ModelSpec(source))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").touch()
    with pytest.raises(ModelError, match=r"a checkpoint is a folder.*riffengine convert"):
        Library(tmp_path).locate(str(tmp_path / "model.ckpt"))
    with pytest.raises(ModelError, match="riffengine convert"):
        read_checkpoint(ModelSpec(str(tmp_path)))


def test_without_a_network_downloading_says_so_and_what_plays_instead(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"could not be downloaded .*continues where it stopped.*--model bundled"):
        download_checkpoint("nobody/nothing", library)
    with pytest.raises(ModelError, match="not a name on the hub"):
        download_checkpoint("../escape", library)
    for name in ("a/b\n", "a/b--c", "a/..b", "a/b\\..", "a/b..c", "ä/b", "a/" + "b" * 200):
        with pytest.raises(ModelError, match="not a name on the hub"):
            library.place(name)
    ready = download_checkpoint("somebody/ready", library)
    assert ready == library.home / "somebody--ready"  # it is here: nothing is asked


def test_the_users_own_library_lies_where_the_environment_says(tmp_path: Path) -> None:
    own = Library.standard({"RIFFENGINE_MODELS": str(tmp_path / "a"), "HF_HUB_CACHE": str(tmp_path / "b")})
    assert own.place("x/y") == tmp_path / "a" / "x--y" and own.holdings() == []
    assert Library.standard({"XDG_DATA_HOME": str(tmp_path)}).home == tmp_path / "riffengine" / "models"


def test_the_folder_of_a_list_is_what_a_checkpoint_is_loaded_from(library: Library) -> None:
    index = json.loads((library.locate(RIFFUSION) / "model_index.json").read_text())
    assert index["unet"][1] == "UNet2DConditionModel"
