"""The values that OSC messages carry: read as their sender means them, and refused where that fails.

Control surfaces send floats for everything, patchers send text word by word or as numbers, menus send an index.
"""

from __future__ import annotations

import math

from riffengine.control.osc.wire import OscRequest
from riffengine.errors import OutOfRange, WrongType
from riffengine.performance.command import Value
from riffengine.performance.error_text import plain
from riffengine.performance.parameter_tree import Parameter

_LARGEST = 2**63 - 1  # the largest number that OSC sends back
_WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def parameter_value(request: OscRequest, parameter: Parameter) -> tuple[Value, str]:
    """The value to which ``request`` sets ``parameter``, and a note for the sender, "" when there is none.

    Numbers and truth values stand for each other, from one half on for true; text is taken for the number that it
    spells, and a number for text; a choice may be sent by its number in the list, from 0 on. What is rounded or clipped
    is noted. ``ParameterError`` for everything else.
    """
    sent = _sent(request, parameter)
    match parameter.kind:
        case "int" | "float":
            return _number(sent, parameter)
        case "bool":
            return _truth(sent, parameter), ""
        case "choice" if _is_number(sent):
            return _choice(float(sent), parameter)  # type: ignore[arg-type]  # a number, as was asked just before
        case "str" if _is_number(sent):
            sent = _spelled(sent)
    return parameter.check(sent)[0], ""


def _sent(request: OscRequest, parameter: Parameter) -> object:
    """The single value of ``request``. Max and Pd send every word of a text by itself."""
    words = request.arguments
    if parameter.kind in ("str", "choice") and len(words) > 1 and all(map(_is_word, words)):
        return " ".join(map(_spelled, words))
    sent = single_argument(request, True if parameter.kind == "trigger" else None)
    if sent is None and parameter.kind == "trigger":
        return True  # nil, as OSCQuery clients send it
    return sent


def _number(sent: object, parameter: Parameter) -> tuple[Value, str]:
    if isinstance(sent, bool):
        sent = int(sent)
    elif isinstance(sent, str) and (spelled := _read_number(sent)) is not None:
        sent = spelled
    infinite = isinstance(sent, float) and math.isinf(sent)  # a division by zero in the sender, not a gesture
    whole = sent
    if parameter.kind == "int" and isinstance(sent, float) and math.isfinite(sent):
        whole = math.floor(sent + 0.5)
    value, moved = parameter.check(whole, clip=not infinite)
    if moved:
        how = "clipped to" if value in (parameter.low, parameter.high) else "played as"
        return value, f"{how} {value}; allowed is {parameter.allowed}"
    return value, f"rounded to {value}; it is a whole number" if whole != sent and sent == sent else ""


def _truth(sent: object, parameter: Parameter) -> Value:
    if isinstance(sent, str):
        number = _read_number(sent)
        sent = number if number is not None else _WORDS.get(sent.strip().lower(), sent)
    if isinstance(sent, float) and 0.0 <= sent <= 1.0:  # a fader, or the pressure on a pad
        return sent >= 0.5
    return parameter.check(sent)[0]


def _choice(number: float, parameter: Parameter) -> tuple[Value, str]:
    if parameter.numbers:
        return parameter.value(number), ""
    if not math.isfinite(number) or not 0 <= (index := math.floor(number + 0.5)) < len(parameter.choices):
        raise OutOfRange(
            f"{parameter.path}: {number:g} is no number of a choice; they count from 0 to "
            f"{len(parameter.choices) - 1}; allowed is {parameter.allowed}"
        )
    return parameter.choices[index], ""


def _is_number(sent: object) -> bool:
    return isinstance(sent, int | float) and not isinstance(sent, bool)


def _is_word(sent: object) -> bool:
    return isinstance(sent, str) or (_is_number(sent) and sent == sent and abs(sent) < _LARGEST)  # type: ignore[arg-type]  # a number


def _spelled(sent: object) -> str:
    """A word or a number as text; whole numbers without a decimal point."""
    if isinstance(sent, int | float) and math.isfinite(sent):
        return plain(sent)
    return str(sent)


def _read_number(text: str) -> float | int | None:
    """The finite number that ``text`` spells, ``None`` for other text."""
    try:
        number = float(text) if len(text) < 40 and "_" not in text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def single_argument(request: OscRequest, default: object = None) -> object:
    """The single argument of ``request``, or ``default`` when there is none; ``WrongType`` when there are more."""
    if len(request.arguments) > 1:
        raise WrongType(f"{request.address} takes one value, {len(request.arguments)} were sent; put text in quotes")
    return request.arguments[0] if request.arguments else default


def whole_number(request: OscRequest) -> int:
    """The single argument of ``request`` as a whole number; ``WrongType`` when it is none."""
    sent = single_argument(request)
    if (
        isinstance(sent, bool)
        or not isinstance(sent, int | float)
        or sent != sent // 1  # also true for NaN
        or abs(sent) > _LARGEST
    ):
        raise WrongType(f"{request.address} takes one whole number, which is sent back")
    return int(sent)


def port_number(request: OscRequest, sent: object) -> int:
    """``sent`` as the port to reply to; ``WrongType`` when it is none."""
    if isinstance(sent, bool) or not isinstance(sent, int | float) or not 0 < sent < 65536 or sent != int(sent):
        raise WrongType(f"{request.address}: the second value is the port for replies, from 1 to 65535")
    return int(sent)


def wire_value(value: Value) -> Value:
    """``value`` as every program reads it: Pure Data refuses a whole message for the tags T and F."""
    return int(value) if isinstance(value, bool) else value
