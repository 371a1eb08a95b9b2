"""The messages between a pool and a node on another machine: JSON, and a finished loop as JSON and raw samples.

No pickles: whatever arrives is checked and becomes one of our own frozen messages, or a ``ControlError``. A binary
message is four bytes (the length of the JSON, big-endian), the JSON, and the samples as float32, little-endian.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from riffengine.errors import ControlError
from riffengine.pool.delivery_facts import delivery_facts, delivery_of
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Failed,
    Ready,
    Render,
    SeatsChanged,
)
from riffengine.processes.render_request import RenderRequest

PATH = "/pool"
"""Of the WebSocket."""
MOST_ORDER_BYTES = 64 << 10
"""Of a message to a node."""
MOST_LOOP_BYTES = 64 << 20
"""Of a message from a node."""

_LENGTH = struct.Struct(">I")
_MOST_SEATS = 4096
_MOST_TEXT = 2000

ToNode = Render | Cancel
FromNode = Ready | SeatsChanged | Failed | Cancelled | Alive


def order_text(message: ToNode) -> str:
    """The text of a message to a node."""
    if isinstance(message, Cancel):
        return json.dumps({"type": "cancel", "job": message.job})
    facts = {"job": message.job, "seconds_left": message.seconds_left, "bank": message.bank}
    return json.dumps({"type": "render", **facts, "request": message.request.facts()})


def parse_order(text: str) -> ToNode:
    """The message to a node that ``text`` holds; ``ControlError`` where it holds none."""
    facts = _mapping(text)
    try:
        job = _whole(facts["job"], 2**53)
        if facts["type"] == "cancel":
            return Cancel(job)
        if facts["type"] != "render":
            raise ValueError(f"the type {str(facts['type'])[:40]!r} is unknown")
        left = facts["seconds_left"]
        if left is not None and not (isinstance(left, int | float) and math.isfinite(left) and left >= 0):
            raise ValueError("seconds_left is no time")
        return Render(job, RenderRequest.from_facts(facts["request"]), 0, left, str(facts["bank"])[:64])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ControlError(f"a message to the node is refused: {error}"[:_MOST_TEXT]) from None


def answer_text(message: FromNode) -> str:
    """The text of a message from a node."""
    return json.dumps({"type": type(message).__name__, **asdict(message)})


def parse_answer(text: str) -> FromNode:
    """The message from a node that ``text`` holds; ``ControlError`` where it holds none."""
    facts = _mapping(text)
    try:
        match facts["type"]:
            case "Ready":
                return Ready(
                    model=str(facts["model"])[:_MOST_TEXT],
                    stems=tuple(str(stem)[:64] for stem in facts["stems"][:16]),
                    channels=_whole(facts["channels"], 16),
                    vocabulary=tuple(str(word)[:64] for word in facts["vocabulary"][:10_000]),
                    load_seconds=float(facts["load_seconds"]),
                    weights_digest=str(facts["weights_digest"])[:64],
                    seats=_whole(facts["seats"], _MOST_SEATS),
                    kind=str(facts["kind"])[:400],
                )
            case "SeatsChanged":
                return SeatsChanged(_whole(facts["seats"], _MOST_SEATS), str(facts["reason"])[:_MOST_TEXT])
            case "Failed":
                job = -1 if facts["job"] == -1 else _whole(facts["job"], 2**53)
                return Failed(job, str(facts["reason"])[:_MOST_TEXT], facts["hopeless"] is True)
            case "Cancelled":
                return Cancelled(_whole(facts["job"], 2**53))
            case "Alive":
                worked = float(facts["worked_seconds"])
                return Alive(
                    _whole(facts["job"], 2**53), worked, _whole(facts["steps"], 2**31), facts["queued"] is True
                )
            case other:
                raise ValueError(f"the type {str(other)[:40]!r} is unknown")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ControlError(f"a message of the node is refused: {error}"[:_MOST_TEXT]) from None


def loop_bytes(job: int, loop: FinishedLoop) -> bytes:
    """The binary message that answers ``job``."""
    head = json.dumps({"job": job, "shape": loop.samples.shape, **delivery_facts(loop.delivery)}).encode()
    return b"".join((_LENGTH.pack(len(head)), head, np.ascontiguousarray(loop.samples, dtype="<f4").tobytes()))


def parse_loop(message: bytes) -> tuple[int, FinishedLoop]:
    """The job that ``message`` answers, and its loop; ``ControlError`` where it is none."""
    try:
        (length,) = _LENGTH.unpack_from(message)
        facts = _mapping(message[_LENGTH.size : _LENGTH.size + length].decode())
        stems, frames, channels = (_whole(number, 2**31) for number in facts["shape"])
        delivery = delivery_of(facts, frames)
        if (len(delivery.stems), delivery.channels) != (stems, channels):
            raise ValueError("stems and channels are not those of the samples")
        samples = np.frombuffer(message, dtype="<f4", offset=_LENGTH.size + length)
        samples = samples.reshape(stems, frames, channels).astype(np.float32)
        if not np.isfinite(samples).all():
            raise ValueError("the samples are no numbers")
        return _whole(facts["job"], 2**53), FinishedLoop(delivery, samples)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise ControlError(f"a loop of the node is refused: {error}"[:_MOST_TEXT]) from None


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        raise ControlError("a message is refused: it is no JSON") from None
    if not isinstance(facts, dict):
        raise ControlError("a message is refused: it is no mapping")
    return facts


def _whole(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{str(value)[:40]} is no number from 0 to {most}")
    return value
