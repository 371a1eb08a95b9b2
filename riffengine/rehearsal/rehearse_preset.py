"""A preset on virtual time: can this machine carry the set, and can it go wrong?"""

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
from riffengine.rehearsal.journal_script import journalled_lines, journalled_state
from riffengine.rehearsal.random_performer import RandomPerformer
from riffengine.rehearsal.rehearsal import Line, Rehearsal
from riffengine.rehearsal.report import Report
from riffengine.rehearsal.scripted_renderer import RendererScript
from riffengine.scheduler.actions import Policy
from riffengine.session.session import Session

RATE_HZ = 1000
"""About the sample rate of a rehearsal; no decision depends on it."""

_P95_SIGMAS = 1.645
_DRAFT_SHARE = 0.6  # half the steps, the same phase reconstruction
_TOLD = {"replies", "announced", "landings", "logs"}  # too long for a table
_WHOLE_FRAMES = 720  # a loop of a multiple of it stays whole at every tempo the performer takes
_SLOWNESS = (1.0, 1.0, 1.0, 3.0, 12.0)  # by seed: most renderers keep up, some hardly, some are slower than the music
_HANG_SHARE = 0.003
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


@dataclass(frozen=True)
class RehearsalPlan:
    """How a preset is rehearsed: ``render_p50`` and ``render_p95`` are seconds, as ``riffengine bench`` prints them.

    ``sample_rate`` 0 takes one near 1000 Hz at which loops are whole frames, so that nothing is read between samples.
    ``performed``: a performer plays, and ``seed`` is theirs, too; the renderer then is slow, fails, hangs and dies
    more or less from seed to seed. ``journal`` is a set whose hands play instead, from the state in which it began.
    """

    hours: float = 1.0
    block_frames: int = 1024
    sample_rate: int = 0
    render_p50: float = 0.5
    render_p95: float = 0.8
    failure_share: float = 0.01
    crash_every_seconds: float = 1800.0
    seed: int = 0
    performed: bool = False
    journal: Recording | None = None


def rehearse_session(session: Session, plan: RehearsalPlan) -> dict[str, Any]:
    """Play ``session`` by ``plan`` with a scripted renderer that also fails and dies; figures by name.

    Raises ``OutOfRange`` when the render times make no distribution, ``JournalError`` for a damaged journal.
    """
    if not 0.0 < plan.render_p50 <= plan.render_p95:
        raise OutOfRange(f"render seconds are {plan.render_p50},{plan.render_p95}; 0 < p50 <= p95 is needed")
    tree = session.tree()
    state = session.state(tree)
    if plan.journal is not None:
        state = journalled_state(plan.journal, tree, state)
    rate = plan.sample_rate or whole_rate(state.number("transport/tempo"), session.loop_beats)
    prompts = tuple(prompt for _, bank in session.prompt_lists.banks for prompt in bank)
    seconds = plan.hours * 3600.0
    script: list[Line] = []
    if plan.journal is not None:
        script = journalled_lines(plan.journal, seconds)
    elif plan.performed:
        script = list(RandomPerformer(state, session.decks, plan.seed, prompts=prompts).lines(seconds))
    renderer = renderer_script(plan)
    policy = Policy(loop_beats=session.loop_beats)
    rehearsal = Rehearsal(tree, state, script, renderer, rate, plan.block_frames, policy=policy)
    with _collecting_rarely():
        report: Report = rehearsal.run(seconds)
    figures = {f.name: getattr(report, f.name) for f in fields(report) if f.name not in _TOLD}
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
    }


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """The script and the report only grow: to look through them again and again for garbage is a tenth of the work."""
    threshold = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)


def whole_rate(bpm: float, beats: int = 8) -> int:
    """A sample rate near ``RATE_HZ`` at which ``beats`` at ``bpm`` are a multiple of 720 frames, if there is one."""
    unit = Fraction(bpm).limit_denominator(100) * _WHOLE_FRAMES / (60 * beats)
    rate = unit * unit.denominator
    return int(rate) * max(1, round(RATE_HZ / rate)) if rate <= 2 * RATE_HZ else RATE_HZ


def renderer_script(plan: RehearsalPlan) -> RendererScript:
    """The renderer of ``plan``: as it says, or with the troubles that go with its seed."""
    chance = random.Random(f"trouble {plan.seed}")
    slowness = _SLOWNESS[plan.seed % len(_SLOWNESS)] if plan.performed else 1.0
    crash_every = plan.crash_every_seconds or math.inf
    return RendererScript(
        draft_seconds=_DRAFT_SHARE * plan.render_p50 * slowness,
        full_seconds=plan.render_p50 * slowness,
        spread=math.log(plan.render_p95 / plan.render_p50) / _P95_SIGMAS,
        failure_share=plan.failure_share * (chance.choice((0.0, 1.0, 5.0)) if plan.performed else 1.0),
        crash_every_seconds=crash_every / (chance.choice((0.2, 1.0, 10.0)) if plan.performed else 1.0),
        hang_share=chance.choice((0.0, _HANG_SHARE)) if plan.performed else 0.0,
        seed=plan.seed,
    )
