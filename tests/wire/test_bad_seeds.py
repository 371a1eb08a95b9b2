"""A checkpoint in the real engine gets unusable init files: each gives a clear message, and the loop plays on."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.renderer.riffusion.checkpoints import toy_checkpoints
from tests.wire.osc_session import PATIENCE_SECONDS, OscSurface, playing_set, silences

RATE = 44100
PRESET = f"""
model: "{toy_checkpoints() / "modern"}?device=cpu&scheduler=ddim"
tempo: 180
quantum: beat
steps: 1
draft_steps: 1
deck: {{a: {{prompt: "dub", seed: 3, to_seed: 3, strength: 0.5}}}}
output: {{to: paced, fade_in: 0.02, fade_out: 0.1}}
midi: {{enabled: false}}
osc: {{announce: false}}
"""


def bad_inits(folder: Path) -> dict[str, str]:
    """Values for ``deck/a/init``, and a part of the message that each must give."""
    (folder / "empty.png").touch()
    (folder / "words.png").write_text("no picture at all")
    (folder / "cut.wav").write_bytes(b"RIFF\x00\x00")
    soundfile.write(folder / "nan.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    size = 3 * 3600 * RATE * 2  # three hours, as a sparse file
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", size
    )
    (folder / "hours.wav").write_bytes(header)
    os.truncate(folder / "hours.wav", len(header) + size)
    return {
        "empty.png": "empty.png is empty; give the path",
        "words.png": "is not a readable picture",
        "cut.wav": "cannot be read as audio",
        "nan.wav": "not finite",
        "hours.wav?from=8": "180.0 minutes are too long",
        f"straight?mask={folder / 'empty.png'}": "empty (0 bytes)",
        "straight?colour=red": "cannot be read",
    }


@pytest.fixture
def set_(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], OscSurface]]:
    with playing_set(PRESET, tmp_path) as started:
        yield started


def wait_for_note(journal: Path, words: str) -> None:
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        for line in journal.read_text().splitlines(keepends=True):
            if line.endswith("\n") and words in json.loads(line).get("note", ""):
                return
        time.sleep(0.1)
    raise AssertionError(f"no message contains {words!r}: {journal.read_text()[-2000:]}")


def refusal(surface: OscSurface, init: str) -> str:
    """Why ``init`` is refused at once; "" where it is accepted."""
    surface.received.clear()
    surface.send("/riff/deck/a/init", init)
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        surface.status()
        for address, values in surface.received:
            if address == "/riff/ok" and values == ("deck/a/init", init):
                return ""
            if address == "/riff/error":
                return str(values[1])
    raise AssertionError(f"{init} was not answered")


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_unusable_init_is_reported_and_the_loop_plays_on(
    set_: tuple[subprocess.Popen[str], OscSurface], tmp_path: Path
) -> None:
    process, surface = set_
    surface.wait_until(lambda status: int(str(status["jobs_heard"])) >= 1)
    surface.send("/riff/deck/a/init", "absent.wav")
    assert "there is no file absent.wav" in str(surface.wait_for("/riff/error")[1])
    heard = int(str(surface.status()["jobs_heard"]))
    for init, words in bad_inits(tmp_path).items():
        place = init if init.startswith("straight") else str(tmp_path / init)
        if reason := refusal(surface, place):  # what the engine sees at once is refused at once
            assert words in reason, (init, reason)
            continue
        wait_for_note(tmp_path / "set.jsonl", words)
    wait_for_note(tmp_path / "set.jsonl", "deck a keeps its loops")
    assert int(str(surface.status()["jobs_heard"])) == heard
    surface.send("/riff/deck/a/init", "swing")
    surface.wait_until(lambda status: int(str(status["jobs_heard"])) > heard)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0 and "Traceback" not in output, output
    samples, rate = soundfile.read(tmp_path / "set.wav", dtype="float32", always_2d=True)
    assert np.isfinite(samples).all() and np.abs(samples).max() <= 1.0
    assert silences(samples, rate // 200) == []
    assert list(Path("/dev/shm").glob(f"riffengine-{process.pid}-*")) == []
