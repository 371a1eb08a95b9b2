"""MidiClockInput: MIDI clock in on a real port, through python-rtmidi, from a sequencer or a DAW.

rtmidi calls back in a thread of its own; that thread only stores the bytes and their time of arrival. They are read
when the beat is asked for.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from riffengine.clock import Clock
from riffengine.control.midi.rtmidi_api import compiled_apis, find_port, load_rtmidi, stderr_silenced
from riffengine.errors import ControlError
from riffengine.transport.sync.midi_clock import MidiClock
from riffengine.transport.sync.source import BeatPosition

CLIENT = "riffengine clock"


class MidiClockInput:
    """A ``Leader`` for ``TempoSync``: the clock that comes in on one port. Made by ``open``; one thread."""

    name = "MIDI clock"

    def __init__(self, port: Any, note: str, clock: Clock) -> None:
        self.note = note
        self.core = MidiClock()
        self._port = port
        self._clock = clock
        self._messages: deque[tuple[list[int], int]] = deque()
        port.ignore_types(sysex=True, timing=False, active_sense=True)
        port.set_callback(self._on_message)

    @classmethod
    def open(cls, wanted: str, clock: Clock) -> MidiClockInput:
        """Open the port whose name contains ``wanted``; for "" make one of our own, called ``riffengine clock``.

        ``ControlError`` when there is no MIDI system or no such port.
        """
        rtmidi = load_rtmidi()
        tried = []
        for api in compiled_apis(rtmidi):
            try:
                with stderr_silenced():
                    port = rtmidi.MidiIn(api, name=CLIENT)
                    number = find_port(port, wanted)
                    leader = cls(port, f"MIDI clock comes from {wanted or CLIENT!r}", clock)
                    if number is None:
                        port.open_virtual_port("in")
                    else:
                        port.open_port(number)
            except (rtmidi.RtMidiError, NotImplementedError) as error:
                tried.append(str(error))
                continue
            return leader
        raise ControlError(
            f"no MIDI clock can be received here ({'; '.join(tried)}); connect a MIDI port or start JACK"
        )

    def position(self, host_ns: int) -> BeatPosition | None:
        """Where the sender will be at ``host_ns``."""
        while self._messages:
            message, stamp_ns = self._messages.popleft()
            self.core.take(message, stamp_ns)
        return self.core.position(host_ns)

    def align(self, beat: float, host_ns: int) -> None:
        """Does nothing: the sender of a MIDI clock decides where its beat is."""

    def propose(self, bpm: float) -> bool:
        """False: the sender of a MIDI clock cannot be given a tempo."""
        return False

    def close(self) -> None:
        """Close the port."""
        self._port.cancel_callback()
        self._port.close_port()
        self._port.delete()

    def _on_message(self, event: tuple[list[int], float], _: object) -> None:
        """Called by rtmidi, in its thread."""
        self._messages.append((event[0], self._clock.now_ns()))
