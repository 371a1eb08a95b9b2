"""Events of a CLAP block: parameters, notes and MIDI in the order of their frames, and the transport."""

from __future__ import annotations

import ctypes
from ctypes import sizeof

from riffengine.plugins import clap_abi as abi
from riffengine.plugins.plugin import MidiEvent, Position


class InputEvents:
    """The events that one instance gets with the next block; ``add`` in any order, ``ready`` before the block."""

    def __init__(self, dialect: int) -> None:
        self._midi = dialect == abi.DIALECT_MIDI
        self._events: list[abi.Note | abi.ParamValue | abi.Midi] = []
        self._addresses: list[int] = []
        self._count = abi.EventCount(lambda _: len(self._addresses))
        self._get = abi.EventGet(lambda _, index: self._addresses[index] if index < len(self._addresses) else None)
        self.structure = abi.InputEvents(None, self._count, self._get)

    def parameter(self, number: int, cookie: int | None, value: float) -> None:
        """Set a parameter at the first frame, for all notes."""
        header = abi.Header(sizeof(abi.ParamValue), 0, 0, abi.PARAM_VALUE, 0)
        self._events.append(abi.ParamValue(header, number, cookie, -1, -1, -1, -1, value))

    def midi(self, event: MidiEvent) -> None:
        """Add a MIDI message; a plugin that reads CLAP notes only gets note on and off."""
        data = event.data
        if self._midi:
            header = abi.Header(sizeof(abi.Midi), event.frame, 0, abi.MIDI, 0)
            self._events.append(abi.Midi(header, 0, (ctypes.c_uint8 * 3)(*data[:3])))
            return
        status, channel = data[0] & 0xF0, data[0] & 0x0F
        if status in (0x80, 0x90) and len(data) == 3:
            on = status == 0x90 and data[2] > 0
            header = abi.Header(sizeof(abi.Note), event.frame, 0, abi.NOTE_ON if on else abi.NOTE_OFF, 0)
            self._events.append(abi.Note(header, -1, 0, channel, data[1], data[2] / 127))

    def ready(self) -> None:
        """Sort what was added; the plugin reads it during the block."""
        self._events.sort(key=lambda event: event.header.time)
        self._addresses = [ctypes.addressof(event) for event in self._events]

    def clear(self) -> None:
        """Forget the events after the block."""
        self._events.clear()
        self._addresses = []


class OutputEvents:
    """Takes the events that a plugin sends and keeps none: values are asked for."""

    def __init__(self) -> None:
        self._push = abi.EventPush(lambda *_: True)
        self.structure = abi.OutputEvents(None, self._push)


def write_transport(transport: abi.Transport, position: Position, sample_rate: int) -> None:
    """Write the transport at the first frame of a block."""
    bar = int(position.beat // position.beats_per_bar)
    transport.header = abi.Header(sizeof(abi.Transport), 0, 0, abi.TRANSPORT, 0)
    known = abi.HAS_TEMPO | abi.HAS_BEATS | abi.HAS_SECONDS | abi.HAS_SIGNATURE
    transport.flags = known | (abi.IS_PLAYING if position.playing else 0)
    transport.beats = round(position.beat * abi.FIXED_POINT)
    transport.seconds = round(position.frame / sample_rate * abi.FIXED_POINT)
    transport.tempo = position.bpm
    transport.bar_number = bar
    transport.bar_start = bar * position.beats_per_bar * abi.FIXED_POINT
    transport.numerator, transport.denominator = position.beats_per_bar, 4
