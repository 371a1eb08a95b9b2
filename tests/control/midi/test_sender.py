"""The outbox of the process that sends MIDI: in time, in order, and no hanging note."""

import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

import pytest

from riffengine.control.midi import sender
from riffengine.control.midi.sender import CancelMessages, MidiSender, Outbox, SenderOptions, TimedMessage, sender_main
from riffengine.transport.sync.clock_out import BeatLine

ON, OFF = b"\x90\x3c\x64", b"\x80\x3c\x00"


def test_messages_leave_when_they_are_due_and_in_their_order() -> None:
    outbox = Outbox()
    for ns, message in ((30, b"\xc0\x01"), (20, OFF), (20, ON), (10, ON)):
        assert outbox.handle(TimedMessage(ns, message), 0) == []
    assert outbox.next_ns() == 10
    assert outbox.due(15) == [ON]
    assert outbox.due(25) == [OFF, ON]
    assert outbox.due(30) == [b"\xc0\x01"]


def test_only_later_messages_are_withdrawn() -> None:
    outbox = Outbox()
    for ns in (10, 20, 30):
        outbox.handle(TimedMessage(ns, bytes((0xB0, 1, ns))), 0)
    assert outbox.handle(CancelMessages((OFF,), from_ns=20), 0) == [OFF]
    assert outbox.due(100) == [bytes((0xB0, 1, 10))]
    outbox.handle(TimedMessage(200, ON), 0)
    outbox.handle(CancelMessages(), 0)
    assert outbox.due(1000) == []


def test_receivers_start_where_a_loop_begins() -> None:
    for beats in (4, 8, 16):
        outbox = Outbox(beats)
        outbox.handle(BeatLine(0, 1.0, 60.0, playing=True), 0)  # beat 1 is now, one beat is a second
        started = next(ns for ns in range(0, 20_000_000_000, 10_000_000) if b"\xfa" in outbox.due(ns))
        assert abs(started / 1e9 - (beats - 1)) < 0.05


def test_no_note_hangs_when_the_engine_has_ended() -> None:
    outbox = Outbox()
    outbox.handle(BeatLine(0, 0.0, 120.0, playing=False), 0)
    for ns, message in (
        (1, ON),
        (2, b"\x99\x24\x70"),
        (3, b"\x99\x24\x00"),
        (4, b"\x91\x3c\x64"),
        (900, b"\x92\x40\x40"),
    ):
        outbox.handle(TimedMessage(ns, message), 0)
    outbox.due(10)
    assert outbox.final_messages() == [OFF, b"\x81\x3c\x00"]
    assert outbox.final_messages() == []
    assert outbox.next_ns() > 900  # what waited is forgotten; the clock has its own time


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no process")
def test_a_sender_that_stands_still_holds_neither_the_engine_nor_its_end() -> None:
    found = MidiSender("nowhere")
    pid = found.pid
    os.kill(pid, signal.SIGSTOP)
    for _ in range(20_000):  # ten times what its pipe holds
        found.send(TimedMessage(0, ON))
    found.close()
    found.end(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def standing(options: SenderOptions, connection: Connection) -> None:
    """A MIDI system that does not answer."""
    sender.OPEN_SECONDS = 0.01
    sender._open = lambda *_: threading.Event().wait()  # type: ignore[assignment]
    sender_main(options, connection)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such timer")
def test_a_sender_whose_midi_system_does_not_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "sender_main", standing)
    found = MidiSender("")
    assert found.wait(60.0)
    assert found.notes() == [] and found.ended
    found.close()
