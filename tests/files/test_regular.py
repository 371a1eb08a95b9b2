"""What is refused before it is read: everything but regular files, and files that are too large."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from riffengine.files.json_text import parse_json, read_json
from riffengine.files.regular import open_regular, read_regular


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_regular(tmp_path / "link", 7) == b"content"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "missing", "null", "large"])
def test_anything_else_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path: Path | str = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        Path(path).mkdir()
    elif kind == "device":
        path = "/dev/zero"
    elif kind == "null":
        path = "a\0b"
    elif kind == "large":
        Path(path).write_bytes(bytes(11))
    with pytest.raises(OSError) as refused:
        open_regular(path, 10)
    assert refused.value.strerror


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only where there is /proc")
def test_a_file_that_states_no_size_is_empty() -> None:
    assert read_regular("/proc/self/status", 1000) == b""


def test_json_is_bounded_in_depth_size_and_numbers(tmp_path: Path) -> None:
    assert parse_json('{"a": [1, {"b": 2.5}]}') == {"a": [1, {"b": 2.5}]}
    assert parse_json("[" * 32 + "]" * 32)
    for text in (
        "[" * 33 + "]" * 33,
        "[" * 100_000,
        '{"a":' * 100_000,
        "NaN",
        "[Infinity]",
        "9" * 100_000,
        "",
        b"\xff",
    ):
        with pytest.raises(ValueError):
            parse_json(text)
    (tmp_path / "file").write_text("[" + " " * 100 + "]")
    with pytest.raises(OSError, match="at most 50"):
        read_json(tmp_path / "file", 50)
