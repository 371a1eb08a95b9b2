"""A delivery as plain values for JSON: in the files of a cache, and between machines. No pickles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from riffengine.processes.render_messages import Delivery, RenderCost
from riffengine.processes.render_request import RenderRequest

MOST_SECONDS = 1e9
"""Of any time that another machine or a file tells: 30 years."""

_MOST_DB = 1000.0  # of a loudness, either way
_MOST_PEAK = 1e6  # times full scale
_MOST_CHANNELS = 16
_MOST_NOTES = 1 << 20  # bytes
_MOST_LINES, _MOST_TEXT = 64, 2000  # of words that a model does not know, and of remarks


def number(value: object, least: float, most: float, name: str) -> float:
    """``value`` where it is a finite number from ``least`` to ``most``; else ``ValueError`` with ``name``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:  # NaN too
        raise ValueError(f"{name} is {str(value)[:40]}; a number from {least:g} to {most:g} is needed")
    return float(value)


def delivery_facts(delivery: Delivery) -> dict[str, object]:
    """Everything of ``delivery`` but its job, its slot and the number of frames, which the samples tell.

    All are values of JSON: the loudness of a silent loop, minus infinity, is ``None``.
    """
    return {
        "request": delivery.request.facts(),
        "stems": delivery.stems,
        "channels": delivery.channels,
        "loudness_lufs": None if delivery.loudness_lufs == -math.inf else delivery.loudness_lufs,
        "peak": delivery.peak,
        "cost": asdict(delivery.cost),
        "unknown_words": delivery.unknown_words,
        "notes": delivery.notes.hex(),
        "remarks": delivery.remarks,
    }


def delivery_of(known: Mapping[str, object], frames: int) -> Delivery:
    """The delivery whose facts ``known`` are; ``ValueError``, ``TypeError`` or ``KeyError`` where they are none.

    A loudness or a peak that is not finite would make every later decision about levels one.
    """
    request, cost, stems, loudness = known["request"], known["cost"], known["stems"], known["loudness_lufs"]
    words, remarks = known["unknown_words"], known["remarks"]
    if not isinstance(request, dict) or not isinstance(cost, dict):
        raise TypeError("request and cost are mappings")
    if not isinstance(stems, list) or not isinstance(words, list) or not isinstance(remarks, list):
        raise TypeError("stems, words and remarks are lists")
    notes = str(known["notes"])
    if len(notes) > 2 * _MOST_NOTES:
        raise ValueError(f"notes has {len(notes) // 2} bytes; at most {_MOST_NOTES} are taken")
    return Delivery(
        job=0,
        slot=0,
        request=RenderRequest.from_facts(request),
        frames=frames,
        channels=int(number(known["channels"], 1, _MOST_CHANNELS, "channels")),
        stems=tuple(map(str, stems)),
        loudness_lufs=-math.inf if loudness is None else number(loudness, -_MOST_DB, _MOST_DB, "loudness_lufs"),
        peak=number(known["peak"], 0, _MOST_PEAK, "peak"),
        cost=RenderCost(**{name: number(seconds, 0, MOST_SECONDS, name) for name, seconds in cost.items()}),
        unknown_words=_texts(words),
        notes=bytes.fromhex(notes),
        remarks=_texts(remarks),
    )


def _texts(texts: list[object]) -> tuple[str, ...]:
    return tuple(str(text)[:_MOST_TEXT] for text in texts[:_MOST_LINES])
