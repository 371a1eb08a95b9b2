"""What a JACK client plays to the music comes back as what a deck starts from, on the bar line to the sample."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jack as jack_client
import numpy as np
import pytest
import soundfile

from tests.wire.jack_server import JackServer
from tests.wire.osc_session import PATIENCE_SECONDS, playing_set

RATE, PERIOD = 48000, 512
BAR = 64000  # frames of four beats at 180 bpm
# What the preset gives as the latency, since no driver knows it, is 1024 frames: a circle of clients in JACK takes one
# period more, and PortAudio, which is not told how long JACK's periods are, keeps one block.
PRESET = """
tempo: 180
steps: 2
draft_steps: 2
deck: {a: {prompt: "house, electronic drums", seed: 3, to_seed: 3, strength: 0.5}}
output: {to: device, sample_rate: 48000, block_frames: 512, fade_out: 0.05, input: true, input_latency: 0.0213333}
record: {folder: taken}
midi: {enabled: false}
osc: {announce: false}
"""


class Band:
    """A client that hears the engine and plays a recording to it; both are kept, frame by frame."""

    def __init__(self, server: JackServer, recording: np.ndarray) -> None:
        self._recording, self._at = recording, 0
        self.heard: list[np.ndarray] = []
        self.sent: list[np.ndarray] = []
        self.client: Any = jack_client.Client("band", servername=server.name, no_start_server=True)
        self._ear, self._mouth = self.client.inports.register("ear"), self.client.outports.register("mouth")
        self.client.set_process_callback(self._process)
        self.client.activate()
        (ear, mouth) = self._peer("out_0"), self._peer("in_0")
        self.client.connect(ear, self._ear)
        self.client.connect(self._mouth, mouth)

    def _peer(self, ending: str) -> Any:
        ports = [port for port in self.client.get_ports(f".*{ending}$") if not port.name.startswith(("system", "band"))]
        assert len(ports) == 1, self.client.get_ports()
        return ports[0]

    def _process(self, frames: int) -> None:
        block = self._recording[self._at : self._at + frames]
        self._at += frames
        self._mouth.get_array()[:] = block
        self.heard.append(self._ear.get_array().copy())
        self.sent.append(block)

    def close(self) -> tuple[np.ndarray, np.ndarray]:
        self.client.deactivate()
        self.client.close()
        return np.concatenate(self.heard), np.concatenate(self.sent)


def recording() -> np.ndarray:
    """A minute of strokes of noise, no two alike."""
    noise = np.random.default_rng(1).normal(size=60 * RATE)
    since = np.arange(60 * RATE) % 8000
    return (0.2 * np.exp(-since / 1500.0) * noise).astype(np.float32)


def taken(folder: Path, number: int) -> Path:
    """The file of the capture ``number``, once it is there."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        found = list((folder / "taken").glob(f"riffengine-input-*-{number}.flac"))
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no capture {number} was saved")


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_bars_that_were_played_to_the_music_are_the_init_of_a_deck(
    jack_server: Callable[[int, int], JackServer], tmp_path: Path
) -> None:
    server = jack_server(RATE, PERIOD)
    with playing_set(PRESET, tmp_path) as (process, surface):
        surface.wait_until(lambda status: int(str(status["jobs_heard"])) >= 1)
        band = Band(server, recording())
        began = float(str(surface.status()["beat"]))
        surface.wait_until(lambda status: float(str(status["beat"])) > began + 13)
        surface.send("/riff/deck/a/capture", 2)
        surface.wait_for("/riff/ok", lambda v: v[0] == "deck/a/capture")
        path = taken(tmp_path, 1)
        surface.wait_until(lambda status: int(str(status["jobs_heard"])) >= 2)
        surface.send("/riff/deck/a/follow_energy", 1)  # the listener hears the bars first
        surface.send("/riff/deck/a/follow", 1)
        taken(tmp_path, 4)
        landed = int(str(surface.status()["jobs_heard"]))
        surface.wait_until(lambda status: int(str(status["jobs_heard"])) > landed)
        heard, sent = band.close()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    print(output)
    loop, rate = soundfile.read(path, dtype="float32")
    own, _ = soundfile.read(tmp_path / "set.wav", dtype="float32")
    with soundfile.SoundFile(path) as file:
        assert file.comment == f"riffengine beats=8 frames={2 * BAR}"
    assert rate == RATE and len(loop) == 2 * BAR + RATE // 50
    found = place_of(loop[:BAR, 0], sent)
    assert np.abs(loop[:, 0] - sent[found : found + len(loop)]).max() < 2**-22  # 24 bit
    heard_from = place_of(heard[len(heard) // 2 :][:20000], own[:, 0]) - len(heard) // 2
    off = (found + heard_from + BAR // 2) % BAR - BAR // 2
    print(f"the capture begins {1000 * off / RATE:+.3f} ms from the bar line")
    assert abs(off) <= RATE // 1000
    again, _ = soundfile.read(taken(tmp_path, 2), dtype="float32")
    assert (place_of(again[: BAR // 2, 0], sent) - found) % BAR == 0
    journal = (tmp_path / "set.jsonl").read_text()
    assert path.name in journal and '"input"' in journal
    followed = [json.loads(line) for line in journal.splitlines()[1:] if '"follow"' in line]
    assert taken(tmp_path, 2).name in str([entry for entry in followed if entry.get("path") == "deck/a/init"])
    words = [sys.executable, "-m", "riffengine", "render", "--journal", "set.jsonl", "-o", "again.wav", "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["changed_files"] == [], done.stdout + done.stderr
    replayed, _ = soundfile.read(tmp_path / "again.wav", dtype="float32")
    assert np.array_equal(replayed, own)  # with every capture that it started from


def place_of(part: np.ndarray, whole: np.ndarray) -> int:
    """Where ``part`` lies in ``whole``."""
    size = 1 << (len(whole) + len(part)).bit_length()
    products = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    return int(np.argmax(products[: len(whole)]))
