"""What is recorded is what was played, and a failing disk disturbs nobody."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.errors import AudioFileError
from riffengine.output import recorder as recorder_module
from riffengine.output.recorder import Recorder

BLOCKS = [np.random.default_rng(seed).uniform(-0.9, 0.9, (512, 2)).astype(np.float32) for seed in range(200)]


def test_wav_holds_the_very_bits(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.wav", 44100, 2)
    scratch = np.zeros((512, 2), np.float32)
    for block in BLOCKS:
        scratch[:] = block  # the audio thread uses its buffer again
        recorder.put(scratch)
    recorder.close()
    assert soundfile.read(tmp_path / "a.wav", dtype="float32")[0].tobytes() == np.concatenate(BLOCKS).tobytes()
    assert recorder.failure is None


def test_flac_holds_24_bits(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.flac", 48000, 2)
    for block in BLOCKS:
        recorder.put(block)
    recorder.close()
    heard, rate = soundfile.read(tmp_path / "a.flac", dtype="float64")
    assert rate == 48000
    assert np.abs(heard - np.concatenate(BLOCKS)).max() <= 2.0**-23


def test_a_crash_keeps_all_but_the_last_second(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.wav", 44100, 2)
    for block in BLOCKS:  # 2.3 s
        recorder.put(block)
    copy = tmp_path / "copy.wav"
    for _ in range(500):
        shutil.copy(tmp_path / "a.wav", copy)
        kept = soundfile.read(copy, dtype="float32")[0]
        if len(kept) >= 44100:
            break
        time.sleep(0.01)
    assert len(kept) >= 44100
    assert kept.tobytes() == np.concatenate(BLOCKS)[: len(kept)].tobytes()
    recorder.close()


def test_a_long_recording_goes_on_in_a_second_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_WAV_BYTES", 100 * 512 * 8 - 1)
    recorder = Recorder(tmp_path / "a.wav", 44100, 2)
    for block in BLOCKS:
        recorder.put(block)
    recorder.close()
    parts = [soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("a.wav", "a-2.wav")]
    assert np.concatenate(parts).tobytes() == np.concatenate(BLOCKS).tobytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full plays the full disk")
def test_a_full_disk_is_reported_and_never_raised(tmp_path: Path) -> None:
    full = tmp_path / "full.wav"
    full.symlink_to("/dev/full")
    try:
        recorder = Recorder(full, 44100, 2)
    except AudioFileError as error:
        assert "cannot record" in str(error)
        return
    for block in BLOCKS:
        recorder.put(block)
    recorder.close()
    assert recorder.failure is not None


@pytest.mark.parametrize("name", ["a.mp3", "a", "folder/that/is/not/a.wav"])
def test_what_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioFileError, match="cannot record"):
        Recorder(tmp_path / name, 44100, 2)


def test_no_file_is_overwritten_not_even_by_a_later_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_WAV_BYTES", 100 * 512 * 8 - 1)
    for name in ("a.wav", "a-3.wav"):
        (tmp_path / name).write_bytes(b"kept")
    recorder = Recorder(tmp_path / "a.wav", 44100, 2)
    assert recorder.path == tmp_path / "a-2.wav"
    for block in BLOCKS:
        recorder.put(block)
    recorder.close()
    assert {(tmp_path / name).read_bytes() for name in ("a.wav", "a-3.wav")} == {b"kept"}
    parts = [soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("a-2.wav", "a-4.wav")]
    assert np.concatenate(parts).tobytes() == np.concatenate(BLOCKS).tobytes()


def test_a_set_that_never_began_leaves_no_file(tmp_path: Path) -> None:
    Recorder(tmp_path / "a.flac", 44100, 2).close()
    assert not list(tmp_path.iterdir())
