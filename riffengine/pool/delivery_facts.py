"""A delivery as plain values for JSON: in the files of a cache, and between machines. No pickles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from riffengine.processes.render_messages import Delivery, RenderCost
from riffengine.processes.render_request import RenderRequest


def delivery_facts(delivery: Delivery) -> dict[str, object]:
    """Everything of ``delivery`` but its job, its slot and the number of frames, which the samples tell."""
    return {
        "request": delivery.request.facts(),
        "stems": delivery.stems,
        "channels": delivery.channels,
        "loudness_lufs": delivery.loudness_lufs,
        "peak": delivery.peak,
        "cost": asdict(delivery.cost),
        "unknown_words": delivery.unknown_words,
        "notes": delivery.notes.hex(),
        "remarks": delivery.remarks,
    }


def delivery_of(known: Mapping[str, object], frames: int) -> Delivery:
    """The delivery whose facts ``known`` are; ``ValueError``, ``TypeError`` or ``KeyError`` where they are none."""
    request, cost, stems = known["request"], known["cost"], known["stems"]
    words, remarks = known["unknown_words"], known["remarks"]
    if not isinstance(request, dict) or not isinstance(cost, dict):
        raise TypeError("request and cost are mappings")
    if not isinstance(stems, list) or not isinstance(words, list) or not isinstance(remarks, list):
        raise TypeError("stems, words and remarks are lists")
    return Delivery(
        job=0,
        slot=0,
        request=RenderRequest.from_facts(request),
        frames=frames,
        channels=int(str(known["channels"])),
        stems=tuple(map(str, stems)),
        loudness_lufs=float(str(known["loudness_lufs"])),
        peak=float(str(known["peak"])),
        cost=RenderCost(**{name: float(seconds) for name, seconds in cost.items()}),
        unknown_words=tuple(map(str, words)),
        notes=bytes.fromhex(str(known["notes"])),
        remarks=tuple(map(str, remarks)),
    )
