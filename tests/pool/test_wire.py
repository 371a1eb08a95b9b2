"""The messages between a pool and a node: they come back as they were, and what is none is refused."""

from __future__ import annotations

import contextlib
import json
import math

import numpy as np
import pytest

from riffengine.errors import ControlError
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.wire import (
    LoopHead,
    LoopParts,
    answer_text,
    loop_head,
    loop_pieces,
    order_text,
    parse_answer,
    parse_order,
)
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Delivery,
    Failed,
    Ready,
    Render,
    RenderCost,
    SeatsChanged,
)
from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake

END = MorphEnd("techno", 3)


def test_every_message_comes_back_as_it_was_and_anything_else_is_a_control_error() -> None:
    rich = RenderRequest(
        END, MorphEnd("dub", 4), alpha=0.5, chords=((57, 60),), retakes=(Retake(("drums",), 3, 2, "x", 0.5),)
    )
    for order in (Render(7, rich, 0, 1.5, "bank"), Render(7, rich, 0), Cancel(9)):
        assert parse_order(order_text(order)) == order
    ready = Ready("m", ("mix",), 1, ("techno",), 1.0, "w", 3, "cpu")
    for answer in (
        ready,
        SeatsChanged(2, "x"),
        Failed(-1, "no"),
        Failed(2, "no", True),
        Cancelled(3),
        Alive(4, 0.5, 2),
        Alive(5, 0.0, 0, queued=True),
    ):
        assert parse_answer(answer_text(answer)) == answer
    samples = np.random.default_rng(1).standard_normal((1, 100, 2)).astype(np.float32)
    loop = FinishedLoop(Delivery(0, 0, rich, 100, 2, ("mix",), -14.0, 0.5, RenderCost(), (), b"\x01"), samples)
    head = parse_answer(answer_text(loop_head(5, loop)))
    assert isinstance(head, LoopHead) and head.job == 5
    parts = LoopParts(head)
    *first, last = (piece[n : n + 300] for piece in loop_pieces(loop) for n in range(0, 800, 300))
    assert [parts.add(piece) for piece in first] == [None, None]
    back = parts.add(last)
    assert back is not None and back.delivery == loop.delivery and np.array_equal(back.samples, samples)
    rng = np.random.default_rng(2)
    for text in (order_text(Render(7, rich, 0, 1.5, "bank")), answer_text(ready), answer_text(head)):
        for _ in range(300):
            broken = bytearray(text.encode())
            broken[rng.integers(len(broken))] = rng.integers(256)
            for parse in (parse_order, parse_answer):
                with contextlib.suppress(ControlError):
                    parse(broken.decode("utf-8", "replace"))
    for wrong in (b"\0" * 801, b"\xff" * 800):
        with pytest.raises(ControlError):
            LoopParts(head).add(wrong)
    for shape in ([1, 0, 2], [1, 2**24, 2], [2, 100, 2], [1, 100]):
        with pytest.raises(ControlError):
            parse_answer(json.dumps({**json.loads(answer_text(head)), "shape": shape}))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e12", '"nan"', "null"])
def test_a_message_with_a_number_that_is_none_is_a_control_error(number: str) -> None:
    end = RenderRequest(END, END, retakes=(Retake(("drums",), 3, 2, "x", 0.5),))
    samples = np.zeros((1, 100, 2), np.float32)
    loop = FinishedLoop(Delivery(0, 0, end, 100, 2, ("mix",), -14.25, 0.75, RenderCost(denoise=0.125)), samples)
    answers = (answer_text(loop_head(5, loop)), answer_text(Alive(4, 0.375, 2)))
    answers += (answer_text(Ready("m", ("mix",), 1, (), 1.625, "w")),)
    for text in answers:
        parse_answer(text)
        for known in ("-14.25", "0.75", "0.125", "0.375", "1.625", '"channels": 2', '"lift": 0.5'):
            if known in text and (known, number) != ("-14.25", "null"):  # of a silent loop
                name = f"{known.rpartition(': ')[0]}: " if ":" in known else ""
                with pytest.raises(ControlError, match="refused"):
                    parse_answer(text.replace(known, name + number))
    order = order_text(Render(7, end, 0, 1.875, "bank", 2.125))
    for known in ("1.875", "2.125", "120.0", "0.5"):
        if known in ("1.875", "2.125") and number == "null":
            continue  # no certain time, and no end
        with pytest.raises(ControlError, match="refused"):
            parse_order(order.replace(known, number))


def test_a_silent_loop_comes_back_with_its_loudness() -> None:
    samples = np.zeros((1, 8, 2), np.float32)
    silent = Delivery(0, 0, RenderRequest(END, END), 8, 2, ("mix",), -math.inf, 0.0, RenderCost(), ())
    head = parse_answer(answer_text(loop_head(5, FinishedLoop(silent, samples))))
    assert isinstance(head, LoopHead)
    back = LoopParts(head).add(next(iter(loop_pieces(FinishedLoop(silent, samples)))))
    assert back is not None and back.delivery == silent
