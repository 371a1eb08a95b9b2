"""MidiSender: sends MIDI on time, from a process of its own.

A thread beside the event loop would wait for the interpreter's lock, up to 5 ms; this process does nothing but wait
for the next message. It sends our MIDI clock, and other messages at the times that come with them. Over JACK the
driver passes messages on once a period: there the period is the jitter.
"""

from __future__ import annotations

import heapq
import itertools
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from riffengine.clock import Clock, SystemClock
from riffengine.control.midi.rtmidi_api import OPEN_SECONDS, close_port, end_in, open_first
from riffengine.errors import ControlError
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.realtime import raise_priority
from riffengine.processes.render_request import DEFAULT_LOOP_BEATS
from riffengine.transport.sync.clock_out import BeatLine, ClockOut

_PRIORITY = 11  # SCHED_FIFO; one above the player: it sleeps nearly always, and every wait makes a message late
_COARSE_SECONDS = 0.003  # a pipe is waited for in whole milliseconds; the rest is slept exactly
_LONGEST_WAIT_SECONDS = 0.5
_DRAIN_SECONDS = 0.3  # a JACK client that closes at once loses what it has not sent: three periods of 4096 frames
_END_SECONDS = 1.0  # three times what it takes to drain; a driver may never let it end
_MOST_UNSENT = 10_000  # orders that wait for a process that stands still; ten minutes of sixteenths at 150 bpm
_STUCK_SECONDS = 0.5  # of processor time between two reads of the pipe: a thousand times what is usual
_NOTE_OFF, _NOTE_ON = 0x80, 0x90

Send = Callable[[bytes], None]


@dataclass(frozen=True)
class TimedMessage:
    """Send ``message`` at ``host_ns`` of the monotonic clock, or at once when that has passed."""

    host_ns: int
    message: bytes


@dataclass(frozen=True)
class CancelMessages:
    """Drop every ``TimedMessage`` that is due at ``from_ns`` or later, and send ``messages`` now."""

    messages: tuple[bytes, ...] = ()
    from_ns: int = 0


@dataclass(frozen=True)
class PortOpened:
    """The port is open; ``note`` is for a person."""

    note: str


@dataclass(frozen=True)
class PortFailed:
    """No port could be opened; ``reason`` is for a person."""

    reason: str


ToSender = BeatLine | TimedMessage | CancelMessages
FromSender = PortOpened | PortFailed


@dataclass(frozen=True)
class SenderOptions:
    """``wanted`` is part of the name of a port, "" for one of our own, called ``client``.

    Receivers of the clock start on a boundary of ``loop_beats``.
    """

    wanted: str
    client: str
    loop_beats: int = DEFAULT_LOOP_BEATS


@dataclass(order=True)
class _Waiting:
    host_ns: int
    order: int
    message: bytes = field(compare=False)


class Outbox:
    """What is due when: the MIDI clock, and messages with their times. Pure; belongs to the sender's process."""

    def __init__(self, loop_beats: int = DEFAULT_LOOP_BEATS) -> None:
        self.clock = ClockOut(loop_beats)
        self._waiting: list[_Waiting] = []
        self._count = itertools.count()
        self._held_notes: dict[
            tuple[int, int], None
        ] = {}  # channel and pitch of every note that was started and not ended

    def handle(self, order: ToSender, now_ns: int) -> list[bytes]:
        """Carry out an order of the engine; returns what must be sent at once."""
        match order:
            case BeatLine():
                return self.clock.take(order, now_ns)
            case TimedMessage(host_ns, message):
                heapq.heappush(self._waiting, _Waiting(host_ns, next(self._count), message))
                return []
            case CancelMessages(messages, from_ns):
                self._waiting = [waiting for waiting in self._waiting if waiting.host_ns < from_ns]
                heapq.heapify(self._waiting)
                return self._track_notes(list(messages))

    def due(self, now_ns: int) -> list[bytes]:
        """What must have been sent by ``now_ns``: the clock first, since receivers measure it."""
        messages: list[bytes] = []
        while self._waiting and self._waiting[0].host_ns <= now_ns:
            messages.append(heapq.heappop(self._waiting).message)
        return self.clock.due(now_ns) + self._track_notes(messages)

    def final_messages(self) -> list[bytes]:
        """What is sent before the process ends: every note ends, receivers of the clock stop."""
        ends = [bytes((_NOTE_OFF | channel, pitch, 0)) for channel, pitch in self._held_notes]
        self._held_notes.clear()
        self._waiting.clear()
        return ends + self.clock.stop()

    def _track_notes(self, messages: list[bytes]) -> list[bytes]:
        for status, pitch, velocity in (message for message in messages if len(message) == 3):
            if status & 0xF0 == _NOTE_ON and velocity:
                self._held_notes[status & 0x0F, pitch] = None
            elif status & 0xF0 in (_NOTE_ON, _NOTE_OFF):
                self._held_notes.pop((status & 0x0F, pitch), None)
        return messages

    def next_ns(self) -> float:
        """When something is due next; infinity when nothing is."""
        return min(self.clock.next_ns(), self._waiting[0].host_ns if self._waiting else math.inf)


