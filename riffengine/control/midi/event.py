"""MidiEvent: one channel message, or the 14-bit value that several of them carry. Pure: bytes in, events out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from riffengine.errors import ControlError

EventKind = Literal[
    "cc", "note_on", "note_off", "program", "pitchbend", "aftertouch", "polytouch", "cc14", "nrpn"
]  # fmt: skip
WIDE_MAX = 16383  # the largest value of 14 bits
_MAX_CONTROLS = 2048  # of one port, whose upper bits are kept

_KINDS: dict[int, tuple[EventKind, int]] = {  # status nibble → kind, number of data bytes
    0x80: ("note_off", 2),
    0x90: ("note_on", 2),
    0xA0: ("polytouch", 2),
    0xB0: ("cc", 2),
    0xC0: ("program", 1),
    0xD0: ("aftertouch", 1),
    0xE0: ("pitchbend", 2),
}


@dataclass(frozen=True)
class MidiEvent:
    """One gesture. ``channel`` is 1..16; ``number`` the controller, note or program, 0 where there is none.

    ``data`` is the controller's value, the velocity or the pressure, 0..127; 0..16383 for ``pitchbend`` (8192 in the
    middle), ``cc14`` and ``nrpn``, whose ``number`` is 0..16383 too.
    """

    kind: EventKind
    channel: int
    number: int
    data: int = 0


def decode(message: Sequence[int]) -> MidiEvent | None:
    """The event in ``message``, or ``None`` for kinds that no binding uses (clock, SysEx).

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
    if len(data) != length or any(not 0 <= byte <= 127 for byte in data):
        raise ControlError(f"a {kind} message takes {length} data bytes from 0 to 127, not {list(data)[:8]}")
    channel = (status & 0x0F) + 1
    if kind == "pitchbend":
        return MidiEvent(kind, channel, 0, data[0] | data[1] << 7)
    if kind == "program":
        return MidiEvent(kind, channel, data[0])
    if kind == "aftertouch":
        return MidiEvent(kind, channel, 0, data[0])
    if kind == "note_on" and data[1] == 0:
        kind = "note_off"
    return MidiEvent(kind, channel, data[0], data[1])


@dataclass
class _Halves:
    """The halves of one control. ``add`` returns the value that a half completes, ``None`` while the other follows."""

    upper: int | None = None
    lower: int | None = None
    lower_first: bool | None = None  # as far as it is known
    waiting: bool | None = None  # a first half came, its second is due: whether the one that came is the lower

    def add(self, lower: bool, data: int) -> int | None:
        again = self.waiting is lower  # the same half twice: the other one is left out
        if self.lower_first is None and self.upper is None and self.lower is None and lower:
            self.lower_first = True  # what begins with the lower half sends it first
        elif self.lower_first is None and lower:
            self.lower_first = False
        if lower:
            self.lower = data
        else:
            self.upper = data
        first = self.lower_first is not None and lower is self.lower_first
        if first and not again:
            self.waiting = lower
            return None
        self.waiting = lower if first else None
        if self.upper is None:
            return None  # a lower half says nothing alone
        if self.lower is None:
            return self.upper << 7 | self.upper  # 127 alone is the largest value
        return self.upper << 7 | self.lower


class WideValues:
    """Joins the two halves of 14-bit controllers and NRPNs, for one port. Not thread-safe.

    Controllers send the upper half first or the lower one, and some leave out the half that has not changed. Which is
    first is learnt from how a control's halves alternate; the half that is sent second completes a value. A half that
    comes alone is joined with the other one as it was last.
    Source: MIDI 1.0 Detailed Specification: controllers 0..31 carry the upper seven bits and 32..63 the lower ones;
    99 and 98 choose an NRPN, 6 and 38 enter its value, 96 and 97 step it, 101 and 100 choose an RPN instead.
    """

    def __init__(self) -> None:
        self._halves: dict[tuple[int, int], _Halves] = {}  # by (channel, controller 0..31 or an NRPN + 32)
        self._selected: dict[int, list[int]] = {}  # channel → the NRPN chosen, upper and lower bits; -1 unknown
        self._entered: dict[int, tuple[int, int]] = {}  # channel → NRPN and value entered last

    def add(self, event: MidiEvent) -> list[MidiEvent]:
        """The events that ``event`` completes: at most a ``cc14`` and an ``nrpn``."""
        if event.kind != "cc" or event.number > 101:
            return []
        found = []
        if event.number < 64:
            value = self._joined((event.channel, event.number % 32), event.number >= 32, event.data)
            if value is not None:
                found.append(MidiEvent("cc14", event.channel, event.number % 32, value))
        if (nrpn := self._nrpn(event)) is not None:
            found.append(nrpn)
        return found

    def _joined(self, control: tuple[int, int], lower: bool, data: int) -> int | None:
        if control not in self._halves and len(self._halves) >= _MAX_CONTROLS:  # garbage, or thousands of NRPNs
            self._halves.clear()
        return self._halves.setdefault(control, _Halves()).add(lower, data)

    def _nrpn(self, event: MidiEvent) -> MidiEvent | None:
        channel, number = event.channel, event.number
        if number in (100, 101):
            self._selected.pop(channel, None)
        elif number in (98, 99):
            self._selected.setdefault(channel, [-1, -1])[99 - number] = event.data
        elif number in (6, 38, 96, 97) and (chosen := self._chosen(channel)) is not None:
            value = self._entry(channel, chosen, number, event.data)
            if value is not None:
                self._entered[channel] = chosen, value
                return MidiEvent("nrpn", channel, chosen, value)
        return None

    def _chosen(self, channel: int) -> int | None:
        upper, lower = self._selected.get(channel, (-1, -1))
        if upper < 0 or lower < 0 or (upper, lower) == (127, 127):  # 127, 127 chooses none
            return None
        return upper << 7 | lower

    def _entry(self, channel: int, chosen: int, number: int, data: int) -> int | None:
        if number in (6, 38):
            return self._joined((channel, 32 + chosen), number == 38, data)
        step = (data or 1) if number == 96 else -(data or 1)
        last, value = self._entered.get(channel, (chosen, 0))
        return max(0, min((value if last == chosen else 0) + step, WIDE_MAX))
