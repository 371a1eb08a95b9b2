"""Notes on a real port over JACK: in time, in order, withdrawn, and none hangs after the engine was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from riffengine.clock import SystemClock
from riffengine.control.midi.port_names import normalised
from riffengine.control.midi.sender import CancelMessages, MidiSender, TimedMessage

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("jack")]
PATIENCE_SECONDS = 60.0
CLIENT = "riffengine notes"
PROBE = bytes((0x8F, 0, 0))  # ends a note that was never played: before JACK has made a connection, messages are lost
ENGINE = f"""
import select, sys, time
from riffengine.clock import SystemClock
from riffengine.control.midi.sender import MidiSender, TimedMessage

if __name__ == "__main__":
    sender = MidiSender("", {CLIENT!r})
    while not sender.open:
        sender.notes()
        time.sleep(0.05)
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        sender.send(TimedMessage(SystemClock().now_ns(), {PROBE!r}))
    for pitch in range(60, 64):
        sender.send(TimedMessage(SystemClock().now_ns(), bytes((0x91, pitch, 100))))
    time.sleep(600)
"""


class NoteReceiver:
    """A receiver of our notes: the notes that are held, and every message with its time of arrival."""

    def __init__(self, port: Any) -> None:
        self.port = port
        self.connected = False  # a probe has arrived
        self.ringing: set[tuple[int, int]] = set()
        self.heard: list[tuple[int, tuple[int, ...]]] = []

    @classmethod
    def find(cls, probe: Callable[[], None] = lambda: None) -> NoteReceiver:
        """A receiver whose probe has arrived, of a sender that probes by itself or by ``probe``.

        Until then it looks again and again: JACK lists the port of a sender that has ended for a while longer,
        and shuts a client out that a loaded machine has kept from answering.
        """
        import rtmidi

        deadline = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < deadline:
            port = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="receiver")
            for number, name in enumerate(port.get_ports()):
                if CLIENT in normalised(name):
                    port.open_port(number)
                    found = cls(port)
                    if found.until(lambda: probe() or found.connected, seconds=2.0):  # noqa: B023 - used here only
                        return found
                    break
            port.close_port()
            port.delete()
            time.sleep(0.1)
        raise AssertionError(f"no port of {CLIENT} is heard")

    def hear(self) -> None:
        while (found := self.port.get_message()) is not None:
            status, pitch, velocity = found[0]
            if (status, pitch, velocity) == tuple(PROBE):
                self.connected = True
                continue
            self.heard.append((SystemClock().now_ns(), (status, pitch, velocity)))
            key = (status & 15, pitch)
            if status & 0xF0 == 0x90 and velocity:
                assert key not in self.ringing
                self.ringing.add(key)
            else:
                self.ringing.discard(key)

    def until(self, true: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> bool:
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            self.hear()
            if true():
                return True
            time.sleep(0.005)
        return False

    def close(self) -> None:
        self.port.close_port()
        self.port.delete()


@pytest.fixture
def sender(jack: object) -> Iterator[MidiSender]:
    one = MidiSender("", CLIENT)
    yield one
    one.close()
    one.wait()


@pytest.fixture
def receiver(sender: MidiSender) -> Iterator[NoteReceiver]:
    """A receiver that is certain to be connected to ``sender``."""
    found = NoteReceiver.find(lambda: sender.send(TimedMessage(SystemClock().now_ns(), PROBE)))
    yield found
    found.close()


def test_notes_are_sent_at_their_time_and_withdrawn_ones_never(sender: MidiSender, receiver: NoteReceiver) -> None:
    begin = SystemClock().now_ns() + 500_000_000
    for step in range(20):
        at = begin + step * 50_000_000
        sender.send(TimedMessage(at, bytes((0x90, 40 + step, 100))))
        sender.send(TimedMessage(at + 30_000_000, bytes((0x80, 40 + step, 0))))
    for step in range(20):  # of a loop that another one has replaced
        sender.send(TimedMessage(begin + 2_000_000_000 + step * 1_000_000, bytes((0x90, 90, 100))))
    sender.send(CancelMessages(from_ns=begin + 1_500_000_000))
    assert receiver.until(lambda: len(receiver.heard) == 40)
    assert [message for _, message in receiver.heard] == [
        message for step in range(20) for message in ((0x90, 40 + step, 100), (0x80, 40 + step, 0))
    ]
    assert all(ns >= begin + step * 50_000_000 for step, (ns, _) in enumerate(receiver.heard[::2]))  # none was early
    receiver.until(lambda: SystemClock().now_ns() > begin + 2_200_000_000)
    assert len(receiver.heard) == 40 and not receiver.ringing


def test_held_notes_end_when_the_sender_is_closed(sender: MidiSender, receiver: NoteReceiver) -> None:
    sender.send(TimedMessage(SystemClock().now_ns(), bytes((0x99, 36, 127))))
    assert receiver.until(lambda: receiver.ringing == {(9, 36)})
    sender.close()
    assert receiver.until(lambda: not receiver.ringing)


def test_no_note_hangs_after_the_engine_was_killed(tmp_path: Path) -> None:
    (tmp_path / "engine.py").write_text(ENGINE)
    engine = subprocess.Popen([sys.executable, str(tmp_path / "engine.py")], stdin=subprocess.PIPE, text=True)
    receiver = NoteReceiver.find()
    try:
        assert engine.stdin is not None
        engine.stdin.write("go\n")
        engine.stdin.flush()
        assert receiver.until(lambda: len(receiver.ringing) == 4)
        engine.send_signal(signal.SIGKILL)
        assert receiver.until(lambda: not receiver.ringing)
    finally:
        engine.kill()
        engine.wait()
        engine.stdin.close()
        receiver.close()
