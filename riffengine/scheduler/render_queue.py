"""RenderQueue: the next job for the renderer, a free slot for it, and whether the running job is still needed."""

from __future__ import annotations

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

_SPARE_SLOTS = 2  # kept free so that an urgent render never waits until the player frees one


class RenderQueue:
    """Gives the renderer the most urgent job. Only one is sent at a time: a queued job could only become stale."""

    def __init__(self, scheduler: SchedulerState, launcher: Launcher, drift: DriftStepper) -> None:
        self._scheduler = scheduler
        self._launcher = launcher
        self._drift = drift
        self._made_for: tuple[tuple[DeckNeeds, ...], RenderQuality] | None = None
        self._plan: list[PlannedRender] = []
        self._kept: set[str] = set()
        self._met_version = -1  # of the loop pool, when nothing of the plan was missing

    def step(self, frame: int) -> list[Action]:
        """Cancel a stale job, free slots, send the next job."""
        scheduler = self._scheduler
        self._make_plan(frame)
        running = scheduler.renders.running
        if running is None and self._met_version == scheduler.loops.version:
            return []
        planned = self._first_unmet(frame)
        actions: list[Action] = []
        if running is not None:
            if not self._is_stale(running, planned, frame):
                return []
            actions.append(ToRendererMessage(scheduler.renders.cancel(running)))
        if planned is None:
            if running is None and scheduler.renders.next_retry_beat(scheduler.timeline.beat_at(frame)) is None:
                self._met_version = scheduler.loops.version
            return actions
        if not scheduler.renders.ready or scheduler.renders.being_ended:
            return actions
        actions += self._make_room()
        slot = scheduler.loops.reserve()
        if slot is not None:
            planned = scheduler.renders.with_known_steps(planned, scheduler.quality)
            actions.append(ToRendererMessage(scheduler.renders.send(planned, slot, frame, scheduler.quality)))
        return actions

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

    def _first_unmet(self, frame: int) -> PlannedRender | None:
        renders, loops = self._scheduler.renders, self._scheduler.loops
        beat = self._scheduler.timeline.beat_at(frame)
        for planned in self._plan:
            loop = loops.best(planned.loop_id)
            if planned.loop_id not in self._kept or (loop is not None and loop.steps >= planned.steps):
                continue
            if not renders.refuses(planned) and not renders.must_wait(planned, beat):
                return planned
        return None

    # --- the running job --------------------------------------------------------------------------------------------

    def _is_stale(self, job: Job, first: PlannedRender | None, frame: int) -> bool:
        scheduler = self._scheduler
        if job.planned.loop_id not in {planned.loop_id for planned in self._plan}:
            return True
        if first is None or first.purpose is not Purpose.LAUNCH or job.planned.purpose is Purpose.LAUNCH:
            return False
        target = scheduler.decks[first.deck].target
        if target is None or first.loop_id == job.planned.loop_id:
            return False
        # It may finish if the change that waits still makes its beat.
        quality = scheduler.quality
        wait_seconds = (
            scheduler.renders.remaining_seconds(frame, quality)
            + scheduler.renders.launch_times(first.key, first.alpha, quality).p95
        )
        ready_frame = frame + scheduler.frames(wait_seconds) + scheduler.lead_frames
        at_once = scheduler.quantum_of(scheduler.decks[first.deck], target.key) <= 0
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
