"""RenderQueue: the next jobs for the renderer, a free slot for each, and whether the running jobs are still needed."""

from __future__ import annotations

import math

from riffengine.processes.player_messages import RemoveLoop
from riffengine.scheduler.actions import Action, ToPlayerMessage, ToRendererMessage
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.drift import DriftStepper
from riffengine.scheduler.launcher import Launcher
from riffengine.scheduler.loop_pool import FinishedLoop, SlotState
from riffengine.scheduler.morph_bank import loop_id
from riffengine.scheduler.render_jobs import Job
from riffengine.scheduler.render_plan import KNOB_STEPS, DeckNeeds, PlannedRender, Purpose, RenderQuality, make_plan
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.status import runway_seconds, runways

_SPARE_SLOTS = 2  # kept free so that an urgent render never waits until the player frees one


class RenderQueue:
    """Gives each seat of the renderer the most urgent job. None is sent ahead: a queued job could only become stale."""

    def __init__(self, scheduler: SchedulerState, launcher: Launcher, drift: DriftStepper) -> None:
        self._scheduler = scheduler
        self._launcher = launcher
        self._drift = drift
        self._made_for: tuple[tuple[DeckNeeds, ...], RenderQuality] | None = None
        self._plan: list[PlannedRender] = []
        self._kept: set[str] = set()
        self._met_version = -1  # of the loop pool, when nothing of the plan was missing

    def step(self, frame: int) -> list[Action]:
        """Cancel stale jobs, free slots, send the next jobs."""
        scheduler = self._scheduler
        renders = scheduler.renders
        self._make_plan(frame)
        running = renders.running
        if not running and self._met_version == scheduler.loops.version:
            return []
        unmet = self._unmet(frame, len(running) + renders.seats)
        stale = self._stale(running, unmet, frame)
        actions: list[Action] = [ToRendererMessage(renders.cancel(job)) for job in stale]
        if not unmet and not running and renders.next_retry_beat(scheduler.timeline.beat_at(frame)) is None:
            self._met_version = scheduler.loops.version
        if not renders.ready or renders.being_ended:
            return actions
        taken = {job.planned.loop_id for job in running if job not in stale}
        for planned in unmet:
            if len(taken) >= renders.seats:
                break
            if planned.loop_id not in taken:
                taken.add(planned.loop_id)
                actions += self._send(planned, frame)
        return actions

    def _send(self, planned: PlannedRender, frame: int) -> list[Action]:
        """Send the job of ``planned``, if there is a slot for it."""
        scheduler = self._scheduler
        actions = self._make_room()
        slot = scheduler.loops.reserve()
        if slot is not None:
            planned = scheduler.renders.with_known_steps(planned, scheduler.quality)
            left, runway = self._seconds_left(planned, frame), self._runway_seconds()
            render = scheduler.renders.send(planned, slot, frame, scheduler.quality, left, runway)
            actions.append(ToRendererMessage(render))
        return actions

    def _runway_seconds(self) -> float | None:
        """Of the deck that needs a new loop soonest; ``None`` where none drifts."""
        least = min(runways(self._scheduler, self._drift))
        return None if math.isinf(least) else least

    def _seconds_left(self, planned: PlannedRender, frame: int) -> float | None:
        """Until ``planned`` is heard as it was announced, or the drift comes to it; ``None`` where nobody waits."""
        scheduler, deck = self._scheduler, self._scheduler.decks[planned.deck]
        if planned.purpose is Purpose.RUNWAY:
            runway = runway_seconds(scheduler, self._drift, deck)
            return None if math.isinf(runway) else runway
        target = deck.target
        if planned.purpose is not Purpose.LAUNCH or target is None:
            return None
        due = scheduler.timeline.frame_of(target.due_beat) - scheduler.lead_frames
        return max(0.0, (due - frame) / scheduler.facts.sample_rate)

    def next_wakeup(self, frame: int) -> list[int]:
        """The frame at which a failed job may be tried again."""
        beat = self._scheduler.renders.next_retry_beat(self._scheduler.timeline.beat_at(frame))
        return [] if beat is None else [self._scheduler.timeline.frame_of(beat) + 1]

    def reconsider(self) -> None:
        """Look at the plan again: a job has failed, or a renderer is ready."""
        self._met_version = -1

    # --- the plan ---------------------------------------------------------------------------------------------------

    def _make_plan(self, frame: int) -> None:
        scheduler = self._scheduler
        made_for = (tuple(self._needs(deck, frame) for deck in scheduler.decks.values()), scheduler.quality)
        if made_for == self._made_for:
            return
        self._made_for = made_for
        self._plan = make_plan(*made_for)
        self._met_version = -1
        self._kept = set()
        for planned in self._plan:
            if len(self._kept) >= scheduler.loops.slots - _SPARE_SLOTS - 1:
                break
            self._kept.add(planned.loop_id)
        for planned in reversed(self._plan):
            scheduler.loops.want(planned.loop_id)

    def _needs(self, deck: DeckState, frame: int) -> DeckNeeds:
        scheduler, target = self._scheduler, deck.target
        resting = not deck.moving(frame, scheduler.settle_frames)
        bank = None
        if target is None and deck.current is not None and (deck.settled or deck.gave_up):
            bank = deck.current.key
        elif target is not None and target.ready and target.key == deck.want and resting:
            bank = target.key
        knob = round(scheduler.alpha(deck) * KNOB_STEPS) / KNOB_STEPS
        drifts = scheduler.drift(deck) > 0.0
        waits = target is not None and not target.ready
        return DeckNeeds(
            deck=deck.name,
            knob=knob,
            direction=1 if drifts else deck.alpha_direction,
            launch=target.key if target is not None and waits else None,
            launch_alpha=target.alpha if target is not None else 0.0,
            launch_rank=target.due_beat if target is not None and waits else 0.0,
            bank=bank,
            ahead=self._drift.ahead(deck) if drifts and bank is not None else None,
            later=self._drift.later(deck) if drifts and bank is not None else (),
        )

    def _unmet(self, frame: int, most: int) -> list[PlannedRender]:
        """The ``most`` most urgent renders that are wanted and not finished, each loop once."""
        renders, loops = self._scheduler.renders, self._scheduler.loops
        beat = self._scheduler.timeline.beat_at(frame)
        found: dict[str, PlannedRender] = {}
        for planned in self._plan:
            if planned.loop_id not in self._kept or planned.loop_id in found:
                continue
            loop = loops.best(planned.loop_id)
            if loop is not None and loop.steps >= planned.steps:
                continue
            if not renders.refuses(planned.loop_id, planned.steps) and not renders.must_wait(planned, beat):
                found[planned.loop_id] = planned
                if len(found) >= most:
                    break
        return list(found.values())

    # --- the running jobs -------------------------------------------------------------------------------------------

    def _stale(self, running: list[Job], unmet: list[PlannedRender], frame: int) -> list[Job]:
        """The running jobs that nobody wants any more, and those that give way to a change that waits."""
        renders = self._scheduler.renders
        wanted = {planned.loop_id for planned in self._plan}
        stale = [job for job in running if job.planned.loop_id not in wanted]
        going = [job for job in running if job not in stale]
        ids = {job.planned.loop_id for job in going}
        for planned in unmet[: renders.seats]:
            if planned.purpose is not Purpose.LAUNCH or planned.loop_id in ids or len(going) < renders.seats:
                continue
            lower = [job for job in going if job.planned.purpose is not Purpose.LAUNCH]
            if lower and self._comes_late(planned, frame):
                gives_way = max(lower, key=lambda job: (job.planned.purpose, job.planned.rank))
                stale.append(gives_way)
                going.remove(gives_way)
        return stale

    def _comes_late(self, planned: PlannedRender, frame: int) -> bool:
        """Whether the change that waits for ``planned`` misses its beat if no running job gives way."""
        scheduler = self._scheduler
        target = scheduler.decks[planned.deck].target
        if target is None:
            return False
        quality = scheduler.quality
        wait_seconds = (
            scheduler.renders.remaining_seconds(frame, quality)
            + scheduler.renders.launch_times(planned.key, planned.alpha, quality).p95
        )
        ready_frame = frame + scheduler.frames(wait_seconds) + scheduler.lead_frames
        at_once = scheduler.quantum_of(scheduler.decks[planned.deck], target.key) <= 0
        return at_once or ready_frame > scheduler.timeline.frame_of(target.due_beat)

    # --- room -------------------------------------------------------------------------------------------------------

    def _make_room(self) -> list[Action]:
        loops = self._scheduler.loops
        actions: list[Action] = []
        while loops.count(SlotState.FREE) + loops.count(SlotState.FREEING) < _SPARE_SLOTS:
            loop = loops.evictable(self._kept, self._protected())
            if loop is None:
                break
            actions += self._remove_from_banks(loop)
            actions += self._launcher.let_go(loop)
        return actions

    def _protected(self) -> set[int]:
        """Loops that sound, are about to, or wait for their launch."""
        scheduler = self._scheduler
        loops: list[FinishedLoop | None] = []
        for deck in scheduler.decks.values():
            loops += deck.sounding_loops(scheduler.alpha(deck))
            if deck.target is not None:
                loops.append(scheduler.loops.best(loop_id(deck.target.key, deck.target.alpha)))
        return {loop.ref.loop for loop in loops if loop is not None}

    def _remove_from_banks(self, loop: FinishedLoop) -> list[Action]:
        actions: list[Action] = []
        for deck in self._scheduler.decks.values():
            for bank in (deck.sounding, deck.launching):
                for alpha in [] if bank is None else [a for a, held in bank.placed.items() if held is loop]:
                    assert bank is not None
                    del bank.placed[alpha]
                    message = RemoveLoop(deck.name, bank.number, alpha, None, self._scheduler.fade_frames)
                    actions.append(ToPlayerMessage(message))
        return actions
