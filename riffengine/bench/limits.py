"""Demands: what an instrument must answer within, and whether it did.

They are those of two cores, blocks of 128 frames, and no other program that takes the processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limit:
    """``figure`` of the class ``kind`` is to be at most ``demand`` ms, and better at most ``goal`` ms."""

    what: str
    kind: str
    figure: str
    demand: float
    goal: float


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
    """For every demand its figure and a verdict: ``goal``, ``pass``, ``fail``, or ``not measured``.

    A class of which every change was missed has no figure, so it fails. That none is missed is a demand of its own.
    """
    judged = []
    for demand in LIMITS:
        measured = classes.get(demand.kind)
        row: dict[str, Any] = {
            "what": f"{demand.what}, {demand.figure.removesuffix('_ms')}",
            "demand_ms": demand.demand,
        }
        row |= {"goal_ms": demand.goal, "measured_ms": None if measured is None else measured[demand.figure]}
        judged.append({**row, "verdict": _verdict(demand, measured)})
    missed = sum(int(measured["missed"]) for measured in classes.values())
    verdict = ("fail" if missed else "goal") if classes else "not measured"
    return [*judged, {"what": "missed changes", "demand": 0, "measured": missed, "verdict": verdict}]


def failed(judged: list[dict[str, Any]]) -> bool:
    """Whether any demand was not met."""
    return any(row["verdict"] == "fail" for row in judged)


def _verdict(demand: Limit, measured: Mapping[str, float] | None) -> str:
    if measured is None:
        return "not measured"
    if measured["missed"] >= measured["changes"] or measured[demand.figure] > demand.demand:
        return "fail"
    return "goal" if measured[demand.figure] <= demand.goal else "pass"
