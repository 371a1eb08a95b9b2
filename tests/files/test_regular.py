"""What is refused before it is read: everything but regular files, and files that are too large."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from riffengine.engine.media_folder import MediaFolder
from riffengine.errors import AudioFileError, RiffError
from riffengine.files.json_text import parse_json, read_json
from riffengine.files.regular import exists, home_path, is_file, is_folder, open_regular, read_regular
from riffengine.notes.midi_file import check_midi_path
from riffengine.offline.render import check_output
from riffengine.output.flac_repair import repair_flac
from riffengine.output.recording_file import RecordingFile
from riffengine.performance.command import Command, Rejected
from riffengine.plugins.registry import open_plugin, plugin_folders
from riffengine.renderer.checkpoints.model_library import Library
from riffengine.renderer.file_hash import file_hash
from riffengine.renderer.riffusion.init_image import InitSource
from riffengine.renderer.riffusion.spectrogram_image import read_picture
from riffengine.session.named_files import find_map, find_preset
from riffengine.session.session import load_session


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


TOO_LONG = "a" * 300
UNUSABLE = (TOO_LONG, f"{TOO_LONG}/x", f"{TOO_LONG}.yaml", f"{TOO_LONG}/x.yaml", "a\0b", "~no-such-user/x")


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_name_that_cannot_be_looked_at_is_no_file_and_no_error(name: str) -> None:
    assert not (is_file(name) or is_folder(name) or exists(name))
    assert str(home_path(name)) == name


@pytest.mark.parametrize("name", UNUSABLE)
def test_whatever_opens_a_named_file_refuses_such_a_name_in_words(name: str, tmp_path: Path) -> None:
    opening: list[Callable[[], object]] = [
        lambda: find_preset(name),
        lambda: find_map(name, [tmp_path]),
        lambda: file_hash(name),
        lambda: InitSource.parse(name),
        lambda: read_picture(Path(name)),
        lambda: check_midi_path(Path(name) / "x.mid"),
        lambda: check_output(Path(name) / "x.wav"),
        lambda: repair_flac(Path(name) / "x.flac"),
    ]
    for call in opening:
        with pytest.raises(RiffError):
            call()


def test_a_setting_that_names_the_home_of_nobody_is_taken_as_it_is(tmp_path: Path) -> None:
    preset, name = tmp_path / "set.yaml", "~no-such-user/x"
    preset.write_text(f"record: {{folder: {name}}}\noutput: {{record: {name}.wav}}\n")
    session = load_session(preset)
    assert (session.recording.folder, session.audio.record) == (Path(name), Path(f"{name}.wav"))
    assert plugin_folders("lv2", {"LV2_PATH": name}) == (Path(name),)
    assert Library.standard({"RIFFENGINE_MODELS": name}).home == Path(name)
    with pytest.raises(RiffError):
        open_plugin(f"clap:{name}.clap#id", 44100, 512)


def test_a_recording_with_too_long_a_name_gives_the_reason(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"cannot record to .*name too long"):
        RecordingFile(tmp_path / f"{TOO_LONG}.wav", 44100, 2)


def test_another_machine_that_names_too_long_a_file_is_refused() -> None:
    answer = MediaFolder("/a").answer(Command("deck/a/init", TOO_LONG, "osc:203.0.113.5:9"), 0)
    assert answer is not None and isinstance(answer[0], Rejected)
