"""OptionalSender: open while it is wanted; a refusal and the sender's messages are reported once."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from riffengine.control.midi.sender import MidiSender
from riffengine.engine.midi_out.optional_sender import OptionalSender
from riffengine.errors import ControlError


class Port:
    """A sender that counts, and ends ``ends_after`` looks after it was closed, or when it is killed."""

    def __init__(self, said: list[str], ends_after: int = 0) -> None:
        self._said, self.looks_left = said, ends_after
        self.sent: list[int] = []
        self.closed = 0
        self.ended = False

    def send(self, order: int) -> None:
        self.sent.append(order)

    def notes(self) -> list[str]:
        told, self._said = self._said, []
        return told

    def close(self) -> None:
        self.closed += 1

    def gone(self) -> bool:
        self.looks_left -= 1
        return self.looks_left < 0

    def kill(self) -> None:
        self.looks_left = 0

    def end(self) -> None:
        self.looks_left = 0


def test_it_is_open_while_wanted_and_reports_the_senders_messages_once() -> None:
    ports: list[Port] = []
    said: list[str] = []

    def opened() -> Port:
        ports.append(Port(["the port is open"]))
        return ports[-1]

    optional = OptionalSender(opened, "nothing goes out", said.append)
    assert optional.sender(False, 0) is None and not ports
    assert optional.sender(True, 0) is ports[0] is optional.sender(True, 0)
    assert said == ["the port is open"]
    assert optional.sender(False, 0) is None and ports[0].closed == 1
    assert optional.sender(True, 500_000_000) is ports[1]
    optional.close()
    optional.close()
    assert [port.closed for port in ports] == [1, 1]


def test_a_refusal_is_reported_once_until_it_was_switched_off() -> None:
    tries: list[int] = []
    said: list[str] = []

    def refused() -> Port:
        tries.append(len(tries))
        raise ControlError("no such port")

    optional = OptionalSender(refused, "nothing goes out", said.append)
    for _ in range(3):
        assert optional.sender(True, 0) is None
    assert said == ["nothing goes out: no such port"] and len(tries) == 1
    optional.sender(False, 0)
    optional.sender(True, 0)
    assert len(tries) == 2


def test_a_sender_that_dies_is_opened_again_after_growing_pauses() -> None:
    ports: list[Port] = []
    said: list[str] = []

    def opened() -> Port:
        ports.append(Port([]))
        return ports[-1]

    second = 1_000_000_000
    optional = OptionalSender(opened, "nothing goes out", said.append)
    assert optional.sender(True, 0) is ports[0]
    for deaths, (died, after) in enumerate([(1, 0.0), (2, 0.5), (3, 2.0), (6, 5.0), (12, 5.0)], 1):
        ports[-1].ended = True
        assert optional.sender(True, died * second) is None and ports[-1].closed == 1
        assert optional.sender(True, died * second + round(after * second) - 1) is None or after == 0.0
        assert optional.sender(True, died * second + round(after * second)) is ports[deaths]
    ports[-1].ended = True
    assert optional.sender(True, 100 * second) is None
    assert optional.sender(True, 100 * second) is ports[-1], "it had lived long: the row begins again"
    assert len(said) == 6 and "nothing goes out: its process has ended; it is started again in 5 s" in said


def test_a_sender_that_the_system_cannot_start_is_tried_again() -> None:
    room = [OSError(24, "Too many open files"), OSError(11, "try again"), None]
    said: list[str] = []

    def opened() -> Port:
        if (error := room.pop(0)) is not None:
            raise error
        return Port([])

    optional = OptionalSender(opened, "nothing goes out", said.append)
    tries = [optional.sender(True, ms * 1_000_000) for ms in (0, 1, 400, 600)]
    assert [found is not None for found in tries] == [False, False, False, True]
    assert len(said) == 2 and "Too many open files" in said[0]


@pytest.mark.parametrize("ends_after", [0, 10, 1_000_000])
def test_a_switch_that_is_played_like_a_drum_opens_one_sender_at_a_time_and_the_last_wish_wins(ends_after: int) -> None:
    ports: list[Port] = []

    def opened() -> Port:
        assert not ports or ports[-1].looks_left < 0, "there is one already"
        ports.append(Port([], ends_after))
        return ports[-1]

    optional = OptionalSender(opened, "nothing goes out", lambda text: None)
    tick, now_ns = 20_000_000, 0
    for toggle in range(100):
        optional.sender(toggle % 2 == 0, now_ns)
        now_ns += tick
    assert 1 < len(ports) <= 1 + 100 * tick / 500_000_000, "in two seconds"
    for _ in range(100):
        last = optional.sender(True, now_ns)
        now_ns += tick
    assert last is ports[-1] and not last.closed  # type: ignore[union-attr]
    assert [port.closed for port in ports[:-1]] == [1] * (len(ports) - 1)


def test_a_sender_that_hangs_when_it_is_closed_is_killed_after_a_second() -> None:
    ports: list[Port] = []

    def opened() -> Port:
        ports.append(Port([], 1_000_000))
        return ports[-1]

    optional = OptionalSender(opened, "nothing goes out", lambda text: None)
    seconds = [step / 10 for step in range(40)]
    found = [optional.sender(second != 1.0, round(second * 1e9)) for second in seconds]
    assert [ports.index(port) if port is not None else None for port in found] == [0] * 10 + [None] * 12 + [1] * 18  # type: ignore[arg-type]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts descriptors and processes in /proc")
def test_switches_leave_no_descriptor_and_no_process() -> None:
    opened: list[int] = []

    def open_sender() -> MidiSender:
        found = MidiSender("", "test")
        opened.append(found.pid)
        return found

    sender: OptionalSender[object] = OptionalSender(open_sender, "none", lambda text: None)
    left: list[int] = []
    for _ in range(4):
        while sender.sender(True, time.monotonic_ns()) is None:  # the last one ends first, and half a second passes
            time.sleep(0.01)
        sender.close()
        while Path(f"/proc/{opened[-1]}").exists():
            sender.sender(False, time.monotonic_ns())
            time.sleep(0.01)
        left.append(open_descriptors())
    assert len(opened) == 4 and not any(Path(f"/proc/{pid}").exists() for pid in opened)
    assert left[1:] == left[:1] * 3
