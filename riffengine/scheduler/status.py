"""Telling: what landed, and how each deck stands, in words and figures. Nothing is decided here."""

from __future__ import annotations

import math

from riffengine.performance.command import Value
from riffengine.processes.player_messages import BankLanded
from riffengine.scheduler.actions import ConductorStatus, DeckStatus, Log
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.drift import DriftStepper
from riffengine.scheduler.loop_pool import SlotState
from riffengine.scheduler.morph_bank import MorphBank, loop_id, points_of
from riffengine.scheduler.state import SchedulerState


def landing_logs(message: BankLanded, bank: MorphBank | None, beat: float, error_frames: int) -> list[Log]:
    """What ``bank`` brought: one ``landed`` with its prompts and seeds, and one ``kept`` for each change in it.

    They name what landed, which need not be what is wanted by now.
    """
    if bank is None:
        return [Log("stray landing", f"deck {message.deck}: bank {message.bank} was not launched or landed before")]
    place: dict[str, Value] = {"deck": message.deck, "beat": beat, "frame": message.frame}
    values: dict[str, Value] = {
        **place,
        "error_frames": error_frames,
        "prompt": bank.key.start.prompt,
        "seed": bank.key.start.seed,
        "to": bank.key.end.prompt,
        "to_seed": bank.key.end.seed,
    }
    text = f"deck {message.deck} landed on beat {beat:.3f}, {error_frames} frames late"
    kept = (
        Log(
            "kept",
            f"{k.path} landed on beat {beat:.3f}",
            {**place, "path": k.path, "value": k.value, "source": k.source},
        )
        for k in bank.kept
    )
    return [Log("landed", text, values), *kept]


def conductor_status(scheduler: SchedulerState, walking: DriftStepper, frame: int) -> ConductorStatus:
    """Everything a status line shows at ``frame``; changes nothing."""
    draft = scheduler.renders.times(scheduler.fineness.urgent, scheduler.fineness)
    full = scheduler.renders.times(scheduler.fineness.full_steps, scheduler.fineness)
    counts, counters = scheduler.renders.counts, scheduler.counters
    return ConductorStatus(
        moment=scheduler.timeline.moment(frame),
        decks=tuple(deck_status(scheduler, walking, part) for part in scheduler.decks.values()),
        renderer_ready=scheduler.renders.ready,
        draft_p50_seconds=draft.p50,
        draft_p95_seconds=draft.p95,
        full_p50_seconds=full.p50,
        full_p95_seconds=full.p95,
        jobs_started=counts.started,
        jobs_delivered=counts.delivered,
        jobs_heard=counts.heard,
        jobs_cancelled=counts.cancelled,
        jobs_failed=counts.failed,
        jobs_lost=counts.lost,
        famines=counters.famines,
        launches=counters.launches,
        landings_moved=counters.landings_moved,
        landing_error_frames_max=counters.landing_error_frames_max,
        slots_free=scheduler.loops.count(SlotState.FREE),
        panicked=scheduler.mixer_controls.panicked,
    )


def deck_status(scheduler: SchedulerState, walking: DriftStepper, part: DeckState) -> DeckStatus:
    """One deck as the status line shows it."""
    intent = scheduler.state.deck(part.name)
    bank = part.current
    points = len(points_of(part.want, scheduler.policy.alphas))
    due = [promise.beat for promise in part.promises.values()]
    return DeckStatus(
        deck=part.name,
        prompt=intent.prompt,
        to=intent.to,
        alpha=intent.alpha,
        seed=intent.seed,
        coverage=0.0 if bank is None or not part.settled else len(bank.placed) / points,
        runway_seconds=runway_seconds(scheduler, walking, part),
        landing_beat=part.target.due_beat if part.target is not None else max(due, default=None),
        sounding=bank is not None,
    )


def runway_seconds(scheduler: SchedulerState, walking: DriftStepper, part: DeckState) -> float:
    """Seconds until the walk comes to an alpha that no finished loop covers."""
    bank = part.current
    if bank is None:
        return 0.0
    drift = scheduler.drift(part)
    if drift <= 0.0:
        return math.inf
    reach = 1.0 if bank.key.start == bank.key.end else bank.reach
    alphas = max(0.0, reach - scheduler.alpha(part))
    if reach >= 1.0:
        ahead = walking.ahead(part)
        points = [a for a, _ in points_of(ahead, scheduler.policy.alphas) if scheduler.loops.best(loop_id(ahead, a))]
        alphas += max(points, default=0.0)
    return alphas / drift * scheduler.facts.beats * 60.0 / scheduler.timeline.grid.bpm
