"""Our MIDI clock on a real port: sent by its own process over JACK, received by our own follower."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from riffengine.clock import SystemClock
from riffengine.control.midi.clock_input import MidiClockInput
from riffengine.control.midi.sender import MidiSender
from riffengine.transport.sync.clock_out import BeatLine

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("jack")]
CLOCK = SystemClock()
PATIENCE_SECONDS = 120.0


def until(true: Callable[[], object], patience_seconds: float = PATIENCE_SECONDS) -> bool:
    deadline = time.perf_counter() + patience_seconds
    while time.perf_counter() < deadline:
        if true():
            return True
        time.sleep(0.01)
    return False


def receiver() -> MidiClockInput:
    leader = MidiClockInput("riffengine clock", CLOCK, lambda note: None)
    assert until(lambda: leader.problem or leader.opened) and not leader.problem, leader.problem
    return leader


def playing(leader: MidiClockInput) -> bool:
    position = leader.position(CLOCK.now_ns())
    return position is not None and position.playing


def test_a_follower_on_a_real_port_is_started_led_and_stopped() -> None:
    sender = MidiSender("")
    notes: list[str] = []
    assert until(lambda: notes.extend(sender.notes()) or sender.open), notes
    assert "riffengine clock" in notes[0]
    leader = receiver()
    try:
        line = BeatLine(CLOCK.now_ns(), 7.0, 125.0)
        sender.send(line)
        assert until(lambda: playing(leader))
        time.sleep(4.0)
        for _ in range(200):  # the messages that are still on their way
            leader.position(CLOCK.now_ns())
            time.sleep(0.01)
        position = leader.position(now := CLOCK.now_ns())
        assert position is not None
        assert position.epoch == 1
        assert position.bpm == pytest.approx(125.0, rel=0.02)
        behind_ms = (line.beat_at(now) - 8.0 - position.beat) * 60e3 / 125  # the song begins on a loop boundary
        print(f"{leader.core.counters}, behind by {behind_ms:.2f} ms, spread {leader.core._fit.spread / 1e6:.2f} ms")
        assert abs(behind_ms) < 20.0  # one tick: none was lost or doubled
        sender.close()
        assert until(lambda: not playing(leader))
        assert sender.wait()
    finally:
        leader.close()


def test_a_missing_port_is_reported() -> None:
    sender = MidiSender("nowhere")
    notes: list[str] = []
    assert until(lambda: notes.extend(sender.notes()) or sender.failed)
    assert "no MIDI port is called 'nowhere'" in notes[0]
    assert not sender.open
    sender.send(BeatLine(0, 0.0, 120.0))  # no process receives it: nothing happens
    sender.close()
    assert sender.wait()


@pytest.mark.slow
def test_a_set_sends_its_clock_from_its_first_loop_to_its_end(tmp_path: Path) -> None:
    words = ["--output", "paced", "--no-osc", "--no-midi", "--bpm", "170", "--seconds", "12", "--clock-out"]
    with (tmp_path / "log").open("w") as log:
        play = subprocess.Popen([sys.executable, "-m", "riffengine", "play", *words], stdout=log, stderr=log)
        leader: list[MidiClockInput] = []

        def told(text: str) -> bool:
            return text in (tmp_path / "log").read_text()

        try:
            assert until(lambda: told("riffengine clock is sent") or play.poll() is not None)
            leader.append(receiver())
            while not until(lambda: playing(leader[0]), 10.0) and play.poll() is None:
                if not leader[0].core.counters.ticks:  # on a busy machine the server drops a client that was late
                    leader.pop().close()
                    leader.append(receiver())
            assert playing(leader[0]), (tmp_path / "log").read_text()
            assert until(lambda: not playing(leader[0]))
            assert play.wait(PATIENCE_SECONDS) == 0
        finally:
            for port in leader:
                port.close()
            play.kill()
            play.wait()
    assert leader[0].core.counters.ticks > 24 * 8
