"""Digests of whole files: each is read once, and a folder that cannot be used costs only time."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from riffengine.files import content_digest
from riffengine.files.content_digest import ContentDigests


def test_a_file_is_read_once_while_it_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, digest = list[str](), hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: (read.append(name), digest(file, name))[1])
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"a" * 1000)
    first = ContentDigests(tmp_path / "kept", 1).of(weights)
    assert first == hashlib.sha256(b"a" * 1000).hexdigest()
    assert ContentDigests(tmp_path / "kept", 1).of(weights) == first and len(read) == 1
    (tmp_path / "link").symlink_to(weights)  # as a hub's cache has them
    assert ContentDigests(tmp_path / "kept", 1).of(tmp_path / "link") == first and len(read) == 1
    kept = weights.stat()
    weights.write_bytes(b"b" * 1000)
    os.utime(weights, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # a tool that keeps times
    assert ContentDigests(tmp_path / "kept", 1).of(weights) == hashlib.sha256(b"b" * 1000).hexdigest()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"stamp": 1}', "replaced"])
def test_an_entry_that_is_damaged_is_made_again(damage: str, tmp_path: Path) -> None:
    weights, digests = tmp_path / "weights", ContentDigests(tmp_path / "kept", 1)
    weights.write_bytes(b"abc")
    digest = digests.of(weights)
    (entry,) = (tmp_path / "kept").iterdir()
    whole = entry.read_text()
    entry.write_text(damage if damage != "replaced" else json.dumps({**json.loads(whole), "sha256": "f" * 63}))
    assert digests.of(weights) == digest and entry.read_text() == whole


def test_a_folder_that_cannot_be_used_and_a_small_file_keep_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert ContentDigests(tmp_path / "file", 1).of(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
    assert ContentDigests(tmp_path / "kept").of(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
    assert not (tmp_path / "kept").exists()


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_digest, "_MOST_ENTRIES", 3)
    for number in range(6):
        (tmp_path / f"{number}").write_bytes(b"abc")
        ContentDigests(tmp_path / "kept", 1).of(tmp_path / f"{number}")
    assert len(list((tmp_path / "kept").iterdir())) == 3


def test_a_user_without_a_home_folder_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(content_digest, "_LEAST_BYTES", 1)
    (tmp_path / "file").write_bytes(b"abc")
    for environment in ({}, {"XDG_CACHE_HOME": str(tmp_path)}):
        assert ContentDigests.standard(environment).of(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
