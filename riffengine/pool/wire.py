"""The messages between a pool and a node on another machine: JSON, and the samples of a loop in raw pieces.

No pickles: whatever arrives is checked and becomes one of our own frozen messages, or a ``ControlError``. A loop is a
text that says what follows, and binary messages with its samples as float32, little-endian. Other texts may come
between these, but no other loop: on a slow link signs of life do not wait for megabytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from riffengine.errors import ControlError
from riffengine.files.json_text import parse_json
from riffengine.pool.delivery_facts import MOST_SECONDS, delivery_facts, delivery_of, number
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Delivery,
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
MOST_ANSWER_BYTES = 4 << 20
"""Of a message from a node."""
MOST_LOOP_BYTES = 64 << 20
"""Of the samples of a loop."""
PIECE_BYTES = 64 << 10
"""Of its samples in one message: half a second at 1 Mbit/s."""

_MOST_SEATS = 4096
_MOST_TEXT = 2000


@dataclass(frozen=True)
class LoopHead:
    """The answer to ``job`` follows: samples of ``shape`` (stems, frames, channels)."""

    job: int
    shape: tuple[int, int, int]
    delivery: Delivery

    @property
    def bytes(self) -> int:
        """Of all samples."""
        return math.prod(self.shape) * 4


ToNode = Render | Cancel
FromNode = Ready | SeatsChanged | Failed | Cancelled | Alive | LoopHead


def order_text(message: ToNode) -> str:
    """The text of a message to a node."""
    if isinstance(message, Cancel):
        return json.dumps({"type": "cancel", "job": message.job})
    facts = {"job": message.job, "bank": message.bank, "request": message.request.facts()}
    times = {"seconds_left": message.seconds_left, "runway_seconds": message.runway_seconds}
    return json.dumps({"type": "render", **facts, **times})


def parse_order(text: str) -> ToNode:
    """The message to a node that ``text`` holds; ``ControlError`` where it holds none."""
    facts = _mapping(text)
    try:
        job = _whole(facts["job"], 2**53)
        if facts["type"] == "cancel":
            return Cancel(job)
        if facts["type"] != "render":
            raise ValueError(f"the type {str(facts['type'])[:40]!r} is unknown")
        left, runway = facts["seconds_left"], facts.get("runway_seconds")
        for name, seconds in (("seconds_left", left), ("runway_seconds", runway)):
            if seconds is not None:
                number(seconds, 0, MOST_SECONDS, name)
        return Render(job, RenderRequest.from_facts(facts["request"]), 0, left, str(facts["bank"])[:64], runway)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ControlError(f"a message to the node is refused: {error}"[:_MOST_TEXT]) from None


def answer_text(message: FromNode) -> str:
    """The text of a message from a node."""
    if isinstance(message, LoopHead):
        facts = {"job": message.job, "shape": message.shape, **delivery_facts(message.delivery)}
        return json.dumps({"type": "Loop", **facts})
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
                    load_seconds=number(facts["load_seconds"], 0, MOST_SECONDS, "load_seconds"),
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
                worked = number(facts["worked_seconds"], 0, MOST_SECONDS, "worked_seconds")
                return Alive(
                    _whole(facts["job"], 2**53), worked, _whole(facts["steps"], 2**31), facts["queued"] is True
                )
            case "Loop":
                return _loop_head(facts)
            case other:
                raise ValueError(f"the type {str(other)[:40]!r} is unknown")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ControlError(f"a message of the node is refused: {error}"[:_MOST_TEXT]) from None


def loop_head(job: int, loop: FinishedLoop) -> LoopHead:
    """What says that ``loop`` follows as the answer to ``job``."""
    stems, frames, channels = loop.samples.shape
    return LoopHead(job, (stems, frames, channels), loop.delivery)


def loop_pieces(loop: FinishedLoop) -> Iterator[bytes]:
    """Its samples, in order."""
    samples = loop.samples.astype("<f4").tobytes()
    for begin in range(0, len(samples), PIECE_BYTES):
        yield samples[begin : begin + PIECE_BYTES]


class LoopParts:
    """The pieces of a loop as they come."""

    def __init__(self, head: LoopHead) -> None:
        self.head = head
        self._samples = bytearray()

    def add(self, piece: bytes) -> FinishedLoop | None:
        """The loop with its last piece; ``ControlError`` where it is none."""
        self._samples += piece
        if len(self._samples) < self.head.bytes:
            return None
        samples = np.frombuffer(self._samples, dtype="<f4", count=self.head.bytes // 4)
        samples = samples.reshape(self.head.shape).astype(np.float32)
        if len(self._samples) > self.head.bytes or not np.isfinite(samples).all():
            raise ControlError("a loop of the node is refused: it is too long, or its samples are no numbers")
        return FinishedLoop(self.head.delivery, samples)


def _loop_head(facts: Mapping[str, Any]) -> LoopHead:
    stems, frames, channels = (_whole(number, 2**31) for number in facts["shape"])
    delivery = delivery_of(facts, frames)
    head = LoopHead(_whole(facts["job"], 2**53), (stems, frames, channels), delivery)
    if (len(delivery.stems), delivery.channels) != (stems, channels):
        raise ValueError("stems and channels are not those of the samples")
    if not 0 < head.bytes <= MOST_LOOP_BYTES:
        raise ValueError(f"the loop has {head.bytes} bytes; from 1 to {MOST_LOOP_BYTES} are taken")
    return head


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        facts = parse_json(text)
    except ValueError as error:
        raise ControlError(f"a message is refused: {error}"[:_MOST_TEXT]) from None
    if not isinstance(facts, dict):
        raise ControlError("a message is refused: it is no mapping")
    return facts


def _whole(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{str(value)[:40]} is no number from 0 to {most}")
    return value
