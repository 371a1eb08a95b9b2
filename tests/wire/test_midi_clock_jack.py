"""MIDI clock through a real server: python-rtmidi in another process sends it over JACK."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from riffengine.clock import SystemClock
from riffengine.control.midi.clock_input import MidiClockInput
from tests.wire.jack_server import JackServer

PATIENCE_SECONDS = 120.0
pytestmark = pytest.mark.wire

SENDER = """
import time, rtmidi
out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="sequencer")
found = [n for n, name in enumerate(out.get_ports()) if "riffengine clock" in name]
out.open_port(found[0])
time.sleep(0.3)
out.send_message([0xFA])
start = time.monotonic()
for number in range(24 * 8):
    time.sleep(max(0.0, start + number * 0.02 - time.monotonic()))
    out.send_message([0xF8])
time.sleep(0.3)
out.send_message([0xFC])
time.sleep(0.5)
"""


@pytest.mark.usefixtures("jack")
def test_every_tick_of_a_clock_over_jack_is_received() -> None:
    notes: list[str] = []
    leader = MidiClockInput("", SystemClock(), notes.append)
    opened(leader)
    assert notes == ["MIDI clock comes from 'riffengine clock'"]
    sender = subprocess.Popen([sys.executable, "-c", SENDER])
    try:
        seen = []
        while sender.poll() is None:
            position = leader.position(SystemClock().now_ns())
            if position is not None:
                seen.append(position)
            time.sleep(0.01)
        assert sender.wait() == 0
        assert leader.core.counters.ticks == 24 * 8
        assert seen[-1].epoch == 1
        # The machine may be busy: the tempo is checked roughly, the position exactly.
        assert any(position.playing and abs(position.bpm - 125.0) < 12.0 for position in seen)
    finally:
        leader.close()


@pytest.mark.usefixtures("jack")
def test_a_missing_port_is_named() -> None:
    leader = MidiClockInput("nowhere", SystemClock(), lambda note: None)
    opened(leader)
    assert "no MIDI port is called 'nowhere'" in leader.problem
    leader.close()


def test_a_server_that_stands_still_holds_nobody_up(jack: JackServer) -> None:
    jack.process.send_signal(signal.SIGSTOP)
    try:
        leader = MidiClockInput("", SystemClock(), lambda note: None)
        opened(leader)
        assert "the MIDI system does not answer" in leader.problem
        leader.close()
    finally:
        jack.process.send_signal(signal.SIGCONT)


def opened(leader: MidiClockInput) -> None:
    """Wait until the port is open, or has failed."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not leader.problem and not leader.opened:
        assert time.perf_counter() < deadline
        time.sleep(0.01)
