"""A hub that lies about names, sizes, tags and all else: nothing is written elsewhere, and one line tells why."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from riffengine.cli import main
from riffengine.errors import ModelError, printable
from riffengine.renderer.checkpoints import download, layout
from riffengine.renderer.checkpoints.download import download_checkpoint
from riffengine.renderer.checkpoints.model_library import Library
from tests.renderer.riffusion.hub import Hub

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
GET = ["models", "get", "somebody/model"]


def refused(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``models get`` says on stderr when it refuses: one printable line with ``words`` in it."""
    capsys.readouterr()
    assert main(GET) == 2
    said = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "riffengine:" in line]
    assert len(said) == 1 and said[0].isprintable() and words in said[0], said
    return said[0]


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE/../../../evil.pth",
        "tokenizer/../../../.config/autostart/evil.desktop",
        "tokenizer/..",
        "/LICENSE",
        "tokenizer//vocab.json",
        "./LICENSE",
        "tokenizer\\..\\..\\evil.json",
        "C:/LICENSE",
        "LICENSE\0",
        "LICENSE\x1b]0;owned\x07",
        "LICENSE\n",
        "LICENSE\u202e",
        "LICENSE" + "x" * 2000,
        "",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_written(
    name: str, served: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.planted[name] = b"import os"
    before = files(tmp_path)
    said = refused("the hub offers a file", capsys)
    assert "allowed" in said and "HF_ENDPOINT" in said and len(said) < 400
    assert files(tmp_path) == before and served.sent == {}


def test_only_names_of_the_fixed_list_are_taken(served: Hub, tmp_path: Path) -> None:
    planted = (
        "tokenizer/deep/er.json",
        "LICENSE-evil",
        "scheduler/run.py",
        "tokenizer/sitecustomize.py",
        "x/config.json",
    )
    served.planted = dict.fromkeys(planted, b"{}") | {"LICENSE": b"MIT"}
    folder = download_checkpoint("somebody/model", Library(tmp_path / "models"))
    assert files(folder) == {
        "LICENSE", "README.md", "codec.json", "model_index.json", "scheduler/scheduler_config.json",
        "text_encoder/config.json", "text_encoder/model.safetensors", "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json", "tokenizer/tokenizer_config.json", "tokenizer/vocab.json",
        "unet/config.json", WEIGHTS, "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        (b"[" * 100_000, "could not be downloaded"),
        (b"no JSON \x1b[2J", "could not be downloaded"),
        (b"[]", "no list of files"),
        (b'{"siblings": ["LICENSE"]}', "no list of files"),
        (b'{"siblings": [{"rfilename": ["LICENSE"]}]}', "is not text"),
        (b'{"siblings": [{"size": 1}]}', "is not text"),
        (b'{"siblings": [], "sha": "../\\u001b[31m"}', "which is not a commit"),
        (b" " * (17 << 20), "longer than 16 MiB"),
    ],
)
def test_a_strange_list_is_refused_in_one_line(
    listing: bytes, words: str, served: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.listing = listing
    refused(words, capsys)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("tag", ["../../x", "a/b/c", "\x1b[31mred", "x" * 3000, "z" * 40, ""])
def test_a_tag_never_names_a_path(tag: str, served: Hub, tmp_path: Path) -> None:
    served.tags["model_index.json"] = tag
    folder = download_checkpoint("somebody/model", Library(tmp_path / "models"))
    assert (folder / "model_index.json").read_bytes() == (served.folder / "model_index.json").read_bytes()
    assert not [name for name in files(tmp_path) if name.endswith(".partial")]


@pytest.mark.parametrize(
    ("file", "size"), [(WEIGHTS, 10**12), (WEIGHTS, -1), ("README.md", 10**9), (WEIGHTS, (16 << 30) + 1)]
)
def test_a_size_that_cannot_be_is_refused_before_anything_is_sent(
    file: str, size: int, served: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.sizes[file] = size
    said = refused(f"the hub says that {file} has", capsys)
    assert "are possible" in said
    assert file not in served.sent and not [name for name in files(tmp_path / "models") if file in name]


@pytest.mark.parametrize("stated", [True, False])
def test_what_is_sent_is_bounded_by_what_was_said_and_by_the_kind_of_file(
    stated: bool, served: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.tags["README.md"] = "unknown"
    served.sizes["README.md"] = 10 if stated else None
    served.surplus["README.md"] = 17 << 20
    said = refused("the hub sends more of README.md than", capsys)
    assert ("it said" in said) == stated and ("16 MiB" in said) != stated
    assert not [name for name in files(tmp_path / "models") if "README" in name]


def test_a_file_whose_size_is_not_stated_is_downloaded(served: Hub, tmp_path: Path) -> None:
    served.sizes = {WEIGHTS: None, "README.md": None}
    folder = download_checkpoint("somebody/model", Library(tmp_path / "models"))
    assert (folder / WEIGHTS).read_bytes() == (served.folder / WEIGHTS).read_bytes()


@pytest.mark.parametrize("stated", [True, False])
def test_what_the_disk_does_not_hold_is_not_begun(
    stated: bool, served: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not stated:
        served.sizes[WEIGHTS] = None
    size = (served.folder / WEIGHTS).stat().st_size
    free = (64 << 20) + (size - 1 if stated else 0)
    asked = shutil.disk_usage
    monkeypatch.setattr(
        download.shutil,
        "disk_usage",
        lambda path: (
            SimpleNamespace(free=free) if path.name == "unet" and (path / "config.json").exists() else asked(path)
        ),
    )
    refused("free some space", capsys)
    assert WEIGHTS not in served.sent


@pytest.mark.parametrize("link", ["unet", "tokenizer", "model_index.json"])
def test_nothing_is_written_through_a_link_in_the_folder(
    link: str, served: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "models" / "somebody--model"
    folder.mkdir(parents=True)
    if "." not in link:
        outside.mkdir()
    (folder / link).symlink_to(outside)
    assert "is a link" in refused(link, capsys)
    assert not outside.is_file() and files(outside) == set()


def test_nothing_is_written_through_a_link_that_lies_where_a_download_begins(served: Hub, tmp_path: Path) -> None:
    served.tags["model_index.json"] = "a" * 64
    folder, victim = tmp_path / "models" / "somebody--model", tmp_path / "victim"
    folder.mkdir(parents=True)
    victim.write_text("kept")
    (folder / f"model_index.json.{'a' * 16}.partial").symlink_to(victim)
    with pytest.raises(ModelError, match="is a link"):
        download_checkpoint("somebody/model", Library(tmp_path / "models"))
    assert victim.read_text() == "kept"


def test_a_checkpoints_folder_may_be_a_link_of_the_user(served: Hub, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "somebody--model").symlink_to(tmp_path / "disk")
    download_checkpoint("somebody/model", Library(tmp_path / "models"))
    assert (tmp_path / "disk" / WEIGHTS).is_file()


def test_what_was_begun_with_another_content_is_thrown_away(served: Hub, tmp_path: Path) -> None:
    old = tmp_path / "models" / "somebody--model" / "unet" / "diffusion_pytorch_model.safetensors.0123.partial"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    download_checkpoint("somebody/model", Library(tmp_path / "models"))
    assert not old.exists()


def test_what_the_hub_says_reaches_the_terminal_without_escapes(
    served: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.StreamHandler(io.StringIO())
    logging.getLogger("huggingface_hub").addHandler(log)
    try:
        served.warning = f"{os.getpid()}; \x1b[2J\x9bowned"
        served.failure = json.dumps({"error": "\x1b]0;owned\x07\r"}).encode()
        refused("could not be downloaded", capsys)
    finally:
        logging.getLogger("huggingface_hub").removeHandler(log)
    said = log.stream.getvalue()
    assert "owned" in said and "\x1b" not in said and "\x9b" not in said
    served.failure = b"[1]"  # the client cannot parse it
    refused("could not be downloaded", capsys)


def test_foreign_text_is_one_printable_line() -> None:
    assert printable("plain words, Ä and 音") == "plain words, Ä and 音"
    assert printable("a\x1b[2J\n\x9b\u202e\ud800") == r"a\x1b[2J\n\x9b\u202e\ud800"
    assert printable("x" * 300) == "x" * 200 + "…"


def test_a_path_outside_the_folder_is_never_given(tmp_path: Path) -> None:
    for name in ("../x", "a/../../x", "/etc/x"):
        with pytest.raises(ModelError, match="not a regular file inside"):
            layout.inside(tmp_path, name)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="not a regular file inside"):
        layout.inside(tmp_path, "pipe")
    assert layout.inside(tmp_path, "a/b") == tmp_path / "a" / "b"
