"""`riffengine serve` as systemd starts it: real processes, notify socket, HTTP port and signals; and its unit file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from prometheus_client.parser import text_string_to_metric_families

from riffengine.control.osc.wire import encode
from tests.needed import needs

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 180.0  # enough on a busy machine; nothing here measures time
PRESET = """
name: Gallery
quantum: beat
deck: {a: {prompt: "techno, driving", seed: 3}}
output: {to: paced, fade_in: 0.02, fade_out: 0.4}
record: {keep_minutes: 1, folder: %s}
midi: {enabled: false}
"""


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """One run of the service, with the socket of systemd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.osc_port, self.http_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        (folder / "notify").unlink(missing_ok=True)
        self.notify_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify_socket.bind(str(folder / "notify"))
        self.notify_socket.setblocking(False)
        self.notifications: list[str] = []
        environment = os.environ | {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "4000000"}
        environment.pop("WATCHDOG_PID", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "riffengine", "serve", str(folder / "set.yaml"), "--log", str(folder / "log"),
             "--record", str(folder / "set.flac"), "--osc-port", str(self.osc_port),
             "--http-port", str(self.http_port)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def log(self) -> list[dict[str, object]]:
        file = self.folder / "log"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def has_logged(self, part: str) -> bool:
        return any(part in str(line.get("text", "")) for line in self.log())

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while not condition():
            assert self.process.poll() is None, (self.process.communicate()[0], self.log())
            assert time.perf_counter() < deadline, self.log()
            self.read_notifications()
            time.sleep(0.05)
        self.read_notifications()

    def read_notifications(self) -> None:
        while True:
            try:
                self.notifications.append(self.notify_socket.recv(4096).decode())
            except BlockingIOError:
                return

    def send(self, address: str, *values: float | int | str | bool) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(encode(address, *values), ("127.0.0.1", self.osc_port))

    def terminate(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.read_notifications()
        return output

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.notify_socket.close()


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_service_from_start_to_end_and_its_next_start(tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(PRESET % tmp_path)
    first = Service(tmp_path)
    try:
        first.wait(lambda: first.get("/health")[0] == 200)
        first.wait(lambda: any(note.startswith("READY=1") for note in first.notifications))
        first.send("/riff/deck/a/seed", 77)
        first.send("/riff/record/save_last")
        first.wait(lambda: first.has_logged("saved the last"))
        first.wait(lambda: first.has_logged("seed 77"))
        first.wait(lambda: first.notifications.count("WATCHDOG=1") >= 2)
        saved_state = Path(os.environ["XDG_STATE_HOME"]) / "riffengine" / "last.json"
        first.wait(
            lambda: saved_state.exists() and json.loads(saved_state.read_text())["parameters"]["deck/a/seed"] == 77
        )
        figures = {f.name: f for f in text_string_to_metric_families(first.get("/metrics")[1])}
        assert figures["riffengine_sounding"].samples[0].value == 1.0
        assert {s.labels["surface"]: s.value for s in figures["riffengine_messages"].samples} == {"OSC": 2.0}
        assert {s.labels["process"] for s in figures["riffengine_process_threads"].samples} == {
            "engine", "renderer", "player"
        }  # fmt: skip
        output = first.terminate()
    finally:
        first.end()
    assert (first.process.returncode, output) == (0, "")
    assert any(note.startswith("STOPPING=1") for note in first.notifications)
    assert [line["event"] for line in first.log()][-1] == "closed"

    heard, _ = soundfile.read(tmp_path / "set.flac", always_2d=True)
    assert np.abs(heard).max() > 0.01 and not heard[-50:].any()  # complete, and faded out
    saved = next(tmp_path.glob("riffengine-last-*.flac"))
    last = soundfile.read(saved, always_2d=True)[0]
    loudest = int(np.abs(last[:, 0]).argmax())  # it may begin with silence, and loops repeat
    places = np.flatnonzero(heard[:, 0] == last[loudest, 0]) - loudest
    assert any(np.array_equal(heard[place : place + len(last)], last) for place in places if place >= 0)
    for sheet in (Path(f"{saved}.cue"), tmp_path / "set.flac.cue"):
        assert 'TITLE "techno, driving"' in sheet.read_text("utf-8"), sheet

    second = Service(tmp_path)
    try:
        second.wait(lambda: second.has_logged("resumed: 1 loops"))
        second.wait(lambda: second.get("/health")[0] == 200)
        assert second.process.returncode is None
        second.terminate()
    finally:
        second.end()
    assert second.process.returncode == 0
    assert (tmp_path / "set-2.flac").exists()  # the recording of the first run is saved_state


@pytest.mark.wire
@pytest.mark.parametrize("arguments", [(), ("--output", "paced", "--record", "a %n $HOME\"'\\ b.flac")])
def test_systemd_accepts_the_unit(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    needs("systemd", "systemd-analyze")
    preset = tmp_path / "my set.yaml"
    preset.write_text(PRESET % tmp_path)
    unit = subprocess.run(
        ["bash", str(ROOT / "tools" / "install-service"), "--system", str(preset), *arguments],
        env=os.environ | {"RIFFENGINE_PROGRAM": "/bin/true"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "riffengine-my-set.service" in unit.stderr  # the unit is named, but not installed
    assert not Path("/etc/systemd/system/riffengine-my-set.service").exists()
    for line in ("Type=notify", "WatchdogSec=30", "KillMode=mixed", "Restart=on-failure"):
        assert f"\n{line}\n" in unit.stdout
    file = tmp_path / "riffengine-my-set.service"
    file.write_text(unit.stdout)
    verified = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, f"more exposed than 3.0: {rated.stdout[-200:]}"


@pytest.mark.wire
def test_a_preset_is_checked_without_playing_it(tmp_path: Path) -> None:
    serve = [sys.executable, "-m", "riffengine", "serve", str(tmp_path / "set.yaml"), "--check"]
    (tmp_path / "set.yaml").write_text("tempo: 5")
    refused = subprocess.run(serve, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "60 to 180" in refused.stderr
    (tmp_path / "set.yaml").write_text(PRESET.replace("to: paced", "to: paced, record: set.mp3") % tmp_path)
    refused = subprocess.run(serve, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "must end in .wav or .flac" in refused.stderr
    (tmp_path / "set.yaml").write_text(PRESET % tmp_path)
    assert subprocess.run(serve, capture_output=True, check=False).returncode == 0
