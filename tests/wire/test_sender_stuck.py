"""A JACK server that has stopped reading: the process that sends MIDI must not loop for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from riffengine.bench.osc_client import free_port
from riffengine.clock import SystemClock
from riffengine.control.midi.sender import MidiSender, TimedMessage
from tests.wire.jack_server import JackServer

pytestmark = pytest.mark.wire
PATIENCE_SECONDS = 180.0  # enough on a busy machine
MORE_THAN_JACK_HOLDS = 6000  # messages; the driver has room for 16 kB


def test_a_sender_whose_server_has_stopped_ends_and_reports_it(jack: JackServer) -> None:
    sender = MidiSender("", "riffengine stuck")
    said: list[str] = []
    deadline = time.perf_counter() + PATIENCE_SECONDS
    try:
        while not sender.open and time.perf_counter() < deadline:
            said += sender.notes()
            time.sleep(0.05)
        assert sender.open
        os.kill(jack.process.pid, signal.SIGSTOP)
        for _ in range(MORE_THAN_JACK_HOLDS):
            sender.send(TimedMessage(SystemClock().now_ns(), bytes((0xB0, 1, 64))))
        while not sender.ended and time.perf_counter() < deadline:
            said += sender.notes()
            time.sleep(0.05)
        assert sender.ended and not sender.failed
        assert sender.wait(PATIENCE_SECONDS)
    finally:
        os.kill(jack.process.pid, signal.SIGCONT)
        sender.close()
        sender.wait()


def test_a_driver_that_never_closes_holds_the_end_of_a_set_for_seconds_alone(jack: JackServer, tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(
        "output: {to: paced, fade_out: 0.5}\nmidi: {ports: []}\ndeck: {a: {prompt: house, seed: 3}}\n"
    )
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONUNBUFFERED": "1"}
    words = ["play", "set.yaml", "--record", "set.wav", "--osc-port", str(free_port())]
    with (tmp_path / "output").open("w") as output:
        engine = subprocess.Popen(
            [sys.executable, "-m", "riffengine", *words], stdout=output, stderr=output, cwd=tmp_path, env=environment
        )
    try:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while not all(word in (tmp_path / "output").read_text() for word in ("MIDI in (JACK)", "deck a:")):
            assert time.perf_counter() < deadline, (tmp_path / "output").read_text()
            time.sleep(0.1)
        os.kill(jack.process.pid, signal.SIGSTOP)
        engine.send_signal(signal.SIGINT)
        engine.wait(PATIENCE_SECONDS)  # for ever before
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < deadline:  # the player finishes the file by itself
            before = (tmp_path / "set.wav").stat().st_size
            time.sleep(0.5)
            if (tmp_path / "set.wav").stat().st_size == before:
                break
    finally:
        os.kill(jack.process.pid, signal.SIGCONT)
        engine.kill()
        engine.wait()
    samples, rate = soundfile.read(tmp_path / "set.wav", always_2d=True)
    assert len(samples) > rate and abs(samples[-rate // 20 :]).max() < 0.05  # it has faded out
