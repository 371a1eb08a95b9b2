"""MidiClockInput: MIDI clock in on a real port, through python-rtmidi, from a sequencer or a DAW.

The port is in a process of its own: a MIDI system that does not answer, such as a JACK server that stands still, holds
whoever calls it for as long as it likes, and rtmidi keeps the interpreter's lock meanwhile.
"""

from __future__ import annotations

import contextlib
import queue
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from riffengine.clock import Clock, SystemClock
from riffengine.control.midi.rtmidi_api import OPEN_SECONDS, close_port, end_in, open_first
from riffengine.control.midi.sender import PortFailed, PortOpened
from riffengine.errors import ControlError
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.realtime import raise_priority
from riffengine.transport.sync.midi_clock import MidiClock
from riffengine.transport.sync.source import BeatPosition

CLIENT = "riffengine clock"
PAUSE_SECONDS = 0.25  # before a process is started: a hand, or a flood, that goes past "midi" starts none
_CLOSE_SECONDS = 1.0
_LOOK_SECONDS = 0.2  # between two looks at whether the engine still wants the clock
_MOST_WAITING = 10_000  # messages for an engine that does not read; more than three minutes of clock at 120 bpm
_PRIORITY = 5  # SCHED_FIFO, as the engine's loop: the stamps are as exact as the thread is prompt
_CLOCK_BYTES = frozenset({0xF2, 0xF8, 0xFA, 0xFB, 0xFC})  # song position, tick, start, continue, stop

Received = Callable[[bytes, int], None]
"""Called with a message and its time of arrival, in nanoseconds of the monotonic clock; never waits."""


@dataclass(frozen=True)
class ClockMessage:
    """``message`` came at ``stamp_ns`` of the monotonic clock, which all processes share."""

    message: bytes
    stamp_ns: int


class MidiClockInput:
    """A ``Leader`` for ``TempoSync``: the clock that comes in on one port. One thread, which never waits.

    ``wanted`` is part of the port's name; for "" a port of our own is made, called ``riffengine clock``. What is opened
    is told to ``say``.
    """

    name = "MIDI clock"

    def __init__(
        self,
        wanted: str,
        clock: Clock,
        say: Callable[[str], None],
        main: Callable[[str, Connection], None] | None = None,
    ) -> None:
        self.core = MidiClock()
        self.opened = False
        self._clock, self._say, self._problem = clock, say, ""
        self._start_ns = clock.now_ns() + round(PAUSE_SECONDS * 1e9)
        self._process: ChildProcess[str, None, ClockMessage | PortOpened | PortFailed] = ChildProcess(
            "riffengine-clock-in", main or clock_main, wanted, finishes=False
        )

    @property
    def problem(self) -> str:
        """Why no clock can be received, for a person; "" while one can, or while the port is being opened."""
        self._receive()
        return self._problem

    def position(self, host_ns: int) -> BeatPosition | None:
        """Where the sender will be at ``host_ns``."""
        self._receive()
        return self.core.position(host_ns)

    def align(self, beat: float, host_ns: int) -> None:
        """Does nothing: the sender of a MIDI clock decides where its beat is."""

    def propose(self, bpm: float) -> bool:
        """False: the sender of a MIDI clock cannot be given a tempo."""
        return False

    def close(self) -> None:
        """Have the process close the port and end; one that still opens it is ended by force."""
        self._process.hang_up()
        if not self.opened or self._problem:
            self._process.close()

    def _started(self) -> bool:
        """Whether the process has been started, which it is as soon as the pause is over."""
        if not self._process.started and self._clock.now_ns() >= self._start_ns:
            try:
                self._process.start()
            except OSError as error:
                self._problem = f"no process can be started for the MIDI clock: {error.strerror or error}"
        return self._process.started

    def _receive(self) -> None:
        if self._problem or not self._started():
            return
        messages, connected = self._process.receive()
        for message in messages:
            match message:
                case ClockMessage(data, stamp_ns):
                    self.core.take(data, stamp_ns)
                case PortOpened(note):
                    self.opened = True
                    self._say(note)
                case PortFailed(reason):
                    self._problem = reason
        if not connected and not self._problem:
            self._problem = (
                "the process that received the MIDI clock has ended; set transport/sync to midi again"
                if self.opened
                else "the MIDI system does not answer; start it again (a JACK server, for example)"
            )


# --- in the process of the port ---------------------------------------------------------------------------------------


def clock_main(wanted: str, connection: Connection) -> None:
    """The body of the process: open the port and pass its clock on until the engine closes the pipe. For ``spawn``."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # they go to the engine, which ends this process
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    received: queue.SimpleQueue[ClockMessage] = queue.SimpleQueue()

    def take(message: bytes, stamp_ns: int) -> None:
        if received.qsize() < _MOST_WAITING:
            received.put(ClockMessage(message, stamp_ns))

    raise_priority(_PRIORITY)
    end_in(OPEN_SECONDS)
    try:
        port, note = _open(wanted, take)
    except ControlError as error:
        connection.send(PortFailed(str(error)))
        return
    end_in(0.0)
    with contextlib.suppress(EOFError, OSError):  # the engine has ended, or closed the pipe
        connection.send(PortOpened(note))
        while not connection.poll():
            with contextlib.suppress(queue.Empty):
                connection.send(received.get(timeout=_LOOK_SECONDS))
    end_in(_CLOSE_SECONDS)
    close_port(port)


def _open(wanted: str, received: Received) -> tuple[Any, str]:
    """The open port and a note for a person; ``ControlError`` when there is no MIDI system or no such port.

    rtmidi calls back in a thread of its own, which over JACK must not wait.
    """
    clock = SystemClock()

    def on_message(event: tuple[list[int], float], _: object) -> None:
        if event[0] and event[0][0] in _CLOCK_BYTES:
            received(bytes(event[0]), clock.now_ns())

    def make(rtmidi: Any, api: int) -> Any:
        port = rtmidi.MidiIn(api, name=CLIENT)
        port.ignore_types(sysex=True, timing=False, active_sense=True)
        port.set_callback(on_message)
        return port

    port = open_first(make, wanted, "in", "no MIDI clock can be received")
    return port, f"MIDI clock comes from {wanted or CLIENT!r}"
