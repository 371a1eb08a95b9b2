"""OSC datagrams to requests and back, without any I/O.

python-osc reads and builds single messages. Bundles are read here: python-osc recurses once a level and never returns
on a negative element size, and it reads missing argument bytes as 0.0. Source: Open Sound Control 1.0,
https://opensoundcontrol.stanford.edu/spec-1_0.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message import ParseError as MessageParseError
from pythonosc.osc_message_builder import OscMessageBuilder

from riffengine.errors import ControlError
from riffengine.performance.command import Value

Argument = object  # float, int, str, bool, bytes or None, as the type tag says

MAX_DEPTH = 8  # bundles inside bundles; Max, Pd, Live and SuperCollider send one or two
MAX_MESSAGES = 512  # in one datagram; the smallest message takes 12 bytes, so 64 KiB could hold 5,461
MAX_ARGUMENTS = 256  # /riff/status.reply has more than sixty
MAX_BUNDLE = 1400  # bytes of a bundle of answers: one packet on every network
_NTP_OF_1970 = 2_208_988_800
_BUNDLE = b"#bundle\x00"
_IMMEDIATELY = 1
_TAGS = frozenset("ihfdsbTFN")
_WIDTH = {"i": 4, "f": 4, "h": 8, "d": 8, "T": 0, "F": 0, "N": 0}


@dataclass(frozen=True)
class OscRequest:
    """One message of a datagram. ``time_tag`` is the raw NTP time of its bundle, 0 for "at once"."""

    address: str
    arguments: tuple[Argument, ...] = ()
    time_tag: int = 0


def decode(datagram: bytes) -> list[OscRequest]:
    """The messages of ``datagram`` in their order, bundles flattened; all of them, or ``ControlError``."""
    found: list[OscRequest] = []
    waiting = [(datagram, 0, 0)]  # last in, first out: elements are pushed in reverse to keep their order
    while waiting:
        element, time_tag, depth = waiting.pop()
        if not element.startswith(_BUNDLE):
            found.append(_message(element, time_tag))
            continue
        if depth >= MAX_DEPTH:
            raise ControlError(f"bundles are nested more than {MAX_DEPTH} deep; send them flat")
        inner_tag, elements = _elements(element)
        waiting += [(inner, inner_tag, depth + 1) for inner in reversed(elements)]
        if len(found) + len(waiting) > MAX_MESSAGES:
            raise ControlError(f"more than {MAX_MESSAGES} messages in one datagram; send several")
    return found


def encode(address: str, *values: Value) -> bytes:
    """The datagram for ``address`` with ``values``: i (h beyond 32 bits), f, s, T and F."""
    builder = OscMessageBuilder(address)
    for value in values:
        if isinstance(value, bool):
            builder.add_arg(value, "T" if value else "F")
        elif isinstance(value, int):
            builder.add_arg(value, "i" if -(2**31) <= value < 2**31 else "h")
        elif isinstance(value, float):
            builder.add_arg(value, "f")
        else:
            builder.add_arg(value.replace("\0", " "), "s")
    datagram: bytes = builder.build().dgram
    return datagram


def bundles(messages: Iterable[bytes], longest: int = MAX_BUNDLE) -> Iterator[bytes]:
    """``messages`` in as few bundles as they fit in, each of at most ``longest`` bytes."""
    bundle = b""
    for message in messages:
        element = struct.pack(">i", len(message)) + message
        if bundle and len(bundle) + len(element) > longest:
            yield bundle
            bundle = b""
        bundle = (bundle or _BUNDLE + struct.pack(">Q", _IMMEDIATELY)) + element
    if bundle:
        yield bundle


def _elements(bundle: bytes) -> tuple[int, list[bytes]]:
    if len(bundle) < 16:
        raise ControlError("a bundle ends before its time tag; it is cut off")
    (tag,) = struct.unpack_from(">Q", bundle, 8)
    elements: list[bytes] = []
    at = 16
    while at < len(bundle):
        size = struct.unpack_from(">i", bundle, at)[0] if at + 4 <= len(bundle) else -1
        if size <= 0 or size % 4 or at + 4 + size > len(bundle):
            raise ControlError("a bundle holds an element of an impossible size; it is cut off or not OSC")
        elements.append(bundle[at + 4 : at + 4 + size])
        at += 4 + size
    return (0 if tag == _IMMEDIATELY else tag), elements


def _message(element: bytes, time_tag: int) -> OscRequest:
    if not element.startswith(b"/"):
        raise ControlError("not OSC: a message begins with / and a bundle with #bundle")
    if len(element) % 4:
        raise ControlError(f"{len(element)} bytes are not a multiple of 4; the message is cut off or not OSC")
    tags = _type_tags(element)
    try:
        message = OscMessage(element)
        values = tuple(message)
        address = str(message.address)
    except (MessageParseError, UnicodeDecodeError) as error:
        raise ControlError(f"the message cannot be read: {_cause(error)}") from None
    return OscRequest(address, tuple(map(_readable, tags, values)), time_tag)


def _type_tags(element: bytes) -> str:
    """The type tags after the comma, after checking that python-osc reads them and that their bytes are there."""
    start = element.index(b"\0") if b"\0" in element else len(element)
    start += 4 - start % 4
    if start >= len(element):
        return ""  # old senders leave the tags out when there are no arguments
    end = element.find(b"\0", start)
    if element[start : start + 1] != b"," or end < 0:
        raise ControlError("the message has no type tags; they begin with a comma")
    tags = element[start + 1 : end].decode("ascii", "replace")
    strange = sorted(set(tags) - _TAGS)
    if strange:
        raise ControlError(f"type tag {strange[0]!r} is not understood; use {' '.join(sorted(_TAGS))}")
    if len(tags) > MAX_ARGUMENTS:
        raise ControlError(f"{len(tags)} arguments are too many; allowed are {MAX_ARGUMENTS}")
    at = end + 4 - end % 4
    for tag in tags:
        at = _end_of_argument(element, at, tag)
        if at > len(element):
            raise ControlError("the message ends before its arguments do; it is cut off")
    return tags


def _end_of_argument(element: bytes, at: int, tag: str) -> int:
    """Where the argument at ``at`` ends; beyond the element when its bytes are not all there."""
    if tag == "s":
        end = element.find(b"\0", at)
        return end + 4 - end % 4 if end >= 0 else len(element) + 1
    if tag == "b":
        size = struct.unpack_from(">i", element, at)[0] if at + 4 <= len(element) else -1
        return at + 4 + size + -size % 4 if size >= 0 else len(element) + 1
    return at + _WIDTH[tag]


def _readable(tag: str, value: object) -> Argument:
    return _shortest(value) if tag == "f" and isinstance(value, float) else value


def _shortest(value: float) -> float:
    """The shortest decimal that is sent as this 32-bit float.

    0.3 arrives as 0.30000001192…; with 0.3, OSC and a preset request the same loop. Seven digits
    are nearly always enough, but the seed 16777215 needs eight.
    """
    for digits in (7, 8):
        short = float(f"{value:.{digits}g}")
        if struct.unpack(">f", struct.pack(">f", short))[0] == value:
            return short
    return value


def _cause(error: Exception) -> str:
    return "text is not UTF-8" if isinstance(error, UnicodeDecodeError) else "its arguments are cut off"


def unix_seconds(time_tag: int) -> float:
    """The time of a bundle in seconds since 1970. NTP's seconds count from 1900 in 32 bits and start again in 2036."""
    seconds, fraction = divmod(time_tag, 1 << 32)
    if seconds < 1 << 31:
        seconds += 1 << 32  # after 2036
    return seconds - _NTP_OF_1970 + fraction / (1 << 32)


def time_tag(seconds: float) -> int:
    """The raw NTP time of ``seconds`` since 1970."""
    return round((seconds + _NTP_OF_1970) * (1 << 32)) % (1 << 64)
