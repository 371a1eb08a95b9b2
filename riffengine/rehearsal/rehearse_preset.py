"""Rehearses a preset on virtual time: whether a machine of given speed can render the set, and what can go wrong."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from riffengine.errors import OutOfRange
from riffengine.performance.journal import Recording
from riffengine.rehearsal.journal_script import script_from_journal, state_from_journal
from riffengine.rehearsal.random_performer import RandomPerformer
from riffengine.rehearsal.rehearsal import Rehearsal, ScriptLine
from riffengine.rehearsal.report import Report
from riffengine.rehearsal.scripted_renderer import RendererScript
from riffengine.scheduler.actions import Policy
from riffengine.session.session import Session

RATE_HZ = 1000
"""Approximate sample rate of a rehearsal; no decision depends on it."""

_P95_SIGMAS = 1.645
_DRAFT_SHARE = 0.6  # half the steps, but the same phase reconstruction
_NOT_SHOWN = {"replies", "announced", "landings", "logs", "walk"}  # fields of the report that are too long for a table
_WALK_SHOWN = 16  # loops of a drift with memory: two sections of 16 bars, with 8 beats a loop
_WHOLE_FRAMES = 720  # loops of a multiple are whole at each tempo of RandomPerformer
_SLOWNESS = (1.0, 1.0, 1.0, 3.0, 12.0)  # by seed: most renderers are fast enough, some hardly, some are too slow
_HANG_SHARE = 0.003
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


@dataclass(frozen=True)
class RehearsalPlan:
    """How a preset is rehearsed. ``render_p50`` and ``render_p95`` are seconds, as ``riffengine bench`` prints them.

    ``sample_rate`` 0 chooses one near 1000 Hz at which loops are whole frames, so that no loop is interpolated.
    ``random_performer``: a RandomPerformer with the same ``seed`` plays; how slow the renderer is and how often it
    fails, hangs and dies then depends on the seed. ``journal``: its commands are played from its initial state.
    """

    hours: float = 1.0
    block_frames: int = 1024
    sample_rate: int = 0
    render_p50: float = 0.5
    render_p95: float = 0.8
    failure_share: float = 0.01
    crash_every_seconds: float = 1800.0
    seed: int = 0
    random_performer: bool = False
    journal: Recording | None = None


def rehearse_session(session: Session, plan: RehearsalPlan) -> dict[str, Any]:
    """Play ``session`` as ``plan`` says, with a scripted renderer that also fails and dies; return figures by name.

    Raises ``OutOfRange`` when the render times are no distribution, ``JournalError`` for a damaged journal.
    """
    if not 0.0 < plan.render_p50 <= plan.render_p95:
        raise OutOfRange(f"render seconds are {plan.render_p50},{plan.render_p95}; they must satisfy 0 < p50 <= p95")
    tree = session.tree()
    state = session.state(tree)
    if plan.journal is not None:
        state = state_from_journal(plan.journal, tree, state)
    rate = plan.sample_rate or whole_rate(state.number("transport/tempo"), session.loop_beats)
    prompts = tuple(prompt for _, bank in session.prompt_lists.banks for prompt in bank)
    seconds = plan.hours * 3600.0
    script: list[ScriptLine] = []
    if plan.journal is not None:
        script = script_from_journal(plan.journal, seconds)
    elif plan.random_performer:
        script = list(RandomPerformer(state, session.decks, plan.seed, prompts=prompts).lines(seconds))
    renderer = renderer_script(plan)
    policy = Policy(loop_beats=session.loop_beats)
    rehearsal = Rehearsal(tree, state, script, renderer, rate, plan.block_frames, policy=policy)
    with _rare_garbage_collection():
        report: Report = rehearsal.run(seconds)
    figures = {f.name: getattr(report, f.name) for f in fields(report) if f.name not in _NOT_SHOWN}
    return {
        "hours": plan.hours,
        "seed": plan.seed,
        "gestures": len(script),
        "block_frames": plan.block_frames,
        "sample_rate": rate,
        **figures,
        "runway_min_s": round(report.runway_min_s, 3) if math.isfinite(report.runway_min_s) else None,
        "landings": len(report.landings),
        "heard_share": round(report.heard_share, 4),
        **({"walk": report.walk[:_WALK_SHOWN]} if report.walk else {}),
    }


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Collect garbage rarely: script and report only grow, and scanning them takes a tenth of the time."""
    threshold = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)


def whole_rate(bpm: float, beats: int = 8) -> int:
    """A sample rate near ``RATE_HZ`` at which ``beats`` at ``bpm`` are a multiple of 720 frames, else ``RATE_HZ``."""
    unit = Fraction(bpm).limit_denominator(100) * _WHOLE_FRAMES / (60 * beats)
    rate = unit * unit.denominator
    return int(rate) * max(1, round(RATE_HZ / rate)) if rate <= 2 * RATE_HZ else RATE_HZ


def renderer_script(plan: RehearsalPlan) -> RendererScript:
    """The renderer of ``plan``, with faults that depend on the seed when a random performer plays."""
    rng = random.Random(f"trouble {plan.seed}")
    slowness = _SLOWNESS[plan.seed % len(_SLOWNESS)] if plan.random_performer else 1.0
    crash_every = plan.crash_every_seconds or math.inf
    return RendererScript(
        draft_seconds=_DRAFT_SHARE * plan.render_p50 * slowness,
        full_seconds=plan.render_p50 * slowness,
        spread=math.log(plan.render_p95 / plan.render_p50) / _P95_SIGMAS,
        failure_share=plan.failure_share * (rng.choice((0.0, 1.0, 5.0)) if plan.random_performer else 1.0),
        crash_every_seconds=crash_every / (rng.choice((0.2, 1.0, 10.0)) if plan.random_performer else 1.0),
        hang_share=rng.choice((0.0, _HANG_SHARE)) if plan.random_performer else 0.0,
        seed=plan.seed,
    )
