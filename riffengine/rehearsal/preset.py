"""A preset on virtual time: can this machine carry the set, and can it go wrong?"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from riffengine.errors import OutOfRange
from riffengine.rehearsal.rehearsal import Rehearsal
from riffengine.rehearsal.report import Report
from riffengine.rehearsal.scripted import RendererScript
from riffengine.session import Session

_P95_SIGMAS = 1.645
_DRAFT_SHARE = 0.6  # half the steps, the same phase reconstruction
_TOLD = {"replies", "announced", "landings", "logs"}  # too long for a table


@dataclass(frozen=True)
class RehearsalPlan:
    """How a preset is rehearsed: ``render_p50`` and ``render_p95`` are seconds, as ``riffengine bench`` prints them."""

    hours: float = 1.0
    block_frames: int = 512
    sample_rate: int = 1000
    render_p50: float = 0.5
    render_p95: float = 0.8
    failure_share: float = 0.01
    crash_every_seconds: float = 1800.0
    seed: int = 0


def rehearse_session(session: Session, plan: RehearsalPlan) -> dict[str, Any]:
    """Play ``session`` by ``plan`` with a scripted renderer that also fails and dies; figures by name.

    Raises ``OutOfRange`` when the render times make no distribution.
    """
    if not 0.0 < plan.render_p50 <= plan.render_p95:
        raise OutOfRange(f"render seconds are {plan.render_p50},{plan.render_p95}; 0 < p50 <= p95 is needed")
    script = RendererScript(
        draft_seconds=_DRAFT_SHARE * plan.render_p50,
        full_seconds=plan.render_p50,
        spread=math.log(plan.render_p95 / plan.render_p50) / _P95_SIGMAS,
        failure_share=plan.failure_share,
        crash_every_seconds=plan.crash_every_seconds or math.inf,
        seed=plan.seed,
    )
    tree = session.tree()
    rehearsal = Rehearsal(
        tree, session.state(tree), renderer=script, sample_rate=plan.sample_rate, block_frames=plan.block_frames
    )
    report: Report = rehearsal.run(plan.hours * 3600.0)
    figures = {f.name: getattr(report, f.name) for f in fields(report) if f.name not in _TOLD}
    return {
        "hours": plan.hours,
        "block_frames": plan.block_frames,
        "sample_rate": plan.sample_rate,
        **figures,
        "landings": len(report.landings),
        "heard_share": round(report.heard_share, 4),
    }
