"""The values that OSC messages carry: read, coerced to what a parameter takes, and refused where that fails."""

from __future__ import annotations

import math

from riffengine.control.osc.wire import OscRequest
from riffengine.errors import WrongType
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import Parameter

_LARGEST = 2**63 - 1  # the largest number that OSC sends back


def parameter_value(request: OscRequest, parameter: Parameter) -> tuple[Value, str]:
    """The value to which ``request`` sets ``parameter``, and a note for the sender, "" when there is none.

    Numbers and truth values stand for each other where nothing is lost; numbers beyond the range are clipped to it,
    with a note. ``ParameterError`` for everything else.
    """
    words = request.arguments
    if parameter.kind == "str" and len(words) > 1 and all(isinstance(word, str) for word in words):
        return parameter.check(" ".join(map(str, words)))[0], ""  # Max and Pd send every word by itself
    sent = single_argument(request, True if parameter.kind == "trigger" else None)
    if sent is None and parameter.kind == "trigger":
        sent = True  # nil, as OSCQuery clients send it
    if isinstance(sent, bool) and parameter.kind in ("int", "float"):
        sent = int(sent)
    infinite = isinstance(sent, float) and math.isinf(sent)  # a division by zero in the sender, not a gesture
    value, moved = parameter.check(sent, clip=not infinite)
    if not moved:
        return value, ""
    how = "clipped to" if value in (parameter.low, parameter.high) else "played as"
    return value, f"{how} {value}; allowed is {parameter.allowed}"


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
