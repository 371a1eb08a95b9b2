"""Recordings equal what was played, the last minutes can always be saved, and a failing disk does not disturb."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.errors import AudioFileError
from riffengine.output import recorder as recorder_module
from riffengine.output.recorder import Recorder
from riffengine.output.rolling_buffer import RollingBuffer
from riffengine.processes.player_messages import Recorded, SaveLast, StartRecording

BLOCKS = [np.random.default_rng(seed).uniform(-0.9, 0.9, (512, 2)).astype(np.float32) for seed in range(200)]
WHOLE = np.concatenate(BLOCKS)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder(44100, 2, keep_seconds=1.5)
    yield made
    made.close()


def play(recorder: Recorder, blocks: list[np.ndarray]) -> None:
    scratch = np.zeros((512, 2), np.float32)
    for block in blocks:
        scratch[:] = block  # the audio thread reuses its buffer
        recorder.put(scratch)


def wait_for(recorder: Recorder, seen: Callable[[Recorded], bool]) -> list[Recorded]:
    news: list[Recorded] = []
    for _ in range(2000):
        news += recorder.reports()
        if any(map(seen, news)):
            return news
        time.sleep(0.005)
    raise AssertionError(news)


def read(path: Path | str) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def test_a_recording_from_the_first_block_has_every_sample(recorder: Recorder, tmp_path: Path) -> None:
    assert recorder.first(StartRecording(str(tmp_path / "a.wav"))) == tmp_path / "a.wav"
    play(recorder, BLOCKS)
    recorder.close()
    assert read(tmp_path / "a.wav").tobytes() == WHOLE.tobytes()
    path = str(tmp_path / "a.wav")
    assert list(recorder.reports()) == [
        Recorded("began", path, 0),
        Recorded("ended", path, len(WHOLE), len(WHOLE)),
    ]


def test_a_recording_begins_and_ends_on_the_block_it_was_asked_for(recorder: Recorder, tmp_path: Path) -> None:
    play(recorder, BLOCKS[:50])
    recorder.start(StartRecording(str(tmp_path / "a.wav")))
    assert recorder.recording
    play(recorder, BLOCKS[50:120])
    recorder.stop()
    assert not recorder.recording
    play(recorder, BLOCKS[120:])
    news = wait_for(recorder, lambda n: n.what == "ended")
    assert [(n.what, n.frame, n.frames) for n in news] == [("began", 50 * 512, 0), ("ended", 120 * 512, 70 * 512)]
    assert read(tmp_path / "a.wav").tobytes() == WHOLE[50 * 512 : 120 * 512].tobytes()


def test_a_second_start_finishes_the_first_recording(recorder: Recorder, tmp_path: Path) -> None:
    for name, blocks in (("a", BLOCKS[:30]), ("b", BLOCKS[30:40])):
        recorder.start(StartRecording(str(tmp_path / f"{name}.wav")))
        play(recorder, blocks)
    recorder.close()
    assert [(Path(n.path).stem, n.what, n.frame) for n in recorder.reports()] == [
        ("a", "began", 0),
        ("a", "ended", 30 * 512),
        ("b", "began", 30 * 512),
        ("b", "ended", 40 * 512),
    ]
    assert read(tmp_path / "a.wav").tobytes() + read(tmp_path / "b.wav").tobytes() == WHOLE[: 40 * 512].tobytes()


def test_parts_are_reported_with_their_first_frame(recorder: Recorder, tmp_path: Path) -> None:
    recorder.start(StartRecording(str(tmp_path / "a.flac"), 1.0))
    play(recorder, BLOCKS)
    recorder.close()
    news = list(recorder.reports())
    assert [n.what for n in news] == ["began", "part", "part", "ended"]
    for part, after in pairwise(news):
        assert np.abs(read(part.path) - WHOLE[part.frame : after.frame]).max() <= 2.0**-23


def test_the_last_seconds_can_be_saved_without_a_recording(recorder: Recorder, tmp_path: Path) -> None:
    play(recorder, BLOCKS)
    recorder.save_last(SaveLast(str(tmp_path / "last.wav"), 1.0))
    saved = wait_for(recorder, lambda n: n.what == "saved")[0]
    assert (saved.frames, saved.frame, saved.problem) == (44100, len(WHOLE) - 44100, "")
    assert read(saved.path).tobytes() == WHOLE[-44100:].tobytes()


def test_early_on_the_last_seconds_are_all_there_is(recorder: Recorder, tmp_path: Path) -> None:
    recorder.save_last(SaveLast(str(tmp_path / "none.flac"), 300.0))
    assert "nothing to save" in wait_for(recorder, lambda n: n.what == "refused")[0].problem
    assert not list(tmp_path.iterdir())
    play(recorder, BLOCKS[:20])
    recorder.save_last(SaveLast(str(tmp_path / "last.wav"), 300.0))
    saved = wait_for(recorder, lambda n: n.what == "saved")[0]
    assert (saved.frames, saved.frame) == (20 * 512, 0)
    assert read(saved.path).tobytes() == WHOLE[: 20 * 512].tobytes()


def test_saving_does_not_affect_a_running_recording(recorder: Recorder, tmp_path: Path) -> None:
    recorder.start(StartRecording(str(tmp_path / "a.wav")))
    play(recorder, BLOCKS[:100])
    wait_for(recorder, lambda n: n.what == "began")
    recorder.save_last(SaveLast(str(tmp_path / "a.wav"), 1.0))  # a name that exists is no problem
    play(recorder, BLOCKS[100:])
    wait_for(recorder, lambda n: n.what == "saved")
    recorder.close()
    assert read(tmp_path / "a.wav").tobytes() == WHOLE.tobytes()
    assert read(tmp_path / "a-2.wav").tobytes() == WHOLE[100 * 512 - 44100 : 100 * 512].tobytes()


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0])
def test_the_rolling_buffer_is_consistent_while_it_is_written_and_read(seconds: float) -> None:
    reel = RollingBuffer(1.0, 44100, 2)
    ending = threading.Event()

    def turn() -> None:
        frame = 0
        while not ending.is_set():
            count = 700 + frame % 97
            ramp = (np.arange(frame, frame + count) % 2**20).astype(np.float32)
            reel.put(np.stack([ramp, -ramp], axis=1))
            frame += count

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        deadline = time.perf_counter() + 60.0
        while not reel.last(seconds)[0]:
            assert time.perf_counter() < deadline, "nothing is held"
        for _ in range(300):
            pieces, first = reel.last(seconds)
            samples = np.concatenate(pieces)
            assert np.array_equal(samples[:, 0], np.arange(first, first + len(samples)) % 2**20)
    finally:
        ending.set()
        thread.join()


def test_a_rolling_buffer_of_no_seconds_holds_nothing() -> None:
    reel = RollingBuffer(0.0, 44100, 2)
    reel.put(BLOCKS[0])
    assert reel.last(10.0)[0] == [] or not np.concatenate(reel.last(10.0)[0]).size


def test_a_full_disk_ends_the_recording_but_not_the_rolling_buffer_or_the_next_recording(
    recorder: Recorder, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    recorder.start(StartRecording(str(tmp_path / "full.wav")))
    play(recorder, BLOCKS[:5])
    wait_for(recorder, lambda n: n.what == "began")
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))  # the kernel refuses every further byte
    try:
        play(recorder, BLOCKS[5:])
        ended = wait_for(recorder, lambda n: n.what == "ended")[-1]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "full.wav ended" in ended.problem
    assert not recorder.recording
    recorder.start(StartRecording(str(tmp_path / "next.wav")))
    play(recorder, BLOCKS)
    recorder.stop()
    wait_for(recorder, lambda n: n.what == "ended" and not n.problem)
    assert read(tmp_path / "next.wav").tobytes() == WHOLE.tobytes()
    recorder.save_last(SaveLast(str(tmp_path / "last.wav"), 1.0))
    assert wait_for(recorder, lambda n: n.what == "saved")[0].problem == ""


def test_a_hanging_disk_ends_the_recording_and_does_not_fill_the_memory(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_LONGEST_QUEUE", 50)
    os.mkfifo(tmp_path / "stuck.flac")
    reader = os.open(tmp_path / "stuck.flac", os.O_RDONLY | os.O_NONBLOCK)  # a pipe takes 64 KiB and no more
    recorder.start(StartRecording(str(tmp_path / "stuck.flac")))
    play(recorder, BLOCKS[:5])
    wait_for(recorder, lambda n: n.what == "began")
    play(recorder, BLOCKS)
    assert not recorder.recording
    recorder.save_last(SaveLast(str(tmp_path / "last.wav"), 1.0))
    wait_for(recorder, lambda n: n.what == "saved" and not n.problem)
    assert read(tmp_path / "last.wav").tobytes() == WHOLE[-44100:].tobytes()
    os.close(reader)  # the disk is removed
    assert wait_for(recorder, lambda n: n.what == "ended")[-1].problem


def test_a_recording_that_cannot_begin_is_reported(recorder: Recorder, tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="cannot record"):
        recorder.first(StartRecording("/nowhere/a.wav"))
    recorder.start(StartRecording(str(tmp_path / "no folder" / "a.flac")))
    play(recorder, BLOCKS[:3])
    assert "cannot record" in wait_for(recorder, lambda n: n.what == "ended")[0].problem
    assert not recorder.recording
