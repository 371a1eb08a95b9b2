"""Telling: what landed, and how each deck stands, in words and figures. Nothing is decided here."""

from __future__ import annotations

import math

from riffengine.performance.command import Value
from riffengine.playback.messages import BankLanded
from riffengine.scheduler.actions import ConductorStatus, DeckStatus, Log
from riffengine.scheduler.bank import MorphBank, motif, points_of
from riffengine.scheduler.part import Part
from riffengine.scheduler.shelf import SlotState
from riffengine.scheduler.stage import Stage
from riffengine.scheduler.walking import Walking


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


def conductor_status(stage: Stage, walking: Walking, frame: int) -> ConductorStatus:
    """Everything a status line shows at ``frame``; changes nothing."""
    draft = stage.desk.times(stage.fineness.urgent, stage.fineness)
    full = stage.desk.times(stage.fineness.full_steps, stage.fineness)
    counts, counters = stage.desk.counts, stage.counters
    return ConductorStatus(
        moment=stage.timeline.moment(frame),
        decks=tuple(deck_status(stage, walking, part) for part in stage.parts.values()),
        renderer_ready=stage.desk.ready,
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
        slots_free=stage.shelf.count(SlotState.FREE),
        panicked=stage.console.panicked,
    )


def deck_status(stage: Stage, walking: Walking, part: Part) -> DeckStatus:
    """One deck as the status line shows it."""
    intent = stage.state.deck(part.name)
    bank = part.current
    points = len(points_of(part.want, stage.policy.alphas))
    due = [promise.beat for promise in part.promises.values()]
    return DeckStatus(
        deck=part.name,
        prompt=intent.prompt,
        to=intent.to,
        alpha=intent.alpha,
        seed=intent.seed,
        coverage=0.0 if bank is None or not part.settled else len(bank.placed) / points,
        runway_seconds=runway_seconds(stage, walking, part),
        landing_beat=part.target.due_beat if part.target is not None else max(due, default=None),
        sounding=bank is not None,
    )


def runway_seconds(stage: Stage, walking: Walking, part: Part) -> float:
    """Seconds until the walk comes to an alpha that no finished loop covers."""
    bank = part.current
    if bank is None:
        return 0.0
    drift = stage.drift(part)
    if drift <= 0.0:
        return math.inf
    reach = 1.0 if bank.key.start == bank.key.end else bank.reach
    alphas = max(0.0, reach - stage.alpha(part))
    if reach >= 1.0:
        ahead = walking.ahead(part)
        points = [a for a, _ in points_of(ahead, stage.policy.alphas) if stage.shelf.best(motif(ahead, a))]
        alphas += max(points, default=0.0)
    return alphas / drift * stage.facts.beats * 60.0 / stage.timeline.grid.bpm
