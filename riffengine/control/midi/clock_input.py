"""MIDI clock in on a real port, through python-rtmidi: from a sequencer, or from whoever sends to us.

rtmidi calls back in a thread of its own; that thread only stamps the bytes. They are read when the beat is asked for.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from riffengine.clock import Clock
from riffengine.control.midi.input import libraries_quiet, normalised
from riffengine.errors import ControlError
from riffengine.transport.sync.midi_clock import MidiClock
from riffengine.transport.sync.source import Pace

CLIENT = "riffengine clock"
_APIS = ("API_LINUX_ALSA", "API_UNIX_JACK", "API_MACOSX_CORE", "API_WINDOWS_MM")


class MidiClockInput:
    """A leader of the Synchroniser: the clock that comes in on one port. Opened by ``open``; one thread."""

    name = "MIDI clock"

    def __init__(self, port: Any, note: str, clock: Clock) -> None:
        self.note = note
        self.core = MidiClock()
        self._port = port
        self._clock = clock
        self._arrived: deque[tuple[list[int], int]] = deque()
        port.ignore_types(sysex=True, timing=False, active_sense=True)
        port.set_callback(self._hear)

    @classmethod
    def open(cls, wanted: str, clock: Clock) -> MidiClockInput:
        """Hear the port whose name holds ``wanted``; for "" make one of our own, called ``riffengine clock``.

        ``ControlError`` when there is no MIDI here or no such port.
        """
        rtmidi = load_rtmidi()
        tried = []
        for api in compiled_apis(rtmidi):
            try:
                with libraries_quiet():
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
        raise ControlError(f"no MIDI clock can be heard here ({'; '.join(tried)}); connect a MIDI port or start JACK")

    def pace(self, host_ns: int) -> Pace | None:
        """Where the sender will be at ``host_ns``."""
        while self._arrived:
            message, stamp_ns = self._arrived.popleft()
            self.core.take(message, stamp_ns)
        return self.core.pace(host_ns)

    def seat(self, beat: float, host_ns: int) -> None:
        """Whoever sends a clock counts for themselves."""

    def propose(self, bpm: float) -> bool:
        """A MIDI clock takes no tempo."""
        return False

    def close(self) -> None:
        """Hear no more."""
        self._port.cancel_callback()
        self._port.close_port()
        self._port.delete()

    def _hear(self, event: tuple[list[int], float], _: object) -> None:
        """Called by rtmidi, in its thread."""
        self._arrived.append((event[0], self._clock.now_ns()))


def load_rtmidi() -> Any:
    """The library; ``ControlError`` when it is not there."""
    try:
        import rtmidi
    except ImportError as error:
        raise ControlError(f"python-rtmidi cannot be loaded ({error}); install it to use MIDI clock") from error
    return rtmidi


def compiled_apis(rtmidi: Any) -> list[int]:
    """The MIDI systems that it was built for, in the order in which they are tried."""
    found = rtmidi.get_compiled_api()
    return [api for api in (getattr(rtmidi, name) for name in _APIS) if api in found]


def find_port(port: Any, wanted: str) -> int | None:
    """The number of the port whose name holds ``wanted``; ``None`` for "", which means a port of our own.

    ``ControlError`` names those there are.
    """
    if not wanted:
        return None
    names = [normalised(name) for name in port.get_ports()]
    for number, name in enumerate(names):
        if normalised(wanted) in name:
            return number
    port.delete()
    raise ControlError(f"no MIDI port is called {wanted!r}; there are: {', '.join(names) or 'none'}")
