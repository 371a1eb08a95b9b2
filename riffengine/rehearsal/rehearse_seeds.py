"""Rehearses a preset many times in several processes, each time with another random performer and renderer."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from typing import Any

from riffengine.rehearsal.rehearse_preset import RehearsalPlan, rehearse_session
from riffengine.session.midi import MidiSettings
from riffengine.session.session import Session

_SUMMED = (
    *("gaps", "late_messages", "refused_messages", "gestures", "landings", "landings_moved", "famines"),
    *("renders_started", "renders_heard", "renders_failed", "repeated_renders", "crashes", "restarts"),
)
_MAXIMA = ("landing_error_frames_max", "longest_gap_seconds", "cpu_seconds")


def rehearse_seeds(
    session: Session, plan: RehearsalPlan, seeds: int, processes: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Play ``session`` once for each of ``seeds`` seeds from ``plan.seed`` on; return sums and worst figures by name.

    ``wrong_seeds`` are the seeds of sets that went wrong; such a set can be played again alone. ``peak`` is that of the
    quietest set, ``digest`` the digest of all digests in the order of their seeds. ``say`` gets a line for every set.
    """
    sets = []
    for figures in _rehearsed(session, plan, range(plan.seed, plan.seed + seeds), processes):
        sets.append(figures)
        say(
            f"{len(sets)} of {seeds}: seed {figures['seed']}, {figures['gaps']} gaps, landing error "
            f"{figures['landing_error_frames_max']} frames, {figures['landings']} landings, "
            f"{figures['cpu_seconds']:.1f} s of processor"
        )
    wrong = sorted(figures["seed"] for figures in sets if went_wrong(figures))
    return {
        "seeds": seeds,
        "hours": plan.hours,
        **{name: sum(figures[name] for figures in sets) for name in _SUMMED},
        **{f"{name.removesuffix('_max')}_max": max(figures[name] for figures in sets) for name in _MAXIMA},
        "peak": round(min(figures["peak"] for figures in sets), 4),
        "runway_min_s": min((f["runway_min_s"] for f in sets if f["runway_min_s"] is not None), default=None),
        "digest": _combined_digest({figures["seed"]: figures["digest"] for figures in sets}),
        "wrong_seeds": wrong,
    }


def went_wrong(figures: dict[str, Any]) -> bool:
    """Whether a set had no sound, a gap, a landing on a wrong frame, a late message or a refused message."""
    names = ("gaps", "landing_error_frames_max", "late_messages", "refused_messages")
    return figures["peak"] == 0.0 or any(figures[name] for name in names)


def _combined_digest(digests: dict[int, str]) -> str:
    return hashlib.blake2b("".join(digests[seed] for seed in sorted(digests)).encode(), digest_size=16).hexdigest()


def _rehearsed(session: Session, plan: RehearsalPlan, seeds: range, processes: int) -> Iterator[dict[str, Any]]:
    plans = [replace(plan, seed=seed, random_performer=True) for seed in seeds]
    # Scenes and MIDI are not rehearsed, and a read-only mapping cannot be sent to another process.
    session = replace(session, parameters=dict(session.parameters), scenes=(), midi=MidiSettings())
    if processes == 1:
        yield from (_rehearse_one(session, each) for each in plans)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures = [pool.submit(_rehearse_one, session, each) for each in plans]
        for future in as_completed(futures):
            yield future.result()


def _rehearse_one(session: Session, plan: RehearsalPlan) -> dict[str, Any]:
    began = time.process_time()
    figures = rehearse_session(session, plan)
    return {**figures, "cpu_seconds": round(time.process_time() - began, 2)}
