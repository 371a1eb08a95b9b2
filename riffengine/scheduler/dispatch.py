"""Dispatch: the next job for the renderer, room for it, and whether the one it has is still worth finishing."""

from __future__ import annotations

from riffengine.playback.messages import RemoveLoop
from riffengine.scheduler.actions import Action, ToPlayerMessage, ToRendererMessage
from riffengine.scheduler.bank import motif
from riffengine.scheduler.desk import Job
from riffengine.scheduler.launching import Launching
from riffengine.scheduler.part import Part
from riffengine.scheduler.plan import KNOB_STEPS, Ask, Fineness, Purpose, Wish, make_plan
from riffengine.scheduler.shelf import FinishedLoop, SlotState
from riffengine.scheduler.stage import Stage
from riffengine.scheduler.walking import Walking

_SPARE_SLOTS = 2  # kept free so that an urgent render never waits for the player to let go of one


class Dispatch:
    """Keeps the renderer busy with what matters most. One job in flight: what is queued can only get stale."""

    def __init__(self, stage: Stage, launching: Launching, walking: Walking) -> None:
        self._stage = stage
        self._launching = launching
        self._walking = walking
        self._made_for: tuple[tuple[Ask, ...], Fineness] | None = None
        self._plan: list[Wish] = []
        self._kept: set[str] = set()
        self._met_version = -1  # of the shelf, when nothing of the plan was missing

    def step(self, frame: int) -> list[Action]:
        """Cancel what is not worth finishing, make room, send the next job."""
        stage = self._stage
        self._make_plan(frame)
        running = stage.desk.running
        if running is None and self._met_version == stage.shelf.version:
            return []
        wish = self._first_unmet(frame)
        actions: list[Action] = []
        if running is not None:
            if not self._is_stale(running, wish, frame):
                return []
            actions.append(ToRendererMessage(stage.desk.cancel(running)))
        if wish is None:
            if running is None and stage.desk.next_retry_beat(stage.timeline.beat_at(frame)) is None:
                self._met_version = stage.shelf.version
            return actions
        if not stage.desk.ready or stage.desk.condemned:
            return actions
        actions += self._make_room()
        slot = stage.shelf.reserve()
        if slot is not None:
            wish = stage.desk.at_best(wish, stage.fineness)
            actions.append(ToRendererMessage(stage.desk.send(wish, slot, frame, stage.fineness)))
        return actions

    def next_wakeup(self, frame: int) -> list[int]:
        """The frame at which a failed job may be tried again."""
        beat = self._stage.desk.next_retry_beat(self._stage.timeline.beat_at(frame))
        return [] if beat is None else [self._stage.timeline.frame_of(beat) + 1]

    def reconsider(self) -> None:
        """Something outside the plan has changed (a job failed, a renderer came): look again."""
        self._met_version = -1

    # --- the plan ---------------------------------------------------------------------------------------------------

    def _make_plan(self, frame: int) -> None:
        stage = self._stage
        made_for = (tuple(self._ask(part, frame) for part in stage.parts.values()), stage.fineness)
        if made_for == self._made_for:
            return
        self._made_for = made_for
        self._plan = make_plan(*made_for)
        self._met_version = -1
        self._kept = set()
        for wish in self._plan:
            if len(self._kept) >= stage.shelf.slots - _SPARE_SLOTS - 1:
                break
            self._kept.add(wish.motif)
        for wish in reversed(self._plan):
            stage.shelf.want(wish.motif)

    def _ask(self, part: Part, frame: int) -> Ask:
        stage, target = self._stage, part.target
        resting = not part.moving(frame, stage.settle_frames)
        bank = None
        if target is None and part.current is not None and (part.settled or part.want == part.refused):
            bank = part.current.key
        elif target is not None and target.ready and target.key == part.want and resting:
            bank = target.key
        knob = round(stage.alpha(part) * KNOB_STEPS) / KNOB_STEPS
        drifts = stage.drift(part) > 0.0
        waits = target is not None and not target.ready
        return Ask(
            deck=part.name,
            knob=knob,
            direction=1 if drifts else part.direction,
            launch=target.key if target is not None and waits else None,
            launch_alpha=target.alpha if target is not None else 0.0,
            launch_rank=target.due_beat if target is not None and waits else 0.0,
            bank=bank,
            ahead=self._walking.ahead(part) if drifts and bank is not None else None,
        )

    def _first_unmet(self, frame: int) -> Wish | None:
        desk, shelf = self._stage.desk, self._stage.shelf
        beat = self._stage.timeline.beat_at(frame)
        for wish in self._plan:
            loop = shelf.best(wish.motif)
            met = loop is not None and loop.steps >= wish.steps
            if not met and wish.motif in self._kept and not desk.refuses(wish) and not desk.must_wait(wish, beat):
                return wish
        return None

    # --- the running job --------------------------------------------------------------------------------------------

    def _is_stale(self, job: Job, first: Wish | None, frame: int) -> bool:
        stage = self._stage
        if job.wish.motif not in {wish.motif for wish in self._plan}:
            return True
        if first is None or first.purpose is not Purpose.LAUNCH or job.wish.purpose is Purpose.LAUNCH:
            return False
        target = stage.parts[first.deck].target
        if target is None or first.motif == job.wish.motif:
            return False
        # It may finish if the change that waits still makes its beat.
        fineness = stage.fineness
        wait_seconds = (
            stage.desk.remaining_seconds(frame, fineness)
            + stage.desk.launch_times(first.key, first.alpha, fineness).p95
        )
        ready_frame = frame + stage.frames(wait_seconds) + stage.lead_frames
        at_once = stage.quantum_of(stage.parts[first.deck], target.key) <= 0
        return at_once or ready_frame > stage.timeline.frame_of(target.due_beat)

    # --- room -------------------------------------------------------------------------------------------------------

    def _make_room(self) -> list[Action]:
        shelf = self._stage.shelf
        actions: list[Action] = []
        while shelf.count(SlotState.FREE) + shelf.count(SlotState.FREEING) < _SPARE_SLOTS:
            loop = shelf.evictable(self._kept, self._protected())
            if loop is None:
                break
            actions += self._take_off(loop)
            actions += self._launching.let_go(loop)
        return actions

    def _protected(self) -> set[int]:
        """Loops that sound, are about to, or wait for their launch."""
        stage = self._stage
        loops: list[FinishedLoop | None] = []
        for part in stage.parts.values():
            loops += part.sounding_loops(stage.alpha(part))
            if part.target is not None:
                loops.append(stage.shelf.best(motif(part.target.key, part.target.alpha)))
        return {loop.ref.loop for loop in loops if loop is not None}

    def _take_off(self, loop: FinishedLoop) -> list[Action]:
        actions: list[Action] = []
        for part in self._stage.parts.values():
            for bank in (part.sounding, part.launching):
                for alpha in [] if bank is None else [a for a, held in bank.placed.items() if held is loop]:
                    assert bank is not None
                    del bank.placed[alpha]
                    message = RemoveLoop(part.name, bank.number, alpha, None, self._stage.fade_frames)
                    actions.append(ToPlayerMessage(message))
        return actions
