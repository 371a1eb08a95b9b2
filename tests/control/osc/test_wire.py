from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from riffengine.control.osc.message import MAX_ARGUMENTS
from riffengine.control.osc.wire import MAX_DEPTH, MAX_MESSAGES, OscRequest, decode, encode
from riffengine.errors import ControlError

FLAT = encode("/a", 1)


def bundle(*elements: bytes, tag: int = 1) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(e)) + e for e in elements)


def nested(depth: int) -> bytes:
    datagram = FLAT
    for _ in range(depth):
        datagram = bundle(datagram)
    return datagram


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(width=32, allow_nan=False),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        ),
        max_size=8,
    )
)
def test_what_is_encoded_is_decoded(values: list[float | int | str | bool]) -> None:
    (request,) = decode(encode("/riff/x", *values))
    assert request.address == "/riff/x"
    assert [type(v) for v in request.arguments] == [type(v) for v in values]
    for sent, got in zip(values, request.arguments, strict=True):
        assert (struct.pack(">f", got) == struct.pack(">f", sent)) if isinstance(sent, float) else got == sent


def test_a_32_bit_float_is_read_as_its_shortest_decimal() -> None:
    assert decode(encode("/a", 0.3))[0].arguments == (0.3,)
    (request,) = decode(encode("/a", 16777215.0, 12345678.0, 1.0000004, float("-inf")))  # seeds; nearly on
    assert request.arguments[:2] == (16777215.0, 12345678.0)
    assert request.arguments[2] != 1.0 and request.arguments[3] == float("-inf")


def test_bundles_are_flattened_in_order_and_carry_their_time_tag() -> None:
    later = 0xE0000000_80000000
    datagram = bundle(encode("/a", 1), bundle(encode("/b", 2), encode("/c", 3), tag=later), encode("/d", 4))
    assert decode(datagram) == [
        OscRequest("/a", (1,), 0),
        OscRequest("/b", (2,), later),
        OscRequest("/c", (3,), later),
        OscRequest("/d", (4,), 0),
    ]
    builder = OscBundleBuilder(0)  # python-osc's own bundle reads the same
    message = OscMessageBuilder("/a")
    message.add_arg(1)
    builder.add_content(message.build())
    assert [r.address for r in decode(builder.build().dgram)] == ["/a"]


GARBAGE = {
    "empty": b"",
    "text": b"hello",
    "not a multiple of four": b"/a\0",
    "no comma": b"/a\0\0abcd",
    "unknown tag": b"/a\0\0,q\0\0",
    "an array without end": b"/a\0\0,[i\0" + bytes(4),
    "an array without beginning": b"/a\0\0,]\0\0",
    "a character that is none": b"/a\0\0,c\0\0\xff\xff\xff\xff",
    "float without bytes": b"/a\0\0,f\0\0",
    "float after a string without bytes": b"/a\0\0,sf\0abcdefg\0",
    "string without end": b"/a\0\0,s\0\0abcd",
    "string not UTF-8": b"/a\0\0,s\0\0\xff\xfe\xfd\0",
    "address not UTF-8": b"/\xff\0\0,\0\0\0",
    "blob of negative size": b"/a\0\0,b\0\0" + struct.pack(">i", -4),
    "blob cut off": b"/a\0\0,b\0\0" + struct.pack(">i", 400) + b"abcd",
    "too many arguments": encode("/a", *[True] * (MAX_ARGUMENTS + 1)),
    "bundle without time": b"#bundle\0abcd",
    "bundle element of negative size": bundle() + struct.pack(">i", -4),
    "bundle element of no size": bundle() + struct.pack(">i", 0) + FLAT,
    "bundle element cut off": bundle() + struct.pack(">i", 400) + FLAT,
    "bundle of garbage": bundle(FLAT, b"abcd"),
    "bundles too deep": nested(MAX_DEPTH + 1),
    "bundles very deep": nested(3000),
    "too many messages": bundle(*[FLAT] * (MAX_MESSAGES + 1)),
}


@pytest.mark.parametrize("datagram", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_refused_with_a_reason(datagram: bytes) -> None:
    try:
        (request,) = decode(datagram)
    except ControlError as refusal:
        assert len(str(refusal)) > 20
    else:
        assert len(request.problem) > 20 and request.address == "/a" and not request.arguments


TYPES = {
    b",I\0\0": (True,), b",T\0\0": (True,), b",N\0\0": (None,), b",[f]\0\0\0\0" + struct.pack(">f", 0.5): (0.5,),
    b",[i[T]]\0" + struct.pack(">i", 3): (3, True), b",S\0\0dub\0": ("dub",),
    b",c\0\0\0\0\0a": ("a",), b",r\0\0\xff\0\0\x01": (0xFF000001,), b",m\0\0\0\x90\x24\x7f": (b"\0\x90\x24\x7f",),
    b",t\0\0" + bytes(7) + b"\x01": (1,), b",h\0\0" + struct.pack(">q", -9): (-9,),
    b",d\0\0" + struct.pack(">d", 0.1): (0.1,),
    b",[]\0": (),
}  # fmt: skip


@pytest.mark.parametrize(("rest", "values"), TYPES.items(), ids=[str(rest[:6]) for rest in TYPES])
def test_every_type_of_osc_1_0_and_1_1_is_read(rest: bytes, values: tuple[object, ...]) -> None:
    assert decode(b"/a\0\0" + rest) == [OscRequest("/a", values)]


def test_a_message_that_cannot_be_read_is_named_and_its_bundle_is_done() -> None:
    latin = b"/riff/deck/a/prompt\0,s\0\0caf\xe9\0\0\0\0"
    found = decode(bundle(FLAT, latin, b"/b\0\0,q\0\0", encode("/c", 2)))
    assert [(r.address, r.arguments) for r in found] == [
        ("/a", (1,)),
        ("/riff/deck/a/prompt", ()),
        ("/b", ()),
        ("/c", (2,)),
    ]
    assert "byte 0xe9 after 3 others" in found[1].problem and "'q'" in found[2].problem


def test_a_slash_at_the_end_of_an_address_is_left_out() -> None:
    assert decode(encode("/riff/steps/", 4)) == [OscRequest("/riff/steps", (4,))]
    assert decode(encode("//", 4))[0].address == "/"


def test_the_limits_themselves_are_allowed() -> None:
    assert len(decode(nested(MAX_DEPTH))) == 1
    assert len(decode(bundle(*[FLAT] * MAX_MESSAGES))) == MAX_MESSAGES
    assert len(decode(encode("/a", *[True] * 32))[0].arguments) == 32


@settings(deadline=None)  # a busy machine is no failure
@given(st.one_of(st.binary(), st.binary().map(lambda b: b"/a\0\0," + b), st.binary().map(lambda b: bundle() + b)))
def test_no_bytes_raise_anything_else(datagram: bytes) -> None:
    try:
        found = decode(datagram)
    except ControlError:
        return
    assert all(isinstance(request, OscRequest) for request in found)
