"""Reads one OSC message: its address, its type tags and its arguments. Pure.

Every type of OSC 1.0 and 1.1 is read here: python-osc knows fewer, and reads missing bytes as 0.0. Source: Open Sound
Control 1.0, https://opensoundcontrol.stanford.edu/spec-1_0.html; 1.1, https://opensoundcontrol.stanford.edu/files/2009-NIME-OSC-1.1.pdf
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from riffengine.errors import ControlError

Argument = object  # float, int, str, bool, bytes or None, as the type tag says

MAX_ARGUMENTS = 256  # /riff/status.reply has more than sixty
_FIXED: dict[str, str] = {"i": ">i", "r": ">I", "h": ">q", "t": ">Q", "f": ">f", "d": ">d"}
_EMPTY: dict[str, Argument] = {"T": True, "F": False, "N": None, "I": True}  # an impulse fires, as true does
TAGS = "ifsb hdtScrmTFNI []"


def read_message(element: bytes) -> tuple[str, tuple[Argument, ...], str]:
    """The address, the arguments, and why they cannot be read: "" if they can.

    An array is its elements. ``ControlError`` where not even the address can be read. A slash at the end of an address
    is left out.
    """
    if not element.startswith(b"/"):
        raise ControlError("not OSC: a message begins with / and a bundle with #bundle")
    end = element.find(b"\0")
    if end < 0:
        raise ControlError("not OSC: the address does not end; it is cut off")
    try:
        address = element[:end].decode().rstrip("/") or "/"
    except UnicodeDecodeError as error:
        raise ControlError(f"the address is not UTF-8: {_byte(error)}") from None
    try:
        return address, _arguments(element, _padded(end)), ""
    except ControlError as error:
        return address, (), str(error)


def _arguments(element: bytes, start: int) -> tuple[Argument, ...]:
    if len(element) % 4:
        raise ControlError(f"{len(element)} bytes are not a multiple of 4; the message is cut off or not OSC")
    if start >= len(element):
        return ()  # old senders leave the tags out when there are no arguments
    end = element.find(b"\0", start)
    if element[start : start + 1] != b"," or end < 0:
        raise ControlError("the message has no type tags; they begin with a comma")
    tags = element[start + 1 : end].decode("latin-1")
    if len(tags) > MAX_ARGUMENTS:
        raise ControlError(f"{len(tags)} arguments are too many; allowed are {MAX_ARGUMENTS}")
    found: list[Argument] = []
    at, depth = _padded(end), 0
    for tag in tags:
        if tag in "[]":
            depth += 1 if tag == "[" else -1
            if depth < 0:
                raise ControlError("an array ends that has not begun; the type tags are damaged")
        elif tag in _EMPTY:
            found.append(_EMPTY[tag])
        else:
            value, at = _argument(element, at, tag)
            found.append(value)
    if depth:
        raise ControlError("an array does not end; the type tags are damaged")
    return tuple(found)


def _argument(element: bytes, at: int, tag: str) -> tuple[Argument, int]:
    """The argument at ``at``, and where it ends."""
    if tag in _FIXED:
        layout = _FIXED[tag]
        return _within(element, at, struct.calcsize(layout), lambda data: struct.unpack(layout, data)[0], tag)
    match tag:
        case "s" | "S":
            end = element.find(b"\0", at)
            if end < 0:
                raise ControlError("the message ends before its arguments do; it is cut off")
            return _within(element, at, _padded(end) - at, lambda data: _text(data[: end - at]), tag)
        case "b":
            size = struct.unpack_from(">i", element, at)[0] if at + 4 <= len(element) else -1
            if size < 0:
                raise ControlError("a blob has an impossible size; the message is cut off or not OSC")
            return _within(element, at, 4 + size + -size % 4, lambda data: data[4 : 4 + size], tag)
        case "c":
            return _within(element, at, 4, _character, tag)
        case "m":
            return _within(element, at, 4, lambda data: data, tag)
    raise ControlError(f"type tag {tag!r} is not understood; use one of {TAGS}")


def _within(element: bytes, at: int, size: int, read: Callable[[bytes], Argument], tag: str) -> tuple[Argument, int]:
    if at + size > len(element):
        raise ControlError("the message ends before its arguments do; it is cut off")
    value = read(element[at : at + size])
    return (_shortest(value) if tag == "f" and isinstance(value, float) else value), at + size


def _padded(end: int) -> int:
    """Where what ends with the zero byte at ``end`` is followed by the next: at a multiple of four."""
    return end + 4 - end % 4


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ControlError(f"text is not UTF-8: {_byte(error)}; have the sender use UTF-8") from None


def _byte(error: UnicodeDecodeError) -> str:
    return f"byte 0x{error.object[error.start]:02x} after {error.start} others"


def _character(data: bytes) -> str:
    (code,) = struct.unpack(">I", data)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ControlError(f"a character has the code {code}, which is none")
    return chr(code)


def _shortest(value: float) -> float:
    """The shortest decimal that is sent as this 32-bit float.

    0.3 arrives as 0.30000001192…; with 0.3, OSC and a preset request the same loop. Seven digits
    are nearly always enough, but the seed 16777215 needs eight.
    """
    for digits in (7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.unpack(">f", struct.pack(">f", short))[0] == value:
                return short
        except OverflowError:  # the largest floats, rounded up
            continue
    return value
