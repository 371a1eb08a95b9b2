"""MidiClockInput: the clock comes from a process, and one that does not answer holds up neither engine nor end."""

from __future__ import annotations

import errno
import os
import threading
import time
from multiprocessing.connection import Connection

import pytest

from riffengine.clock import SystemClock, VirtualClock
from riffengine.control.midi import clock_input
from riffengine.control.midi.clock_input import PAUSE_SECONDS, ClockMessage, MidiClockInput, clock_main
from riffengine.control.midi.sender import PortOpened

PATIENCE_SECONDS = 60.0
TICK_NS = 20_000_000  # 125 bpm


def playing(wanted: str, connection: Connection) -> None:
    """A port on which 24 ticks arrive."""
    connection.send(PortOpened(f"opened {wanted}"))
    connection.send(ClockMessage(b"\xfa", 0))
    for number in range(24):
        connection.send(ClockMessage(b"\xf8", number * TICK_NS))
    connection.poll(PATIENCE_SECONDS)


def standing(wanted: str, connection: Connection) -> None:
    """A MIDI system that does not answer, until the system ends the process."""
    clock_input.OPEN_SECONDS = float(wanted)
    clock_input._open = lambda *_: threading.Event().wait()  # type: ignore[assignment]
    clock_main(wanted, connection)


def until(leader: MidiClockInput, ticks: int = 0) -> None:
    """Wait until there is a problem, or ``ticks`` have come."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not leader.problem and not (ticks and leader.core.counters.ticks >= ticks):
        assert time.perf_counter() < deadline
        time.sleep(0.005)


def test_the_clock_of_the_process_is_followed_until_it_ends() -> None:
    notes: list[str] = []
    leader = MidiClockInput("sequencer", SystemClock(), notes.append, playing)
    assert leader.position(0) is None
    until(leader, ticks=24)
    position = leader.position(23 * TICK_NS)
    assert notes == ["opened sequencer"]
    assert position is not None and position.bpm == pytest.approx(125.0)
    assert position.beat == pytest.approx(23 / 24, abs=0.01)
    leader._process.kill()
    until(leader)
    assert "has ended" in leader.problem
    leader.close()


def test_a_midi_system_that_does_not_answer_is_told_and_holds_nobody_up() -> None:
    leader = MidiClockInput("0.01", SystemClock(), lambda note: None, standing)
    until(leader)
    assert "the MIDI system does not answer" in leader.problem
    leader.close()


def test_what_is_still_being_opened_is_ended_when_it_is_closed() -> None:
    clock = VirtualClock()
    leader = MidiClockInput("1000", clock, lambda note: None, standing)
    clock.advance_to(clock.now_ns() + round(PAUSE_SECONDS * 1e9))
    assert not leader.problem
    pid = leader._process.pid
    assert pid is not None
    leader.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_hand_that_goes_past_it_starts_no_process() -> None:
    clock = VirtualClock()
    leader = MidiClockInput("", clock, lambda note: None, standing)
    clock.advance_to(clock.now_ns() + round(PAUSE_SECONDS * 0.9e9))
    assert not leader.problem and leader.position(0) is None
    assert not leader._process.started
    leader.close()


def test_a_system_without_room_for_a_process_is_a_problem_that_is_told() -> None:
    clock = VirtualClock()
    leader = MidiClockInput("", clock, lambda note: None, standing)

    def full() -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    leader._process.start = full  # type: ignore[method-assign]
    clock.advance_to(clock.now_ns() + round(PAUSE_SECONDS * 1e9))
    assert leader.problem.endswith("MIDI clock: Resource temporarily unavailable")
    leader.close()
