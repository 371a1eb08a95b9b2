"""The whole engine as a performer starts it: real processes, real OSC, a renderer killed, the sound on disk."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.control.osc_wire import decode, encode

PATIENCE_SECONDS = 180.0  # of a loaded machine; nothing here measures time
PRESET = """
tempo: 120
quantum: beat
deck: {a: {prompt: "techno, driving", to: "ambient, pad", seed: 3, to_seed: 4, drift: 0.5}}
output: {to: paced, fade_in: 0.02, fade_out: 0.3}
midi: {enabled: false}
"""


class Surface:
    """An OSC surface: sends, and keeps everything that comes back."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0.2)
        self.port = port
        self.heard: list[tuple[str, tuple[object, ...]]] = []

    def send(self, address: str, *values: float | int | str | bool) -> None:
        self.socket.sendto(encode(address, *values), ("127.0.0.1", self.port))

    def send_raw(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, ("127.0.0.1", self.port))

    def wait_for(self, address: str, found: Callable[[tuple[object, ...]], bool] = bool) -> tuple[object, ...]:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < deadline:
            for heard, values in self.heard:
                if heard == address and found(values):
                    return values
            try:
                self.heard += [(r.address, tuple(r.arguments)) for r in decode(self.socket.recv(65536))]
            except TimeoutError:
                continue
        raise AssertionError(f"never heard {address}; heard {[a for a, _ in self.heard]}")

    def status(self) -> dict[str, object]:
        self.heard = [item for item in self.heard if item[0] != "/riff/status.reply"]
        self.send("/riff/status")
        values = self.wait_for("/riff/status.reply")
        return dict(zip(map(str, values[::2]), values[1::2], strict=True))

    def wait_until(self, what: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < deadline:
            status = self.status()
            if what(status):
                return status
            time.sleep(0.1)
        raise AssertionError(f"it never came to that: {status}")


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Surface, Path]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "set.yaml").write_text(PRESET)
    process = subprocess.Popen(
        [sys.executable, "-m", "riffengine", "play", str(tmp_path / "set.yaml"), "--record", str(tmp_path / "set.wav"),
         "--journal", str(tmp_path / "set.jsonl"), "--osc-port", str(port)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    surface = Surface(port)
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:  # until the port is open
        surface.send("/riff/sync", 1)
        try:
            surface.socket.recv(65536)
            break
        except (TimeoutError, ConnectionRefusedError):
            time.sleep(0.1)
    yield process, surface, tmp_path
    if process.poll() is None:
        process.kill()
    process.communicate()
    surface.socket.close()


def silences(samples: np.ndarray, longest_frames: int) -> list[int]:
    """Where a run of digital silence longer than ``longest_frames`` begins, after the first sound."""
    quiet = np.all(samples == 0.0, axis=1)
    sounding = np.flatnonzero(~quiet)
    quiet = quiet[sounding[0] : sounding[-1] + 1]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    return [int(a) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > longest_frames]


@pytest.mark.wire
@pytest.mark.slow
def test_a_set_with_osc_garbage_and_a_renderer_killed_three_times(
    playing: tuple[subprocess.Popen[str], Surface, Path],
) -> None:
    process, surface, folder = playing
    surface.wait_until(lambda s: int(s["jobs_heard"]) >= 1)
    killed: set[int] = set()
    for number in range(3):
        pid = int(surface.wait_until(lambda s: int(s["renderer_pid"]) not in {0, *killed})["renderer_pid"])
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
        surface.send("/riff/deck/a/seed", 50 + number)  # asked for while there is no renderer
        surface.wait_for("/riff/ok", lambda v, n=number: v == ("deck/a/seed", 50 + n))
    heard = int(surface.status()["jobs_heard"])
    surface.send("/riff/deck/a/prompt", "bossa nova, acoustic guitar")
    surface.wait_for("/riff/landing", lambda v: v[0] == "deck/a/prompt")
    surface.wait_until(lambda s: int(s["jobs_heard"]) > heard)

    surface.send("/riff/deck/a/to", "techno, xylofoon")
    assert "xylo" in str(surface.wait_for("/riff/note", lambda v: v[0] == "deck/a/to")[1])

    before = surface.status()["revision"]
    surface.send("/riff/deck/a/drift", 0.0)
    surface.send("/riff/deck/a/alpha", 0.25)
    surface.wait_for("/riff/ok", lambda v: v == ("deck/a/alpha", 0.25))
    steady = surface.wait_until(lambda s: s["revision"] != before)["revision"]
    surface.send_raw(b"\xff\x00 this is not OSC")
    surface.wait_for("/riff/error", lambda v: v[0] == "")
    for address, value in (("alpha", "loud"), ("seed", 1.5), ("prompt", 3), ("volume", 1.0)):
        surface.send(f"/riff/deck/a/{address}", value)
        surface.heard = [item for item in surface.heard if item[0] != "/riff/error"]
        surface.wait_for("/riff/error", lambda v, a=address: v[0] == f"/riff/deck/a/{a}")
    assert surface.status()["revision"] == steady

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    assert "Traceback" not in output

    samples, rate = soundfile.read(folder / "set.wav", dtype="float32", always_2d=True)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.0
    assert silences(samples, rate // 200) == []
    lines = [json.loads(line) for line in (folder / "set.jsonl").read_text().splitlines()]
    assert any(line.get("path") == "deck/a/prompt" and line["kind"] == "command" for line in lines)
    assert any("landed on beat" in line.get("note", "") for line in lines)
    assert list(Path("/dev/shm").glob(f"riffengine-{process.pid}-*")) == []
