"""A recording on disk: exact bits, no file overwritten, complete up to the last second before a crash."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from riffengine.errors import AudioFileError
from riffengine.output import recording_file as recording_file_module
from riffengine.output.recording_file import (
    LEAST_FREE_BYTES,
    STOP_FREE_BYTES,
    RecordingFile,
    write_error_text,
)

BLOCKS = [np.random.default_rng(seed).uniform(-0.9, 0.9, (512, 2)).astype(np.float32) for seed in range(200)]
WHOLE = np.concatenate(BLOCKS)


def write(path: Path, part_frames: int | None = None) -> RecordingFile:
    take = RecordingFile(path, 44100, 2, part_frames)
    for block in BLOCKS:
        take.write(block)
    assert take.close() == ""
    return take


def test_wav_has_the_exact_bits(tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    assert soundfile.read(tmp_path / "a.wav", dtype="float32")[0].tobytes() == WHOLE.tobytes()


def test_flac_has_24_bits(tmp_path: Path) -> None:
    write(tmp_path / "a.flac")
    heard, rate = soundfile.read(tmp_path / "a.flac", dtype="float64")
    assert soundfile.info(tmp_path / "a.flac").subtype == "PCM_24" and rate == 44100
    assert np.abs(heard - WHOLE).max() <= 2.0**-23


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_crash_keeps_all_but_the_last_second(tmp_path: Path, ending: str) -> None:
    take = RecordingFile(tmp_path / f"a.{ending}", 44100, 2)
    for block in BLOCKS:  # 2.3 s
        take.write(block)
    shutil.copy(tmp_path / f"a.{ending}", tmp_path / f"copy.{ending}")  # what a crash leaves
    with soundfile.SoundFile(tmp_path / f"copy.{ending}") as left:
        kept = left.read(44100, dtype="float64")
    assert len(kept) == 44100
    assert np.abs(kept - WHOLE[:44100]).max() <= 2.0**-23
    take.close()


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_recording_in_parts_is_complete_and_has_the_offset_of_each_part(tmp_path: Path, ending: str) -> None:
    take = write(tmp_path / f"a.{ending}", 44100)
    parts = [soundfile.read(part.path, dtype="float64")[0] for part in take.parts]
    assert [part.path.name for part in take.parts] == [f"a.{ending}", f"a-2.{ending}", f"a-3.{ending}"]
    assert all(len(part) <= 44100 for part in parts)
    assert [part.offset for part in take.parts] == [0, len(parts[0]), len(parts[0]) + len(parts[1])]
    assert np.abs(np.concatenate(parts) - WHOLE).max() <= 2.0**-23


def test_a_wav_ends_before_the_limit_of_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_file_module, "LONGEST_WAV_BYTES", 100 * 512 * 8)
    take = write(tmp_path / "a.wav")
    assert [part.offset for part in take.parts] == [0, 51200]


def test_no_file_is_overwritten_even_by_a_later_part(tmp_path: Path) -> None:
    for name in ("a.wav", "a-3.wav"):
        (tmp_path / name).write_bytes(b"kept")
    take = write(tmp_path / "a.wav", 100 * 512)
    assert take.path == tmp_path / "a-2.wav"
    assert {(tmp_path / name).read_bytes() for name in ("a.wav", "a-3.wav")} == {b"kept"}
    parts = [soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("a-2.wav", "a-4.wav")]
    assert np.concatenate(parts).tobytes() == WHOLE.tobytes()


@pytest.mark.parametrize("name", ["a.mp3", "a", "folder/that/is/not/a.wav"])
def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioFileError, match="cannot record"):
        RecordingFile(tmp_path / name, 44100, 2)


def test_a_recording_without_a_block_leaves_no_file(tmp_path: Path) -> None:
    RecordingFile(tmp_path / "a.flac", 44100, 2).close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_full_disk_ends_the_recording_with_a_reason_and_keeps_what_was_written(tmp_path: Path, ending: str) -> None:
    bits = 4 if ending == "wav" else 3
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    take = RecordingFile(tmp_path / f"a.{ending}", 44100, 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))  # the kernel refuses every further byte
    try:
        with pytest.raises(AudioFileError, match=r"recording to .* ended"):
            for block in BLOCKS * 3:
                take.write(block)
        take.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with soundfile.SoundFile(tmp_path / f"a.{ending}") as left:
        kept = left.read(300_000 // (2 * bits), dtype="float64")
    assert len(kept) > 0.7 * 300_000 / (2 * bits)
    assert np.abs(kept - np.concatenate(BLOCKS * 3)[: len(kept)]).max() <= 2.0**-23


@pytest.mark.parametrize(
    ("error", "free", "words"),
    [
        ("System error.", 4_000, "the disk is full (sets has 4 kB left); make room"),
        ("File too large", 10**9, "File too large"),
        ("", 10**9, "the disk accepted only"),
    ],
)
def test_the_reason_why_a_disk_took_no_more_says_what_to_do(error: str, free: int, words: str) -> None:
    assert write_error_text(error, Path("sets"), free).startswith(words)


def test_a_recording_begins_with_room_and_ends_before_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [LEAST_FREE_BYTES - 1]
    monkeypatch.setattr(recording_file_module.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[0]))
    with pytest.raises(AudioFileError, match=r"cannot record to .* has 63 MB left, and 64 MB are needed"):
        RecordingFile(tmp_path / "set.flac", 8000, 2)
    assert list(tmp_path.iterdir()) == []
    free[0] = LEAST_FREE_BYTES
    file = RecordingFile(tmp_path / "set.flac", 8000, 2)
    file.write(np.full((8000, 2), 0.1, np.float32))
    free[0] = STOP_FREE_BYTES - 1
    with pytest.raises(AudioFileError, match=r"the recording ends at .* has 15 MB left"):
        file.write(np.full((8000, 2), 0.1, np.float32))
    assert file.close() == ""
    assert soundfile.info(tmp_path / "set.flac").frames == 16000  # whole
