"""Learner: which control was moved, of what kind it is, and how it counts. Pure: events in, a binding out.

A knob says itself what it is: one that goes through its range never sends a value twice in a row, an endless one sends
little else. The first direction is asked to be to the right; it tells two encodings apart that look alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from riffengine.control.midi.binding import NUMBERLESS, Binding, BindingKind, Mode, binding_kind
from riffengine.control.midi.event import MidiEvent
from riffengine.control.midi.takeover import Takeover
from riffengine.performance.parameters import Parameter

REST_NS = 800_000_000  # a control that has not moved for so long has been moved to the end
_FEW = 24  # clicks of an endless knob in one message: more than this is a travel
_ENDS = 12  # a control that comes this near to an end is at it


@dataclass
class _Control:
    """One control and what it sent."""

    kind: BindingKind
    channel: int
    number: int
    data: list[int] = field(default_factory=list)
    last_ns: int = 0


class Learner:
    """Waits for one control to be moved, for ``parameter``; ``values`` are what it may pick from, if it is text."""

    def __init__(self, parameter: Parameter, values: Sequence[str] = (), port: str = "") -> None:
        self._parameter = parameter
        self._values = tuple(values)
        self._port = port
        self._controls: dict[tuple[str, str, int, int], _Control] = {}
        self._ports: dict[tuple[str, str, int, int], str] = {}

    def hear(self, port: str, events: Sequence[MidiEvent], now_ns: int) -> None:
        """One message of the controller ``port``: the event it is and those it completes."""
        for event in events:
            kind = binding_kind(event.kind)
            if event.kind == "note_off" and (port, kind, event.channel, event.number) not in self._controls:
                continue  # a key that was down before
            key = port, kind, event.channel, event.number
            control = self._controls.setdefault(key, _Control(kind, event.channel, event.number))
            self._ports[key] = port
            control.data.append(0 if event.kind == "note_off" else event.data)
            control.last_ns = now_ns

    def done(self, now_ns: int) -> Binding | None:
        """The binding, once the control that was moved has come to rest at ``now_ns``."""
        if not self._controls or now_ns - max(c.last_ns for c in self._controls.values()) < REST_NS:
            return None
        key, control = max(self._controls.items(), key=lambda item: self._weight(item[0], item[1]))
        return self._binding(control, self._ports[key])

    def _weight(self, key: tuple[str, str, int, int], control: _Control) -> tuple[int, int]:
        """Wide controls hide behind their halves: a pair that was really sent counts before them."""
        port, kind, channel, number = key
        if kind == "cc14":
            halves = [self._controls.get((port, "cc", channel, n)) for n in (number, number + 32)]
            paired = all(half is not None and len(half.data) > 1 for half in halves)
            return (2 if paired and not self._entered(port, channel) else 0), len(control.data)
        if kind == "nrpn":
            return 3, len(control.data)
        return (0 if kind in ("polytouch", "aftertouch") else 1), len(control.data)  # a pad is more than its pressure

    def _entered(self, port: str, channel: int) -> bool:
        return any(kind == "nrpn" and (p, c) == (port, channel) for p, kind, c, _ in self._controls)

    def _binding(self, control: _Control, port: str) -> Binding:
        data, wide = control.data, control.kind in ("cc14", "nrpn", "pitchbend")
        number = 0 if control.kind in NUMBERLESS else control.number
        mode: Mode = "absolute"
        travel: tuple[int, int] | None = None
        takeover: Takeover = "none"
        button = control.kind in ("note", "program") or (control.kind == "cc" and _button(data))
        if button:
            mode = self._button_mode(control)
        elif control.kind == "cc" and (encoding := _encoding(data)) is not None:
            mode = encoding
        elif self._parameter.kind in ("float", "int"):
            travel, takeover = _travel(data, 16383 if wide else 127), "pickup"
        return Binding(
            self._parameter.path,
            control.kind,
            number,
            channel=control.channel,
            mode=mode,
            values=self._picked(button),
            travel=travel,
            takeover=takeover,
            port=self._port or port,
        )

    def _button_mode(self, control: _Control) -> Mode:
        if self._parameter.kind == "choice":
            return "toggle"
        if self._parameter.kind == "trigger" or self._values:
            return "absolute"
        if self._parameter.kind != "bool":
            return "trigger"
        # Pressed and let go: a button that has come back to 0 is a key, one that stays up keeps its state itself.
        latching = control.kind in ("cc", "note") and control.data[-1] >= 64
        return "absolute" if latching else "toggle"

    def _picked(self, button: bool) -> tuple[str, ...]:
        if self._parameter.kind == "choice" and button:
            return self._parameter.choices  # one after the other
        return self._values if self._parameter.kind == "str" else ()


def _button(data: Sequence[int]) -> bool:
    """Whether a controller sent nothing but up and down."""
    up = {value for value in data if value}
    return len(up) == 1 and up <= {1, 127} and (0 in data or up == {127}) and not _repeats(data)


def _repeats(data: Sequence[int]) -> int:
    return sum(a == b for a, b in pairwise(data))


def _encoding(data: Sequence[int]) -> Mode | None:
    """How an endless knob counts, turned to the right first; ``None`` for a control with a travel."""
    if 0 in data or len(data) < 4:
        return None
    leaps = any(abs(a - b) > 64 for a, b in pairwise(data))  # no travel goes from 1 to 127 at once
    if not leaps and _repeats(data) * 4 < len(data) and len(set(data)) * 3 > len(data):
        return None
    low = [v for v in data if 1 <= v <= _FEW]
    below = [v for v in data if 64 - _FEW <= v < 64]
    above = [v for v in data if 64 < v <= 64 + _FEW]
    high = [v for v in data if v >= 128 - _FEW]
    if len(low) + len(below) + len(above) + len(high) + list(data).count(64) < len(data):
        return None
    if below:
        return "relative-binary-offset"
    if high or (low and not above):
        return "relative-twos-complement"
    if not low:
        return "relative-binary-offset"  # only ever to the right
    return "relative-signed-bit" if data[0] <= _FEW else "relative-signed-bit-2"


def _travel(data: Sequence[int], top: int) -> tuple[int, int] | None:
    """The ends that a worn control reaches, where they are not 0 and ``top`` but plainly were meant to be."""
    first, last = min(data), max(data)
    near = _ENDS * (top + 1) // 128
    if (first, last) == (0, top) or first > near or last < top - near:
        return None
    return first, last
