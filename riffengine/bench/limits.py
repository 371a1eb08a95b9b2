"""Limits: how soon an instrument must answer each kind of gesture, and whether the measured figures meet that.

The limits hold for two cores, blocks of 128 frames, and no other program that uses the processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limit:
    """``figure`` of the gestures ``kind`` must be at most ``required_ms`` and should be at most ``goal_ms``."""

    what: str
    kind: str
    figure: str
    required_ms: float
    goal_ms: float


LIMITS = (
    Limit("alpha to ear", "alpha", "p95_ms", 40.0, 15.0),
    Limit("gain to ear", "gain", "p95_ms", 25.0, 10.0),
    Limit("mute to ear", "mute", "p95_ms", 25.0, 10.0),
    Limit("crossfader to ear", "crossfader", "p95_ms", 25.0, 10.0),
    Limit("stem mute to ear", "stem", "p95_ms", 25.0, 10.0),
    Limit("prompt to the answer when it lands", "landing", "p99_ms", 10.0, 3.0),
    Limit("prompt to ear, quantum off", "prompt", "p95_ms", 1500.0, 500.0),
)


def judge(classes: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """The figure of every limit and a verdict: ``goal``, ``pass``, ``fail``, or ``not measured``.

    A class whose changes were all missed has no figure, so it fails. The last row demands that no change was missed.
    """
    rows = []
    for limit in LIMITS:
        measured = classes.get(limit.kind)
        row: dict[str, Any] = {
            "what": f"{limit.what}, {limit.figure.removesuffix('_ms')}",
            "demand_ms": limit.required_ms,
        }
        row |= {"goal_ms": limit.goal_ms, "measured_ms": None if measured is None else measured[limit.figure]}
        rows.append({**row, "verdict": _verdict(limit, measured)})
    missed = sum(int(measured["missed"]) for measured in classes.values())
    verdict = ("fail" if missed else "goal") if classes else "not measured"
    return [*rows, {"what": "missed changes", "demand": 0, "measured": missed, "verdict": verdict}]


def failed(judged: list[dict[str, Any]]) -> bool:
    """Whether any limit was exceeded."""
    return any(row["verdict"] == "fail" for row in judged)


def _verdict(limit: Limit, measured: Mapping[str, float] | None) -> str:
    if measured is None:
        return "not measured"
    if measured["missed"] >= measured["changes"] or measured[limit.figure] > limit.required_ms:
        return "fail"
    return "goal" if measured[limit.figure] <= limit.goal_ms else "pass"
