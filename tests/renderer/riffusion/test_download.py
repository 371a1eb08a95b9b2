"""Downloading as it is typed, by the real client from a hub on this machine; the line may be cut in the middle."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from riffengine.cli import main
from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.download import download_checkpoint
from riffengine.renderer.checkpoints.model_library import Library
from riffengine.renderer.riffusion.checkpoint import read_checkpoint
from riffengine.renderer.riffusion.model_spec import ModelSpec
from tests.renderer.riffusion.checkpoints import toy_checkpoints
from tests.renderer.riffusion.hub import NEVER, Hub

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def test_what_is_played_is_downloaded_once_and_is_ready(
    served: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQDM_POSITION", "-1")  # progress as on a terminal
    assert main(["models", "get", "somebody/model"]) == 0
    said = capsys.readouterr()
    assert "licence openrail" in said.out and "--model somebody/model" in said.out
    assert "unet/diffusion_pytorch_model.safetensors: 100%" in said.err
    sizes = {name: (served.folder / name).stat().st_size for name in served.sent}
    assert served.sent == sizes and NEVER not in sizes and WEIGHTS in sizes
    (found,) = Library(tmp_path / "models").holdings()
    assert (found.name, found.state) == ("somebody/model", "ready")
    assert main(["models", "get", "somebody/model"]) == 0 and served.sent == sizes
    assert main(["models", "get", "somebody/else"]) == 2
    assert "has no model somebody/else" in capsys.readouterr().err


def test_pickles_come_only_where_there_is_no_other_and_are_converted_on_arrival(served: Hub, tmp_path: Path) -> None:
    shutil.rmtree(served.folder)
    shutil.copytree(toy_checkpoints() / "pickled", served.folder)
    halved = served.folder / "vae" / "diffusion_pytorch_model.fp16.safetensors"
    shutil.copyfile(toy_checkpoints() / "modern" / "vae" / "diffusion_pytorch_model.safetensors", halved)
    assert main(["models", "get", "somebody/model"]) == 0
    assert {name for name in served.sent if name.endswith(".bin")} == {
        "unet/diffusion_pytorch_model.bin",
        "text_encoder/pytorch_model.bin",
    }
    assert Library(tmp_path / "models").holdings()[0].state == "ready"


def test_a_cut_line_is_told_and_the_next_download_goes_on_within_the_file(served: Hub, tmp_path: Path) -> None:
    library, size = Library(tmp_path / "models"), (served.folder / WEIGHTS).stat().st_size
    served.cut_file, served.cut_at = WEIGHTS, size // 2
    with pytest.raises(ModelError, match=r"could not be downloaded .*continues where it stopped.*--model bundled"):
        download_checkpoint("somebody/model", library)
    assert served.sent[WEIGHTS] == size // 2
    (begun,) = (library.home / "somebody--model" / "unet").glob("*.partial")
    assert size // 2 - 4096 <= (kept := begun.stat().st_size) <= size // 2
    assert library.holdings()[0].state.startswith("incomplete")
    served.repair()
    folder = download_checkpoint("somebody/model", library)
    assert served.sent[WEIGHTS] == size // 2 + size - kept  # the second half alone
    assert not list(folder.rglob("*.partial"))
    assert (folder / WEIGHTS).read_bytes() == (served.folder / WEIGHTS).read_bytes()
    read_checkpoint(ModelSpec(str(folder)))


def test_what_is_not_as_promised_is_thrown_away(served: Hub, tmp_path: Path) -> None:
    served.forged = WEIGHTS
    with pytest.raises(ModelError, match="does not match the checksum of the hub"):
        download_checkpoint("somebody/model", Library(tmp_path / "models"))
    assert not list((tmp_path / "models" / "somebody--model" / "unet").glob("*model*"))
