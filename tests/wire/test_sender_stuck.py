"""A JACK server that has stopped reading: the process that sends MIDI must not loop for ever."""

from __future__ import annotations

import os
import signal
import time

import pytest

from riffengine.clock import SystemClock
from riffengine.control.midi.sender import MidiSender, TimedMessage
from tests.wire.jack_server import JackServer

pytestmark = pytest.mark.wire
PATIENCE_SECONDS = 60.0
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
