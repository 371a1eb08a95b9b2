"""MIDI bytes → MidiEvent, without any I/O. Source: MIDI 1.0 Detailed Specification, table 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from riffengine.errors import ControlError

EventKind = Literal["cc", "note_on", "note_off", "program", "pitchbend"]

_KINDS: dict[int, tuple[EventKind, int]] = {  # status nibble → kind, number of data bytes
    0x80: ("note_off", 2),
    0x90: ("note_on", 2),
    0xB0: ("cc", 2),
    0xC0: ("program", 1),
    0xE0: ("pitchbend", 2),
}


@dataclass(frozen=True)
class MidiEvent:
    """One channel message. ``channel`` is 1..16; ``number`` the controller, note or program, 0 for pitch bend.

    ``data`` is the controller's value or the velocity, 0..127; for pitch bend 0..16383 with 8192 in the middle.
    """

    kind: EventKind
    channel: int
    number: int
    data: int = 0


def decode(message: Sequence[int]) -> MidiEvent | None:
    """The event in ``message``, or ``None`` for kinds that nothing is bound to (pressure, clock, SysEx).

    A note-on of velocity 0 is a note-off. ``ControlError`` when the bytes are no MIDI message. Running status does not
    occur: the drivers expand it.
    """
    status = message[0] if message else 0
    if status < 0x80:
        raise ControlError("not MIDI: a message begins with a status byte from 128 to 255")
    if status & 0xF0 not in _KINDS:
        return None
    kind, length = _KINDS[status & 0xF0]
    data = message[1:]
    if len(data) != length or any(byte > 127 for byte in data):
        raise ControlError(f"a {kind} message takes {length} data bytes from 0 to 127, not {list(data)[:8]}")
    channel = (status & 0x0F) + 1
    if kind == "pitchbend":
        return MidiEvent(kind, channel, 0, data[0] | data[1] << 7)
    if kind == "program":
        return MidiEvent(kind, channel, data[0])
    if kind == "note_on" and data[1] == 0:
        kind = "note_off"
    return MidiEvent(kind, channel, data[0], data[1])
