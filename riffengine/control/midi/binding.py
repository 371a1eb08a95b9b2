"""Binding: which knob, pad or key moves which parameter, and how. Pure: events in, values out."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from riffengine.control.midi.event import WIDE_MAX, EventKind, MidiEvent
from riffengine.control.midi.takeover import SoftTakeover, Takeover
from riffengine.errors import ControlError
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import Parameter, ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import parse_path

BindingKind = Literal["cc", "cc14", "nrpn", "note", "program", "pitchbend", "aftertouch", "polytouch", "chord"]
Curve = Literal["lin", "log", "exp"]
Mode = Literal[
    "absolute",
    "relative-twos-complement",
    "relative-binary-offset",
    "relative-signed-bit",
    "relative-signed-bit-2",
    "toggle",
    "trigger",
]
NUMBERLESS = ("pitchbend", "aftertouch")
PRESSED = 64  # a button's controller value from which it counts as pressed
_WIDE = ("cc14", "nrpn", "pitchbend")
_NUMBERS = {"cc14": 31, "nrpn": WIDE_MAX}  # the highest number of a kind, 127 of all others
_CLICKS = 128  # of an endless knob from one end of a number to the other


@dataclass(frozen=True)
class Binding:
    """One line of a MIDI map. ``channel`` is 1..16, ``None`` for any; ``number`` the controller, note or program.

    ``low`` and ``high`` bound the travel (the parameter's range when ``None``; ``low > high`` reverses it, and so does
    ``invert``). ``curve``: exp is fine at the bottom, log at the top. ``values`` are chosen from instead of a range: by
    consecutive notes or programs from ``number`` on, or by equal shares of a controller's travel. ``travel`` is what
    the control sends at its ends, where that is not 0 and its highest value; ``step`` what one click of an endless
    knob adds, in the parameter's unit. ``port`` is a part of the controller's name, "" for every one.

    ``chord`` takes the keys from ``number`` to ``to`` together, for a parameter ``chords``.

    ``light`` names the palette by which the control's LED shows the state, ``echo`` sends it the parameter's position;
    ``label`` is what is printed beside it.
    """

    path: str
    kind: BindingKind
    number: int = 0
    channel: int | None = None
    low: float | None = None
    high: float | None = None
    curve: Curve = "lin"
    mode: Mode = "absolute"
    values: tuple[Value, ...] = ()
    invert: bool = False
    takeover: Takeover = "none"
    travel: tuple[int, int] | None = None
    step: float | None = None
    port: str = ""
    light: str = ""
    echo: bool = False
    label: str = ""
    to: int = 0

    @property
    def span(self) -> int:
        """How many consecutive notes or programs it uses."""
        if self.kind == "chord":
            return self.to - self.number + 1
        return len(self.values) if self.values and self._one_key_per_value else 1

    @property
    def _one_key_per_value(self) -> bool:
        """Whether each of its values has a key of its own."""
        return self.kind in ("note", "program") and self.mode == "absolute"

    @property
    def event_kind(self) -> BindingKind:
        """The kind of event that it reacts to: a chord is made of notes."""
        return "note" if self.kind == "chord" else self.kind

    @property
    def top(self) -> int:
        """The highest value that the control sends."""
        return WIDE_MAX if self.kind in _WIDE else 127

    def matches(self, event: MidiEvent) -> bool:
        """Whether ``event`` comes from this control."""
        if self.channel is not None and event.channel != self.channel:
            return False
        return binding_kind(event.kind) == self.event_kind and self.number <= event.number < self.number + self.span

    def is_continuous(self, parameter: Parameter) -> bool:
        """Whether the control moves a number along its travel, so that takeover and a position make sense."""
        if self.mode != "absolute" or self.kind in ("note", "program", "chord") or self.values:
            return False
        return parameter.kind in ("float", "int")

    def value(
        self,
        event: MidiEvent,
        tree: ParameterTree,
        state: PerformanceState,
        soft_takeover: SoftTakeover | None = None,
        now_ns: int = 0,
    ) -> Value | None:
        """The value to which a matching ``event`` sets the parameter.

        ``None`` when it sets nothing: a released key, or a knob that ``soft_takeover`` ignores at ``now_ns``.
        """
        parameter = tree[self.path]
        released = self._released(event)
        if parameter.kind == "trigger":
            return None if released else True
        if self.values and self._one_key_per_value:
            return None if released else self.values[event.number - self.number]
        if self.mode == "toggle":
            return None if released else self._toggled(state[self.path])
        if self.mode == "trigger":
            return None if released else self._trigger_value(parameter)
        if self.mode != "absolute":
            return self._stepped(
                parameter, state[self.path], _steps(self.mode, event.data) * (-1 if self.invert else 1)
            )
        if parameter.kind == "bool":
            return released if self.invert else not released
        if event.kind == "note_off":
            return None
        position = self._position(event)
        if soft_takeover is not None and self.is_continuous(parameter):
            applied = soft_takeover.apply(position, self.position_of(parameter, state[self.path]), now_ns)
            if applied is None:
                return None
            position = applied
        return self._value_at(parameter, position)

    def position_of(self, parameter: Parameter, value: Value) -> float:
        """The position of the control for ``value``, 0..1 of its travel: the inverse of ``value``."""
        picked = self.values or parameter.choices
        if picked:
            return picked.index(value) / max(1, len(picked) - 1) if value in picked else 0.0
        if parameter.kind == "bool":
            return float(bool(value) is not self.invert)
        low, high = self._bounds(parameter)
        bent = 0.0 if low == high else min(max((float(value) - low) / (high - low), 0.0), 1.0)
        position = {"lin": bent, "exp": sqrt(bent), "log": 1 - sqrt(1 - bent)}[self.curve]
        return 1.0 - position if self.invert else position

    def validate(self, tree: ParameterTree) -> None:
        """Raise ``ControlError`` or ``ParameterError`` when this binding cannot work with ``tree``."""
        parameter = tree[self.path]
        if self.kind == "chord":
            self._validate_chord(parameter)
            return
        highest = _NUMBERS.get(self.kind, 127)
        if not 0 <= self.number <= highest:
            raise ControlError(f"{self.kind} {self.number} does not exist; allowed is 0 to {highest}")
        if self.number + self.span - 1 > highest:
            raise ControlError(f"{len(self.values)} values from {self.kind} {self.number} on go beyond {highest}")
        if self.channel is not None and not 1 <= self.channel <= 16:
            raise ControlError(f"channel {self.channel} does not exist; allowed is 1 to 16, or any")
        for value in self.values:
            parameter.check(value)
        for bound in (self.low, self.high):
            if bound is not None:
                if parameter.kind not in ("float", "int"):
                    raise ControlError(f"low and high are for numbers; {self.path} is {parameter.allowed}")
                _, moved = parameter.check(bound)
                if moved:
                    raise ControlError(f"{bound} is not in the range; {self.path} is {parameter.allowed}")
        if parameter.kind == "str" and not self.values:
            raise ControlError(f"{self.path} is text: give the values that the control picks from")
        self._validate_mode(parameter)
        self._validate_travel(parameter)

    def _validate_chord(self, parameter: Parameter) -> None:
        if not 0 <= self.number <= self.to <= 127:
            raise ControlError(f"keys {self.number} to {self.to} are refused; give two from 0 to 127, the lower first")
        if parse_path(parameter.path).control != "chords":
            raise ControlError(f"a chord is for chords or deck/a/chords, not for {parameter.path}")
        if (self.mode, self.values, self.light, self.echo) != ("absolute", (), "", False):
            raise ControlError("a chord takes a channel, a port and a label, and nothing else")

    def _validate_mode(self, parameter: Parameter) -> None:
        relative = self.mode.startswith("relative")
        if relative:
            if self.kind != "cc":
                raise ControlError(f"mode {self.mode} is for an endless knob, which sends cc")
            if self.values or parameter.kind not in ("float", "int", "choice"):
                raise ControlError(f"mode {self.mode} moves numbers and choices; {self.path} is {parameter.allowed}")
        if self.step is not None and (not relative or self.step <= 0 or parameter.kind == "choice"):
            raise ControlError(
                "step is how far one click of an endless knob moves; it is above 0 and needs a relative mode"
            )
        if self.kind == "program" and not self.values and self.mode == "absolute" and parameter.kind != "trigger":
            raise ControlError("a program change has no range: give values, or mode trigger or toggle")
        if self.mode == "toggle" and parameter.kind != "bool" and len(self.values) < 2:
            raise ControlError(f"mode toggle needs a switch or two values; {self.path} is {parameter.allowed}")
        if self.mode in ("toggle", "trigger") and self.kind in ("pitchbend", "aftertouch", "polytouch"):
            raise ControlError(f"mode {self.mode} is for buttons: cc, note or program")

    def _validate_travel(self, parameter: Parameter) -> None:
        if self.takeover != "none" and not self.is_continuous(parameter):
            raise ControlError(
                f"takeover {self.takeover} is for a fader or knob that moves a number from end to end; "
                f"{self.path} is {parameter.allowed}"
            )
        if self.travel is not None:
            first, last = self.travel
            if not (0 <= first <= self.top and 0 <= last <= self.top and first != last):
                raise ControlError(f"travel {first} to {last} is refused; give two values from 0 to {self.top}")
        if self.echo and self.kind in ("note", "program", "nrpn", "aftertouch", "polytouch"):
            raise ControlError(f"echo sends a position; {self.kind} has none: use light for its LED")

    def _released(self, event: MidiEvent) -> bool:
        if event.kind in ("cc14", "nrpn"):
            return event.data <= WIDE_MAX // 2
        return event.kind == "note_off" or (event.kind == "cc" and event.data < PRESSED)

    def _position(self, event: MidiEvent) -> float:
        """The position of the control, 0..1 of its travel."""
        if event.kind == "program":
            return event.number / 127
        first, last = self.travel or (0, self.top)
        position = min(max((event.data - first) / (last - first), 0.0), 1.0)
        return 1.0 - position if self.invert else position

    def _toggled(self, now: Value) -> Value:
        if not self.values:
            return not now
        at = self.values.index(now) if now in self.values else -1
        return self.values[(at + 1) % len(self.values)]

    def _trigger_value(self, parameter: Parameter) -> Value:
        """The value of a button without a travel: the first of ``values``, else the upper end."""
        return self.values[0] if self.values else self._value_at(parameter, 1.0)

    def _bounds(self, parameter: Parameter) -> tuple[float, float]:
        return (
            parameter.low if self.low is None else self.low,
            parameter.high if self.high is None else self.high,
        )

    def _value_at(self, parameter: Parameter, position: float) -> Value:
        """The value at ``position`` 0..1 of the control."""
        picked = self.values or parameter.choices
        if picked:
            return picked[min(int(position * len(picked)), len(picked) - 1)]
        if parameter.kind == "bool":
            return position >= 0.5
        low, high = self._bounds(parameter)
        bent = {"lin": position, "exp": position**2, "log": 1 - (1 - position) ** 2}[self.curve]
        value = low * (1 - bent) + high * bent  # exact at both ends, unlike low + bent * (high - low)
        return round(value) if parameter.kind == "int" else value

    def _stepped(self, parameter: Parameter, now: Value, steps: int) -> Value:
        """``now`` moved by ``steps`` clicks, clipped: one choice, one whole number, or 1/128 of the travel a click."""
        if parameter.kind == "choice":
            at = parameter.choices.index(str(now)) + steps
            return parameter.choices[max(0, min(at, len(parameter.choices) - 1))]
        low, high = self._bounds(parameter)
        click = self.step or (1.0 if parameter.kind == "int" else abs(high - low) / _CLICKS)
        target = float(now) + (steps if high >= low else -steps) * click
        target = max(min(low, high), min(target, max(low, high)))
        return round(target) if parameter.kind == "int" else target


def binding_kind(kind: EventKind) -> BindingKind:
    """The kind of binding that an event of ``kind`` may match."""
    return "note" if kind == "note_on" or kind == "note_off" else kind


def _steps(mode: Mode, data: int) -> int:
    """Clicks of an endless knob, positive to the right. The four encodings that controllers use."""
    if mode == "relative-binary-offset":
        return data - 64
    if mode == "relative-signed-bit":
        return data if data < 64 else 64 - data
    if mode == "relative-signed-bit-2":
        return data - 64 if data >= 64 else -data
    return data if data < 64 else data - 128