def sender_main(options: SenderOptions, connection: Connection) -> None:
    """The body of the sender process, until the engine closes the pipe; then it stops the receivers. For ``spawn``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the engine
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # so does the end of the terminal
    end_in(OPEN_SECONDS)
    try:
        port, note = _open(options.wanted, options.client)
    except ControlError as error:
        connection.send(PortFailed(str(error)))
        return
    end_in(0.0)
    raise_priority(_PRIORITY)
    _end_when_stuck()
    try:
        connection.send(PortOpened(note))
        _run(connection, port.send_message, SystemClock(), options.loop_beats)
    finally:
        close_port(port)


def _run(connection: Connection, send: Send, clock: Clock, loop_beats: int) -> None:
    outbox = Outbox(loop_beats)
    try:
        while True:
            _end_when_stuck()
            wait_seconds = min((outbox.next_ns() - clock.now_ns()) / 1e9, _LONGEST_WAIT_SECONDS)
            if connection.poll(max(0.0, wait_seconds - _COARSE_SECONDS)):
                messages = outbox.handle(connection.recv(), clock.now_ns())
            else:
                time.sleep(max(0.0, (min(outbox.next_ns(), clock.now_ns() + 5e6) - clock.now_ns()) / 1e9))
                messages = []
            for message in [*messages, *outbox.due(clock.now_ns())]:
                send(message)
    except (EOFError, OSError):  # the engine has ended, or closed the pipe
        _end_when_stuck()
        for message in outbox.final_messages():
            send(message)
        time.sleep(_DRAIN_SECONDS)


def _end_when_stuck() -> None:
    """Have the system end this process when it computes for long without calling this again.

    RtMidi waits for room in JACK's buffer in a busy loop with the interpreter's lock held; when the server does not
    take what we send, the loop never ends, and at real-time priority it takes a core from all other processes. No
    signal handler in Python would be called then, so the signal's default action, the end of the process, is used.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, _STUCK_SECONDS)


def _open(wanted: str, client: str) -> tuple[Any, str]:
    port = open_first(lambda rtmidi, api: rtmidi.MidiOut(api, name=client), wanted, "out", "no MIDI can be sent")
    return port, f"{client} is sent to {wanted!r}" if wanted else f"{client} is sent on the port {client!r}"


# --- in the engine process ------------------------------------------------------------------------------------------


class MidiSender:
    """The engine's side of a sender. Only ``wait`` and ``end`` wait.

    Opening the port takes a moment: ``notes`` reports the result.

    ``failed``: no port could be opened. ``ended``: the process has died. ``OSError`` when it cannot be started now.

    ``wanted``, ``client`` and ``loop_beats`` as in ``SenderOptions``. One thread.
    """

    def __init__(self, wanted: str, client: str = "riffengine clock", loop_beats: int = DEFAULT_LOOP_BEATS) -> None:
        self._process: ChildProcess[SenderOptions, ToSender, FromSender] = ChildProcess(
            "riffengine-midi-out", sender_main, SenderOptions(wanted, client, loop_beats)
        )
        self._process.start()
        self.open = self.failed = self.ended = False

    @property
    def pid(self) -> int:
        """Of the process, 0 after its end."""
        return self._process.pid or 0

    def send(self, order: ToSender) -> None:
        """Send an order to the process; it is dropped when the process has ended, or has stood still for long."""
        if not self.ended and self._process.unsent < _MOST_UNSENT:
            self._process.send(order)

    def notes(self) -> list[str]:
        """Messages for a person since the last call."""
        found: list[str] = []
        if self.failed or self.ended:
            return found
        answers, connected = self._process.receive()
        for answer in answers:
            match answer:
                case PortOpened(text):
                    self.open = True
                case PortFailed(text):
                    self.open, self.failed = False, True
            found.append(text)
        if not connected and not self.failed:
            self.open, self.ended = False, True
        return found

    def close(self) -> None:
        """Close the pipe: the process stops the receivers and ends by itself."""
        self._process.hang_up()
        if self.ended:
            self.end(0.0)  # no zombie stays

    def wait(self, seconds: float = 2.0) -> bool:
        """After ``close``: whether the process has ended within ``seconds``."""
        return self._process.join(seconds)

    def gone(self) -> bool:
        """After ``close``: whether the process has ended; then nothing is left of it."""
        if not self._process.join(0.0):
            return False
        self._process.close()
        return True

    def kill(self) -> None:
        """After ``close``: end the process by force; ``gone`` says when it has ended."""
        self._process.kill()

    def end(self, seconds: float = _END_SECONDS) -> None:
        """After ``close``: wait ``seconds`` for the end of the process, then end it by force."""
        self._process.join(seconds)
        self._process.close()
