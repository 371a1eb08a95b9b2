"""Atoms: the events of an LV2 block, MIDI and the transport, as bytes in a port's buffer.

Source: atom.h and time.ttl of LV2 1.18. Every atom begins at a multiple of 8 bytes.
"""

from __future__ import annotations

import ctypes
import struct
import sys

from riffengine.plugins.lilv import ATOM, MIDI_EVENT, TIME
from riffengine.plugins.lv2_features import Urids
from riffengine.plugins.plugin import MidiEvent, Position

DEFAULT_BYTES = 1 << 16
"""The size of an atom port's buffer, where the plugin asks for no larger one."""

_HEADER = struct.Struct("=II")  # LV2_Atom: size, type
_SEQUENCE_BODY = struct.Struct("=II")  # the unit of the times, padding
_EVENT = struct.Struct("=qII")  # LV2_Atom_Event: frame, size, type
_PROPERTY = struct.Struct("=IIII")  # key, context, size and type of the value


class EventPort:
    """The buffer of one atom port. An output is emptied before a block; an input is written before it."""

    def __init__(self, urids: Urids, minimum_bytes: int, midi: bool, position: bool) -> None:
        self._buffer = (ctypes.c_uint64 * (max(DEFAULT_BYTES, minimum_bytes) // 8))()
        self._bytes = memoryview(self._buffer).cast("B")
        self.address = ctypes.addressof(self._buffer)
        self.takes_position = position
        self._takes_midi = midi
        self._sequence = urids.number(ATOM + "Sequence")
        self._chunk = urids.number(ATOM + "Chunk")
        self._midi = urids.number(MIDI_EVENT)
        self._transport = _TransportAtom(urids) if position else None
        self.write(None, ())

    def empty(self) -> None:
        """Offer the whole buffer to the plugin as an output."""
        _HEADER.pack_into(self._buffer, 0, len(self._bytes) - _HEADER.size, self._chunk)

    @property
    def emptied(self) -> int:
        """The first eight bytes of an output that was emptied."""
        header = _HEADER.pack(len(self._bytes) - _HEADER.size, self._chunk)
        return int.from_bytes(header, sys.byteorder)

    def write(self, position: Position | None, events: tuple[MidiEvent, ...]) -> None:
        """Write the transport at frame 0 and the MIDI events, as far as the port takes them and they fit."""
        at = _HEADER.size
        _SEQUENCE_BODY.pack_into(self._buffer, at, 0, 0)
        at += _SEQUENCE_BODY.size
        if self._transport is not None and position is not None:
            at = self._event(at, 0, self._transport.type, self._transport.body(position))
        if self._takes_midi:
            for event in sorted(events, key=_frame):
                if at + _EVENT.size + 8 > len(self._bytes):
                    break
                at = self._event(at, event.frame, self._midi, event.data)
        _HEADER.pack_into(self._buffer, 0, at - _HEADER.size, self._sequence)

    def _event(self, at: int, frame: int, kind: int, body: bytes) -> int:
        _EVENT.pack_into(self._buffer, at, frame, len(body), kind)
        at += _EVENT.size
        self._bytes[at : at + len(body)] = body
        return at + (len(body) + 7) // 8 * 8


class _TransportAtom:
    """An atom:Object of the type time:Position."""

    def __init__(self, urids: Urids) -> None:
        self.type = urids.number(ATOM + "Object")
        self._head = struct.pack("=II", 0, urids.number(TIME + "Position"))  # no id of its own
        kinds = {"q": "Long", "i": "Int", "f": "Float", "d": "Double"}
        keys = (
            ("frame", "q"), ("speed", "f"), ("bar", "q"), ("barBeat", "f"), ("beat", "d"), ("beatUnit", "i"),
            ("beatsPerBar", "f"), ("beatsPerMinute", "f"),
        )  # fmt: skip
        self._properties = tuple(
            (
                _PROPERTY.pack(urids.number(TIME + key), 0, struct.calcsize(code), urids.number(ATOM + kinds[code])),
                struct.Struct(f"={code}{8 - struct.calcsize(code)}x"),
            )
            for key, code in keys
        )

    def body(self, position: Position) -> bytes:
        bar, bar_beat = divmod(position.beat, position.beats_per_bar)
        values = (
            position.frame, 1.0 if position.playing else 0.0, int(bar), bar_beat, position.beat, 4,
            position.beats_per_bar, position.bpm,
        )  # fmt: skip
        parts = [self._head]
        for (head, value), number in zip(self._properties, values, strict=True):
            parts += (head, value.pack(number))
        return b"".join(parts)


def _frame(event: MidiEvent) -> int:
    return event.frame
