"""Binding: which knob, pad or key moves which parameter, and how. Pure: events in, values out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from riffengine.control.midi_event import MidiEvent
from riffengine.errors import ControlError
from riffengine.performance.command import Value
from riffengine.performance.parameters import Parameter, ParameterTree
from riffengine.performance.state import PerformanceState

BindingKind = Literal["cc", "note", "program", "pitchbend"]
Curve = Literal["lin", "log", "exp"]
Mode = Literal[
    "absolute", "relative-twos-complement", "relative-binary-offset", "relative-signed-bit", "toggle", "trigger"
]
PRESSED = 64  # a button's controller value from which it counts as pressed


@dataclass(frozen=True)
class Binding:
    """One line of a MIDI map. ``channel`` is 1..16, ``None`` for any; ``number`` the controller, note or program.

    ``low`` and ``high`` bound the travel (the parameter's range when ``None``; ``low > high`` turns it round).
    ``curve``: exp is fine at the bottom, log at the top. ``values`` are picked instead of a range: by consecutive notes
    or programs from ``number`` on, or by equal shares of a controller's travel.
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

    def matches(self, event: MidiEvent) -> bool:
        """Whether ``event`` comes from this control."""
        if self.channel is not None and event.channel != self.channel:
            return False
        if event.kind.removesuffix("_on").removesuffix("_off") != self.kind:
            return False
        if self.kind == "pitchbend":
            return True
        span = len(self.values) if self.values and self.kind in ("note", "program") else 1
        return self.number <= event.number < self.number + span

    def value(self, event: MidiEvent, tree: ParameterTree, state: PerformanceState) -> Value | None:
        """What a matching ``event`` asks of the parameter, or ``None`` when it asks for nothing (a key let go)."""
        parameter = tree[self.path]
        released = event.kind == "note_off" or (event.kind == "cc" and event.data < PRESSED)
        if parameter.kind == "trigger":
            return None if released else True
        if self.values and self.kind in ("note", "program"):
            return None if released else self.values[event.number - self.number]
        if self.mode == "toggle":
            return None if released else self._other(state[self.path])
        if self.mode == "trigger":
            return None if released else self._pressed(parameter)
        if self.mode != "absolute":
            return self._moved(parameter, state[self.path], _steps(self.mode, event.data))
        if parameter.kind == "bool":
            return not released
        if event.kind == "note_off":
            return None
        return self._at(parameter, _travel(event))

    def validate(self, tree: ParameterTree) -> None:
        """Raise ``ControlError`` or ``ParameterError`` when this binding cannot work with ``tree``."""
        parameter = tree[self.path]
        if not 0 <= self.number <= 127:
            raise ControlError(f"{self.kind} {self.number} does not exist; allowed is 0 to 127")
        if self.kind in ("note", "program") and self.number + len(self.values) > 128:
            raise ControlError(f"{len(self.values)} values from {self.kind} {self.number} on go beyond 127")
        if self.channel is not None and not 1 <= self.channel <= 16:
            raise ControlError(f"channel {self.channel} does not exist; allowed is 1 to 16, or any")
        for value in self.values:
            parameter.check(value)
        for bound in (self.low, self.high):
            if bound is not None:
                if parameter.kind not in ("float", "int"):
                    raise ControlError(f"low and high are for numbers; {self.path} is {parameter.allowed}")
                parameter.check(bound)
        if parameter.kind == "str" and not self.values:
            raise ControlError(f"{self.path} is text: give the values that the control picks from")
        self._validate_mode(parameter)

    def _validate_mode(self, parameter: Parameter) -> None:
        if self.mode.startswith("relative"):
            if self.kind != "cc":
                raise ControlError(f"mode {self.mode} is for an endless knob, so for cc")
            if self.values or parameter.kind not in ("float", "int", "choice"):
                raise ControlError(f"mode {self.mode} moves numbers and choices; {self.path} is {parameter.allowed}")
        if self.kind == "program" and not self.values and self.mode == "absolute" and parameter.kind != "trigger":
            raise ControlError("a program has no travel: give values, or mode trigger or toggle")
        if self.mode == "toggle" and parameter.kind != "bool" and len(self.values) < 2:
            raise ControlError(f"mode toggle needs a switch or two values; {self.path} is {parameter.allowed}")
        if self.mode in ("toggle", "trigger") and self.kind == "pitchbend":
            raise ControlError(f"mode {self.mode} is for buttons: cc, note or program")

    def _other(self, now: Value) -> Value:
        if not self.values:
            return not now
        at = self.values.index(now) if now in self.values else -1
        return self.values[(at + 1) % len(self.values)]

    def _pressed(self, parameter: Parameter) -> Value:
        """A button without a travel: the first value, else the upper end."""
        return self.values[0] if self.values else self._at(parameter, 1.0)

    def _bounds(self, parameter: Parameter) -> tuple[float, float]:
        return (
            parameter.low if self.low is None else self.low,
            parameter.high if self.high is None else self.high,
        )

    def _at(self, parameter: Parameter, travel: float) -> Value:
        """The value at ``travel`` 0..1 of the control."""
        picked = self.values or parameter.choices
        if picked:
            return picked[min(int(travel * len(picked)), len(picked) - 1)]
        if parameter.kind == "bool":
            return travel >= 0.5
        low, high = self._bounds(parameter)
        bent = {"lin": travel, "exp": travel**2, "log": 1 - (1 - travel) ** 2}[self.curve]
        value = low * (1 - bent) + high * bent  # exact at both ends, unlike low + bent * (high - low)
        return round(value) if parameter.kind == "int" else value

    def _moved(self, parameter: Parameter, now: Value, steps: int) -> Value:
        """``now`` moved by ``steps`` clicks, clipped: one choice, one whole number, or 1/128 of the travel a click."""
        if parameter.kind == "choice":
            at = parameter.choices.index(str(now)) + steps
            return parameter.choices[max(0, min(at, len(parameter.choices) - 1))]
        low, high = self._bounds(parameter)
        click = 1.0 if parameter.kind == "int" else abs(high - low) / 128
        target = float(now) + (steps if high >= low else -steps) * click
        clipped = max(min(low, high), min(target, max(low, high)))
        return round(clipped) if parameter.kind == "int" else clipped


def _travel(event: MidiEvent) -> float:
    match event.kind:
        case "pitchbend":
            return event.data / 16383
        case "program":
            return event.number / 127
        case _:
            return event.data / 127


def _steps(mode: Mode, data: int) -> int:
    """Clicks of an endless knob, positive to the right. The three encodings that controllers use."""
    if mode == "relative-binary-offset":
        return data - 64
    if mode == "relative-signed-bit":
        return data if data < 64 else 64 - data
    return data if data < 64 else data - 128
