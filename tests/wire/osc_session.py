"""Starts a set as a performer does, in its own processes, with an OSC surface to play it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from riffengine.bench.osc_client import free_port
from riffengine.control.osc.wire import decode, encode

PATIENCE_SECONDS = 180.0  # enough on a busy machine; nothing here measures time


class OscSurface:
    """An OSC surface that sends messages and keeps everything it receives."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0.2)
        self.port = port
        self.received: list[tuple[str, tuple[object, ...]]] = []

    def send(self, address: str, *values: float | int | str | bool) -> None:
        self.socket.sendto(encode(address, *values), ("127.0.0.1", self.port))

    def send_raw(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, ("127.0.0.1", self.port))

    def wait_for(self, address: str, found: Callable[[tuple[object, ...]], bool] = bool) -> tuple[object, ...]:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < deadline:
            for received, values in self.received:
                if received == address and found(values):
                    return values
            try:
                self.received += [(r.address, tuple(r.arguments)) for r in decode(self.socket.recv(65536))]
            except TimeoutError:
                continue
        raise AssertionError(f"never received {address}; received {[a for a, _ in self.received]}")

    def status(self) -> dict[str, object]:
        self.received = [item for item in self.received if item[0] != "/riff/status.reply"]
        self.send("/riff/status")
        values = self.wait_for("/riff/status.reply")
        return dict(zip(map(str, values[::2]), values[1::2], strict=True))

    def wait_until(self, condition: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < deadline:
            status = self.status()
            if condition(status):
                return status
            time.sleep(0.1)
        raise AssertionError(f"the status never fulfilled the condition: {status}")


@contextmanager
def playing_set(preset: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], OscSurface]]:
    """``riffengine play`` in ``folder``, once its port is open; it writes ``set.wav`` and ``set.jsonl`` there."""
    port = free_port()
    (folder / "set.yaml").write_text(preset)
    words = ["set.yaml", "--record", "set.wav", "--journal", "set.jsonl", "--osc-port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "riffengine", "play", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder,
    )  # fmt: skip
    surface = OscSurface(port)
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline and process.poll() is None:
        surface.send("/riff/sync", 1)
        try:
            surface.socket.recv(65536)
            break
        except (TimeoutError, ConnectionRefusedError):
            time.sleep(0.1)
    try:
        assert process.poll() is None, process.communicate(timeout=PATIENCE_SECONDS)[0]
        yield process, surface
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
        surface.socket.close()


def is_on_its_beat(surface: OscSurface, beat: float, at: float) -> bool:
    """Whether the beat is what it would be had nothing happened since it was ``beat`` at ``at``; waits for it."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        asked = time.perf_counter()
        found = float(str(surface.status()["beat"]))
        answered = time.perf_counter()
        # By the time between question and answer, and the 0.1 s that a report of the player may be old.
        if beat + 2.0 * (asked - at - 0.2) < found < beat + 2.0 * (answered - at + 0.2):
            return True
        time.sleep(0.1)
    return False


def silences(samples: np.ndarray, longest_frames: int) -> list[int]:
    """The frames where runs of digital silence longer than ``longest_frames`` begin, between first and last sound."""
    quiet = np.all(samples == 0.0, axis=1)
    sounding = np.flatnonzero(~quiet)
    quiet = quiet[sounding[0] : sounding[-1] + 1]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    return [int(a) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > longest_frames]
