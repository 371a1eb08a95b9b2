"""OSC datagrams to requests and back, without any I/O.

python-osc builds messages. Bundles are read here, since python-osc recurses once a level and never returns on a
negative element size; messages are read by ``message``. Source: Open Sound Control 1.0,
https://opensoundcontrol.stanford.edu/spec-1_0.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pythonosc.osc_message_builder import OscMessageBuilder

from riffengine.control.osc.message import Argument, read_message
from riffengine.errors import ControlError
from riffengine.performance.command import Value

MAX_DEPTH = 8  # bundles inside bundles; Max, Pd, Live and SuperCollider send one or two
MAX_MESSAGES = 512  # in one datagram; the smallest message takes 12 bytes, so 64 KiB could hold 5,461
MAX_BUNDLE = 1400  # bytes of a bundle of answers: one packet on every network
_NTP_OF_1970 = 2_208_988_800
_BUNDLE = b"#bundle\x00"
_IMMEDIATELY = 1


@dataclass(frozen=True)
class OscRequest:
    """One message of a datagram. ``time_tag`` is the raw NTP time of its bundle, 0 for "at once".

    ``problem`` says why its arguments cannot be read, "" if they can: the other messages of its bundle are done.
    """

    address: str
    arguments: tuple[Argument, ...] = ()
    time_tag: int = 0
    problem: str = ""


def decode(datagram: bytes) -> list[OscRequest]:
    """The messages of ``datagram`` in their order, bundles flattened.

    ``ControlError`` where a bundle is damaged or something in it is no message: then none of it is done.
    """
    found: list[OscRequest] = []
    waiting = [(datagram, 0, 0)]  # last in, first out: elements are pushed in reverse to keep their order
    while waiting:
        element, time_tag, depth = waiting.pop()
        if not element.startswith(_BUNDLE):
            address, arguments, problem = read_message(element)
            found.append(OscRequest(address, arguments, time_tag, problem))
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


def unix_seconds(time_tag: int) -> float:
    """The time of a bundle in seconds since 1970. NTP's seconds count from 1900 in 32 bits and start again in 2036."""
    seconds, fraction = divmod(time_tag, 1 << 32)
    if seconds < 1 << 31:
        seconds += 1 << 32  # after 2036
    return seconds - _NTP_OF_1970 + fraction / (1 << 32)


def time_tag(seconds: float) -> int:
    """The raw NTP time of ``seconds`` since 1970."""
    return round((seconds + _NTP_OF_1970) * (1 << 32)) % (1 << 64)
