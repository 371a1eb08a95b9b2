"""How the decks stand and what landed, as figures for whoever shows them. Reads the scheduler and changes nothing."""

from __future__ import annotations

import math
from types import MappingProxyType

from riffengine.performance.progress import DeckProgress, PerformanceProgress, Phase
from riffengine.performance.scenes import SceneBook
from riffengine.processes.player_messages import BankLanded
from riffengine.scheduler.actions import (
    Action,
    ChangeLanded,
    ConductorStatus,
    DeckLanded,
    DeckStatus,
    Log,
    RenderGivenUp,
)
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.drift import DriftStepper
from riffengine.scheduler.loop_pool import SlotState
from riffengine.scheduler.morph_bank import MorphBank, loop_id, points_of
from riffengine.scheduler.render_plan import Purpose
from riffengine.scheduler.state import SchedulerState


def landed_actions(message: BankLanded, bank: MorphBank | None, beat: float, error_frames: int) -> list[Action]:
    """What ``bank`` brought: one ``DeckLanded`` with its prompts and seeds, and a ``ChangeLanded`` for each change."""
    if bank is None:
        return [Log("stray landing", f"deck {message.deck}: bank {message.bank} was not launched or landed before")]
    start, end = bank.key.start, bank.key.end
    deck = DeckLanded(message.deck, beat, message.frame, error_frames, start.prompt, start.seed, end.prompt, end.seed)
    changes = (ChangeLanded(message.deck, beat, message.frame, k.path, k.value, k.source) for k in bank.kept)
    return [deck, *changes]


def render_given_up(deck: DeckState, reason: str) -> RenderGivenUp:
    """A loop of ``deck`` is not tried again; what sounds goes on."""
    if deck.current is not None:
        return RenderGivenUp(deck.name, f"deck {deck.name} keeps its loops: {reason}")
    cure = "init" if deck.want.base.init else "its prompt or seed"
    return RenderGivenUp(deck.name, f"deck {deck.name}: {reason}; nothing can play until you change {cure}")


def conductor_status(scheduler: SchedulerState, drift: DriftStepper, frame: int) -> ConductorStatus:
    """Everything a status line shows at ``frame``; changes nothing."""
    draft = scheduler.renders.times(scheduler.quality.urgent, scheduler.quality)
    full = scheduler.renders.times(scheduler.quality.full_steps, scheduler.quality)
    counts, counters = scheduler.renders.counts, scheduler.counters
    return ConductorStatus(
        moment=scheduler.timeline.moment(frame),
        decks=tuple(deck_status(scheduler, drift, deck) for deck in scheduler.decks.values()),
        renderer_ready=scheduler.renders.ready,
        draft_p50_seconds=draft.p50,
        draft_p95_seconds=draft.p95,
        full_p50_seconds=full.p50,
        full_p95_seconds=full.p95,
        full_measured=full.measured,
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
        panicked=scheduler.master_fade.panicked,
    )


def deck_status(scheduler: SchedulerState, drift: DriftStepper, deck: DeckState) -> DeckStatus:
    """One deck as the status line shows it."""
    intent = scheduler.state.deck(deck.name)
    bank = deck.current
    points = len(points_of(deck.want, scheduler.policy.alphas))
    due = [promise.beat for promise in deck.promises.values()]
    return DeckStatus(
        deck=deck.name,
        prompt=intent.prompt,
        to=intent.to,
        alpha=intent.alpha,
        seed=intent.seed,
        coverage=0.0 if bank is None or not deck.settled else len(bank.placed) / points,
        runway_seconds=runway_seconds(scheduler, drift, deck),
        landing_beat=deck.target.due_beat if deck.target is not None else max(due, default=None),
        sounding=bank is not None,
    )


def runway_seconds(scheduler: SchedulerState, drift: DriftStepper, deck: DeckState) -> float:
    """Seconds until the drift comes to an alpha that no finished loop covers; with memory, of finished loops ahead."""
    bank = deck.current
    if bank is None:
        return 0.0
    speed = scheduler.drift(deck)
    if speed <= 0.0:
        return math.inf
    loop_seconds = scheduler.facts.beats * 60.0 / scheduler.timeline.grid.bpm
    if drift.walks(deck):
        return loop_seconds * drift.loops_ahead(deck)
    reach = 1.0 if bank.key.start == bank.key.end else bank.reach
    alphas = max(0.0, reach - scheduler.alpha(deck))
    if reach >= 1.0:
        ahead = drift.ahead(deck)
        points = [a for a, _ in points_of(ahead, scheduler.policy.alphas) if scheduler.loops.best(loop_id(ahead, a))]
        alphas += max(points, default=0.0)
    return alphas / speed * loop_seconds


def runways(scheduler: SchedulerState, drift: DriftStepper) -> list[float]:
    """Seconds of finished music ahead on each deck that sounds; infinite where no deck does."""
    parts = [deck for deck in scheduler.decks.values() if deck.current is not None]
    return [math.inf, *(runway_seconds(scheduler, drift, deck) for deck in parts)]


def performance_progress(scheduler: SchedulerState, book: SceneBook) -> PerformanceProgress:
    """How far every deck of ``scheduler`` is, and the setlist in ``book``."""
    decks = {deck.name: _deck_progress(scheduler, deck) for deck in scheduler.decks.values()}
    scenes = tuple(scene.name for scene in book.scenes)
    return PerformanceProgress(MappingProxyType(decks), scenes, book.current, scheduler.master_fade.panicked)


def _deck_progress(scheduler: SchedulerState, deck: DeckState) -> DeckProgress:
    heard = deck.sounding
    sounding = {} if heard is None else {"prompt": heard.key.start.prompt, "to": heard.key.end.prompt}
    alpha = scheduler.state.number(f"deck/{deck.name}/alpha")
    loop, coming = (None if bank is None else bank.nearest_loop(alpha) for bank in (heard, deck.launching))
    coming_frame = deck.launching.frame if deck.launching is not None else 0
    return DeckProgress(_phase(scheduler, deck), MappingProxyType(sounding), loop, coming, coming_frame)


def _phase(scheduler: SchedulerState, deck: DeckState) -> Phase:
    if deck.gave_up:
        return Phase.FAILED
    if deck.launching is not None and deck.settled:
        return Phase.READY
    if deck.settled:
        return Phase.PLAYING
    if deck.target is not None and deck.target.ready:
        return Phase.READY
    launching = (job for job in scheduler.renders.running if job.planned.purpose is Purpose.LAUNCH)
    if any(job.planned.deck == deck.name for job in launching):
        return Phase.RENDERING
    return Phase.EMPTY if deck.current is None and deck.target is None else Phase.QUEUED
