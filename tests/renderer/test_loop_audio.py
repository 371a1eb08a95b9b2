import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.errors import AudioFileError
from riffengine.processes.audio_files import beats_comment, told_beats
from riffengine.renderer.loop_audio import read_loop, resample_loop


def sine(cycles: int, frames: int) -> np.ndarray:
    return np.sin(2 * np.pi * cycles * np.arange(frames) / frames).astype(np.float32)


@pytest.mark.parametrize(("old", "new"), [(44100, 48000), (48000, 44100), (44101, 48003), (5000, 5000)])
def test_a_periodic_signal_stays_the_same_signal(old: int, new: int) -> None:
    again = resample_loop(sine(440, old)[None], new)
    assert again.shape == (1, new)
    assert again.dtype == np.float32
    assert np.allclose(again[0], sine(440, new), atol=1e-5)


def test_a_file_becomes_a_loop_of_the_right_length(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    stereo = np.stack([sine(48, 48000), sine(48, 48000)], axis=1)
    soundfile.write(path, stereo, 48000)
    loop = read_loop(str(path), beats=8, bpm=120, sample_rate=44100)
    assert loop.shape == (176400,)  # the one second repeats four times
    assert loop.dtype == np.float32
    assert np.allclose(loop[1000:40000], loop[44100 + 1000 : 44100 + 40000], atol=1e-3)


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "silent", "nan", "fifo"])
def test_a_file_without_sound_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.wav"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("la la la")
    elif kind == "silent":
        soundfile.write(path, np.zeros(100), 44100)
    elif kind == "nan":
        soundfile.write(path, np.full(100, np.nan, np.float32), 44100, subtype="FLOAT")
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(AudioFileError, match=r"bad\.wav"):
        read_loop(str(path), 8, 120, 44100)


@pytest.mark.parametrize(("beats", "channels"), [(8, 1), (8, 2), (4, 2), (16, 1)])
def test_a_file_that_says_its_beats_is_cut_where_it_says(beats: int, channels: int, tmp_path: Path) -> None:
    path, own = tmp_path / "taken.flac", 8 * 21000
    noise = 0.3 * np.random.default_rng(1).normal(size=own + 882).clip(-3, 3).astype(np.float32)
    noise[own:] = noise[:882]  # what comes after the last bar is its beginning, so the fade changes nothing
    with soundfile.SoundFile(path, "x", 44100, 1, subtype="PCM_24", format="FLAC") as file:
        file.comment = beats_comment(8, own)
        file.write(noise)
    loop = read_loop(str(path), beats, 120, 44100, channels)
    left = loop if channels == 1 else loop[:, 0]
    assert len(left) == own * beats // 8  # its own tempo, 126 bpm
    if beats == 4:
        assert np.abs(left[882:] - noise[882 : own // 2]).max() < 2**-20
    else:
        assert np.abs(left[:own] - noise[:own]).max() < 2**-20
        assert np.array_equal(left, np.tile(left[:own], beats // 8))


@pytest.mark.parametrize("beats", [8, 64])
def test_sixteen_bars_at_the_slowest_tempo_are_cut_where_their_file_says(beats: int, tmp_path: Path) -> None:
    path, rate = tmp_path / "taken.flac", 2000
    noise = 0.3 * np.random.default_rng(1).normal(size=64 * rate + 40).clip(-3, 3).astype(np.float32)
    with soundfile.SoundFile(path, "x", rate, 1, subtype="PCM_24", format="FLAC") as file:
        file.comment = beats_comment(64, 64 * rate)
        file.write(noise)
    loop = read_loop(str(path), beats, 60, rate)
    assert len(loop) == beats * rate
    assert np.abs(loop[40:] - noise[40 : beats * rate]).max() < 2**-20


@pytest.mark.parametrize("comment", ["", "riffengine beats=0 frames=10", "riffengine beats=8 frames=99999", "beats=8"])
def test_a_comment_that_says_nothing_of_use_is_not_followed(comment: str) -> None:
    assert told_beats(comment, 1000) is None
    assert told_beats(beats_comment(8, 1000), 1000) == (8, 1000)
