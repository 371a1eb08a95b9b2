"""ParameterTree: checks commands against the parameters of a session, and applies them to the state.

Pure: no I/O and no clock. Any process may use it; only the engine process holds the state that it changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

from riffengine.errors import OutOfRange, ParameterError, UnknownParameter, WrongType
from riffengine.performance.command import Accepted, Command, Rejected, Reply, Value
from riffengine.performance.error_text import plain, quoted, shown, unknown
from riffengine.performance.state import PerformanceState
from riffengine.performance.text_format import TextFormat
from riffengine.transport.sync.source import octaves_into

Kind = Literal["float", "int", "str", "bool", "choice", "trigger"]


class ControlClass(StrEnum):
    """When a change can be heard."""

    IMMEDIATE = "immediate"  # the next audio block
    MORPH = "morph"  # the next audio block while the morph bank covers it
    QUANTISED = "quantised"  # rendered, then spliced on the next quantum
    STRUCTURAL = "structural"  # a process starts first: a plugin's; a scene does not do that


@dataclass(frozen=True)
class Parameter:
    """One control: what it is called, what it may be, and when a change of it can be heard.

    ``low`` and ``high`` are inclusive and in ``unit``. A trigger has no value: it fires. ``default`` is valid. ``form``
    is what a text has to say. A number between the ``multiples`` is doubled or halved until it is in the range.
    """

    path: str
    kind: Kind
    default: Value
    control: ControlClass
    help: str
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    choices: tuple[str, ...] = ()
    max_length: int = 400
    form: TextFormat | None = None
    multiples: tuple[float, float] | None = None
    numbers: tuple[float, ...] = ()  # what the choices stand for, where that is numbers
    aliases: tuple[tuple[str, str], ...] = ()  # other spellings of choices, each with its choice

    def number(self, value: Value) -> float:
        """``value``, which the parameter holds, as a number."""
        return self.numbers[self.choices.index(str(value))] if self.numbers else float(value)

    def value(self, number: float) -> Value:
        """The value that the parameter holds for ``number``: the nearest that it allows."""
        if self.numbers:
            return self.choices[min(range(len(self.numbers)), key=lambda n: abs(self.numbers[n] - number))]
        if self.kind == "bool":
            return number >= 0.5
        number = min(max(number, self.low), self.high)
        return round(number) if self.kind == "int" else number

    @property
    def allowed(self) -> str:
        """What the parameter accepts, in words for an error message or a table."""
        match self.kind:
            case "bool":
                return "true or false"
            case "trigger":
                return "no value (it is a trigger)"
            case "choice":
                return "one of " + ", ".join(choice or '""' for choice in self.choices)
            case "str":
                return self.form.allowed if self.form else f"text of at most {self.max_length} characters"
            case _:
                what = "a whole number" if self.kind == "int" else "a number"
                unit = f" {self.unit}" if self.unit else ""
                wider = ""
                if self.multiples is not None:
                    slowest, fastest = map(plain, self.multiples)
                    wider = f"; values from {slowest} to {fastest} are doubled or halved into it"
                return f"{what} from {plain(self.low)} to {plain(self.high)}{unit}{wider}"

    def check(self, value: object, clip: bool = False) -> tuple[Value, bool]:
        """``value`` as this parameter holds it, and whether it was moved into the range; ``clip`` does so with numbers.

        Integers and floats stand for each other where nothing is lost; 0 and 1 stand for false and true. Raises
        ``WrongType`` or ``OutOfRange``.
        """
        match self.kind:
            case "float" | "int":
                return self._number(value, clip)
            case "str":
                return self._text(value), False
            case "choice":
                return self._choice(value), False
            case "bool":
                return self._truth(value), False
            case "trigger":
                return self._fires(value), False

    def _number(self, value: object, clip: bool) -> tuple[Value, bool]:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise self._wrong_type(value)
        # Compared before the conversion: an int may be too large to become a float at all.
        if not self.low <= value <= self.high:
            if self.multiples is not None and self.multiples[0] <= value <= self.multiples[1]:
                return float(value) * octaves_into(value, self.low, self.high), True
            if not clip:
                raise self._out_of_range(value)
            bound = self.low if value < self.low else self.high
            return (int(bound) if self.kind == "int" else float(bound)), True
        if self.kind == "float":
            return float(value), False
        if value != int(value):
            raise self._wrong_type(value)
        return int(value), False

    def _text(self, value: object) -> str:
        if not isinstance(value, str):
            raise self._wrong_type(value)
        if len(value) > self.max_length:
            raise OutOfRange(f"{self.path}: {len(value)} characters is too long; allowed is {self.allowed}")
        # Not printable: control characters would break the status line, lone surrogates cannot be sent over OSC.
        if not value.isprintable():
            raise WrongType(f"{self.path}: {quoted(value)} holds characters that cannot be shown; remove them")
        if self.form is not None:
            try:
                self.form.read(value)
            except ValueError as error:
                raise OutOfRange(f"{self.path}: {error}") from None
        return str(value)

    def _choice(self, value: object) -> str:
        if not isinstance(value, str):
            raise self._wrong_type(value)
        for choice in self.choices:
            if choice.lower() == value.lower():
                return choice
        for alias, choice in self.aliases:
            if alias == value:
                return choice
        raise OutOfRange(f"{self.path}: {quoted(value)} is no choice; allowed is {self.allowed}")

    def _truth(self, value: object) -> bool:
        if isinstance(value, int | float) and value in (0, 1):
            return bool(value)
        raise self._wrong_type(value)

    def _fires(self, value: object) -> bool:
        # Touch surfaces send a number with every button, and 0 when it is let go.
        if isinstance(value, int | float) and value == value:
            return bool(value)
        raise self._wrong_type(value)

    def _wrong_type(self, value: object) -> WrongType:
        return WrongType(f"{self.path}: {quoted(value)} is of the wrong type; allowed is {self.allowed}")

    def _out_of_range(self, value: object) -> OutOfRange:
        return OutOfRange(f"{self.path}: {quoted(value)} is out of range; allowed is {self.allowed}")


@dataclass(frozen=True)
class Checked:
    """A command whose value is as its parameter holds it.

    ``asked`` is the command as it was sent; ``clipped`` says that the value was moved into the range.
    """

    command: Command
    asked: Command
    clipped: bool = False

    @classmethod
    def valid(cls, command: Command) -> Checked:
        """A command of our own, whose value is known to be right."""
        return cls(command, command)


class ParameterRow(NamedTuple):
    """One line of the reference table; every field is text."""

    path: str
    kind: str
    allowed: str
    default: str
    control: str
    help: str


class ParameterTree:
    """The parameters of a session by path, and the rules by which a command changes the state.

    Pure; it only changes when plugins are loaded: their parameters join and leave it. The engine process alone applies
    commands; others may check and describe.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        by_path: dict[str, Parameter] = {}
        for parameter in parameters:
            if parameter.path in by_path:
                raise ParameterError(f"{parameter.path} is declared twice; every path names one parameter")
            parameter.check(parameter.default)
            by_path[parameter.path] = parameter
        self.parameters: Mapping[str, Parameter] = MappingProxyType(by_path)

    def join(self, parameters: Iterable[Parameter]) -> None:
        """Add the parameters of a plugin, in the place of others with the same paths."""
        self.parameters = MappingProxyType({**self.parameters, **{found.path: found for found in parameters}})

    def leave(self, paths: Iterable[str]) -> None:
        """Remove the parameters of a plugin that has gone."""
        gone = frozenset(paths)
        self.parameters = MappingProxyType({path: p for path, p in self.parameters.items() if path not in gone})

    def __getitem__(self, path: str) -> Parameter:
        """The parameter at ``path``; ``UnknownParameter`` names those with a similar path."""
        try:
            return self.parameters[path]
        except KeyError:
            raise UnknownParameter(unknown("parameter", path, self.parameters)) from None

    def __contains__(self, path: object) -> bool:
        return path in self.parameters

    def initial_state(self) -> PerformanceState:
        """The defaults, at revision 0. Triggers hold no value."""
        return PerformanceState(MappingProxyType({p.path: p.default for p in self.values}))

    @property
    def values(self) -> tuple[Parameter, ...]:
        """The parameters that hold a value: all but the triggers."""
        return tuple(p for p in self.parameters.values() if p.kind != "trigger")

    def check(self, path: str, value: object, clip: bool = False) -> tuple[Value, bool]:
        """``value`` as ``path`` holds it, and whether it was clipped; ``ParameterError`` when it is refused."""
        return self[path].check(value, clip)

    def checked(self, command: Command, clip: bool = False) -> Checked | Rejected:
        """``command`` with its value as the parameter holds it, or why it is refused. The only check that is needed."""
        try:
            value, clipped = self[command.path].check(command.value, clip)
        except ParameterError as error:
            return Rejected(command, str(error))
        return Checked(replace(command, value=value), command, clipped)

    def apply_checked(self, state: PerformanceState, checked: Checked) -> tuple[PerformanceState, Accepted]:
        """The state after a command that was checked, and the answer to its sender.

        A trigger changes no value; it fires when the answer's ``value`` is true.
        """
        command, value = checked.command, checked.command.value
        reply = Accepted(checked.asked, value, clipped=checked.clipped)
        if self[command.path].kind == "trigger":
            return state, replace(reply, note="" if value else "button released; nothing was triggered")
        if state.values.get(command.path) == value:
            return state, replace(reply, note="it has this value already")
        return state.with_value(command.path, value), reply

    def apply(self, state: PerformanceState, command: Command, clip: bool = False) -> tuple[PerformanceState, Reply]:
        """The state after ``command`` and the answer to its sender; a refused command leaves the very same state."""
        checked = self.checked(command, clip)
        return (state, checked) if isinstance(checked, Rejected) else self.apply_checked(state, checked)

    def describe(self) -> list[ParameterRow]:
        """The reference table, in the order of the tree."""
        return [
            ParameterRow(
                path=p.path,
                kind="text" if p.kind == "str" else p.kind,
                allowed=p.allowed,
                default="" if p.kind == "trigger" else shown(p.default),
                control=str(p.control),
                help=p.help,
            )
            for p in self.parameters.values()
        ]
