"""A FLAC file of a recorder that was killed is readable up to its last whole frame."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riffengine.cli import main
from riffengine.errors import AudioFileError
from riffengine.output.flac_repair import remove_empty_recording, repair_flac
from riffengine.output.recording_file import RecordingFile

RATE = 44100


def music(seconds: float = 3.0, seed: int = 1) -> np.ndarray:
    """Noise that swells: frames of many sizes."""
    frames = round(seconds * RATE)
    noise = np.random.default_rng(seed).standard_normal((frames, 2)) * 0.1
    return (noise * np.linspace(0.0, 1.0, frames)[:, None] ** 3).astype(np.float32)


def killed_recorder(folder: Path, seconds: float = 3.0) -> Path:
    """The file of a process that recorded some seconds, and was killed while it recorded on."""
    program = f"""
        import os, signal, sys
        from pathlib import Path
        from riffengine.output.recording_file import RecordingFile
        from tests.output.test_flac_repair import music
        file = RecordingFile(Path({str(folder / "set.flac")!r}), {RATE}, 2)
        for block in music({seconds}).reshape(-1, 441, 2):
            file.write(block)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    end = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parents[2], timeout=60)
    assert end.returncode == -9
    return folder / "set.flac"


def without_length(path: Path) -> None:
    """Take the length and the checksum of the audio out of the header, as they are before a file is closed."""
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:42] = bytes(20)
    path.write_bytes(content)


def test_a_killed_recording_is_readable_after_its_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = killed_recorder(tmp_path)
    with pytest.raises((soundfile.LibsndfileError, ValueError)):  # no length, or the largest there is
        soundfile.read(path)
    assert main(["repair", str(path)]) == 0
    assert "readable again" in capsys.readouterr().out
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE and 1.5 * RATE < len(samples) <= 3 * RATE
    assert np.allclose(samples, music()[: len(samples)], atol=2**-23)
    assert main(["repair", str(path)]) == 0
    assert "nothing to repair" in capsys.readouterr().out


def test_the_next_recording_of_that_name_repairs_it(tmp_path: Path) -> None:
    path = killed_recorder(tmp_path)
    following = RecordingFile(path, RATE, 2)
    assert following.path.name == "set-2.flac"
    following.write(music(0.5))
    following.close()
    assert len(soundfile.read(path)[0]) > 1.5 * RATE
    assert len(soundfile.read(following.path)[0]) == RATE // 2


def test_a_recorder_that_was_killed_before_its_first_frame_leaves_its_name_to_the_next(tmp_path: Path) -> None:
    path = killed_recorder(tmp_path, 0.02)  # two blocks; a frame of FLAC takes ten
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(path)
    with pytest.raises(AudioFileError, match="without sound"):
        repair_flac(path)
    following = RecordingFile(path, RATE, 2)
    assert following.path == path
    following.write(music(0.5))
    following.close()
    assert len(soundfile.read(path)[0]) == RATE // 2


def test_only_a_header_alone_is_removed_and_not_while_it_is_recorded(tmp_path: Path) -> None:
    live = RecordingFile(tmp_path / "set.flac", RATE, 2)
    live.write(music(0.02))
    header = live.path.read_bytes()
    assert header.startswith(b"fLaC") and not remove_empty_recording(live.path)
    live.close()
    for name, content in {"damaged": header + b"?", "torn": header[:40], "wav": b"RIFF"}.items():
        (path := tmp_path / f"{name}.flac").write_bytes(content)
        assert not remove_empty_recording(path) and path.read_bytes() == content
    assert not remove_empty_recording(tmp_path / "missing.flac")
    for name, content in {"dead.flac": header, "created.flac": b"", "created.wav": b""}.items():
        (path := tmp_path / name).write_bytes(content)
        assert remove_empty_recording(path) and not path.exists()


def test_a_file_that_is_being_recorded_is_left_alone(tmp_path: Path) -> None:
    one = RecordingFile(tmp_path / "set.flac", RATE, 2)
    one.write(music())
    with pytest.raises(AudioFileError, match="still being recorded"):
        repair_flac(one.path)
    other = RecordingFile(tmp_path / "set.flac", RATE, 2)
    other.close()
    one.write(music(1.0))
    assert one.close() == ""
    assert len(soundfile.read(one.path)[0]) == 4 * RATE


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1000, 500_000), st.integers(0, 3))
def test_wherever_it_is_cut_every_whole_frame_is_kept(tmp_path: Path, size: int, seed: int) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, music(seed=seed), RATE, subtype="PCM_24")
    without_length(path)
    path.write_bytes(path.read_bytes()[:size])
    try:
        found = repair_flac(path)
    except AudioFileError as error:
        assert "no whole FLAC frame" in str(error) and size < 40_000
        return
    samples = soundfile.read(path, dtype="float32")[0]
    assert len(samples) == found.frames and found.changed
    assert found.frames % 4096 == 0 or found.frames == 3 * RATE
    assert np.allclose(samples, music(seed=seed)[: len(samples)], atol=2**-23)


def test_a_whole_file_without_its_length_keeps_every_sample(tmp_path: Path) -> None:
    path = tmp_path / "whole.flac"
    soundfile.write(path, music(), RATE, subtype="PCM_16")
    without_length(path)
    found = repair_flac(path)
    assert (found.frames, found.removed_bytes) == (3 * RATE, 0)


@pytest.mark.parametrize("content", [b"", b"fLaC", b"RIFF" + bytes(100), b"fLaC\x80\x00\x00\x22" + bytes(34)])
def test_what_is_no_flac_recording_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.flac"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match="FLAC"):
        repair_flac(path)
    assert path.read_bytes() == content
