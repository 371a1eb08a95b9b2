"""Landings: which bank each deck works towards, on which beat it lands, and what the senders of changes are told.

While a control moves: the first change of a gesture is rendered at once; as the control moves on, what is being
rendered is finished and heard, and the next render begins as late as it can and still make the next boundary. When the
control rests, its last value is rendered at once. So every render that runs is heard, and the newest wins.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from riffengine.performance.command import Accepted, Command, Landing
from riffengine.performance.parameter_tree import ControlClass
from riffengine.performance.routing import Handler, handler_of
from riffengine.processes.parameter_path import parse_path
from riffengine.scheduler.actions import Action, Announce
from riffengine.scheduler.deck_state import DeckState, Promise, Target
from riffengine.scheduler.launcher import Launcher
from riffengine.scheduler.morph_bank import BankKey, LandedChange, loop_id, nearest_point, points_of
from riffengine.scheduler.render_plan import Purpose
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.status import render_given_up

_SAME_BEAT = 0.01  # beats; a landing that differs by less (5 ms at 120 bpm) has not moved
_OVERDUE_BEATS = 1.0  # a landing without a boundary moves with every tick while its render is late: told once a beat
_LATE_START_SHARE = 1.5  # of the p95 render time: how long before a boundary the render of a moving control begins


class Landings:
    """Chooses targets, keeps their due beats, and answers senders with landings."""

    def __init__(self, scheduler: SchedulerState, launcher: Launcher) -> None:
        self._scheduler = scheduler
        self._launcher = launcher

    def groups(self) -> list[list[DeckState]]:
        """Decks that must launch on one frame: all that change tempo, key or scene go together, the others alone."""
        sounding = [p for p in self._scheduler.decks.values() if p.current]
        bound = [
            p
            for p in sounding
            if (p.current and p.want.together != p.current.key.together) or (p.lands_with_others and not p.settled)
        ]
        return [[p] for p in self._scheduler.decks.values() if p not in bound] + ([bound] if bound else [])

    def step(self, frame: int) -> list[Action]:
        """Aim, launch what is due, move what cannot make it."""
        scheduler = self._scheduler
        actions = self._give_up_refused(frame)
        for group in self.groups():
            for deck in group:
                if deck.target is not None:
                    deck.target.ready = scheduler.loops.best(loop_id(deck.target.key, deck.target.alpha)) is not None
            actions += self._aim(group, frame)
            actions += self._launch_or_slip(group, frame)
        return [*actions, *self._announce(frame)]

    def next_wakeup(self, frame: int) -> list[int]:
        """Frames at which ``step`` may decide otherwise than now, though nothing has happened."""
        scheduler, wakeups = self._scheduler, []
        for group in self.groups():
            targets = [deck.target for deck in group if deck.target is not None]
            if targets:
                due = scheduler.timeline.frame_of(max(target.due_beat for target in targets))
                wakeups += [due - scheduler.lead_frames, due - scheduler.margin_frames + 1]
            if self._needy(group):
                wakeups += [deck.changed_frame + scheduler.settle_frames for deck in group]
                if not targets:
                    wakeups.append(self._latest_start(group, frame))
        for deck in scheduler.decks.values():
            wakeups += [
                scheduler.timeline.frame_of(p.beat) - scheduler.margin_frames + 1 for p in deck.promises.values()
            ]
        return wakeups

    def estimate_again(self, frame: int) -> None:
        """Give targets that are not launched yet a new beat: the quantum has changed, or a renderer is ready."""
        for deck in self._scheduler.decks.values():
            if deck.target is not None:
                deck.target.due_beat = self._due_beat(deck, deck.target.key, deck.target.alpha, frame)

    def answer(self, reply: Accepted, changed: Collection[str], frame: int) -> Accepted:
        """``reply`` with its landing; ``changed`` are the decks that must render for what was submitted."""
        scheduler, command = self._scheduler, reply.command
        control, name = scheduler.tree[command.path].control, parse_path(command.path).deck
        now = Landing(command.path, scheduler.timeline.beat_at(frame), 0.0)
        decks = [scheduler.decks[name]] if name else list(scheduler.decks.values())
        waits = control is ControlClass.MORPH and any(deck.alpha_waits for deck in decks)
        if control is not ControlClass.QUANTISED and not waits:
            return replace(reply, landing=now)
        if handler_of(command.path) is Handler.STEPS:
            seconds = scheduler.renders.times(scheduler.quality.full_steps, scheduler.quality).p95
            beat = scheduler.timeline.beat_at(frame + scheduler.frames(seconds))
            return replace(reply, landing=Landing(command.path, beat, seconds), note="loops are refined in place")
        landings = [
            self._landing(deck, command.path, command.source, frame, self._brought(deck, command))
            for deck in decks
            if deck.name in changed
        ]
        return replace(reply, landing=max(landings, key=lambda landing: landing.beat, default=now))

    def _brought(self, deck: DeckState, command: Command) -> tuple[LandedChange, ...]:
        """What ``next`` or ``again`` changes on ``deck``, so that the landing of each can be reported."""
        names = {Handler.NEXT: ("prompt", "to", "seed", "to_seed"), Handler.AGAIN: ("takes",)}
        paths = (f"deck/{deck.name}/{name}" for name in names.get(handler_of(command.path), ()))
        return tuple(LandedChange(path, self._scheduler.state[path], command.source) for path in paths)

    def _landing(
        self, deck: DeckState, path: str, source: str, frame: int, brings: tuple[LandedChange, ...]
    ) -> Landing:
        """When the newest change of ``deck`` will be heard; remembered, so that a move can be announced."""
        beat = self._landing_beat(deck, deck.serial, frame)
        value = self._scheduler.state.values.get(path, True)
        coming = deck.launching
        came_back = beat is None and deck.settled  # to what is on its way, or sounds
        if came_back:
            deck.withdraw(path)
        if coming is not None and (came_back or (deck.target is None and coming.serial >= deck.serial)):
            beat = coming.beat
            coming.carry((LandedChange(path, value, source), *brings))
        elif beat is None:
            return Landing(path, self._scheduler.timeline.beat_at(frame), 0.0)
        else:
            deck.promise(Promise(path, source, deck.serial, beat, value, brings))
        return self._at(path, beat, frame)

    def _give_up_refused(self, frame: int) -> list[Action]:
        """Give up every target whose loop is not tried again, for whichever deck or purpose it was rendered last."""
        scheduler, renders = self._scheduler, self._scheduler.renders
        actions: list[Action] = []
        for deck in scheduler.decks.values() if renders.troubled else ():
            target = deck.target
            if target is None:
                continue
            loop, steps = loop_id(target.key, target.alpha), scheduler.quality.first(target.key)
            if renders.refuses(loop, steps) and scheduler.loops.best(loop) is None:
                deck.refuse(target, frame)
                actions.append(render_given_up(deck, renders.failure_reason(loop, steps)))
        return actions

    # --- deciding ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _needy(group: list[DeckState]) -> list[DeckState]:
        def aimed_at(deck: DeckState) -> BankKey | None:
            if deck.target is not None:
                return deck.target.key
            return deck.current.key if deck.current is not None else None

        return [deck for deck in group if deck.want != aimed_at(deck) and not deck.gave_up]

    def _aim(self, group: list[DeckState], frame: int) -> list[Action]:
        scheduler = self._scheduler
        needy = self._needy(group)
        for deck in group:
            # A change that is no longer wanted, because the control came back to what sounds or was launched.
            if deck.settled and not deck.moving(frame, scheduler.settle_frames):
                deck.forget_change()
            elif deck.target is not None and deck.target.key == deck.want:  # the control came back to the target
                deck.target.serial = deck.serial
        if not needy:
            return []
        moving = any(deck.moving(frame, scheduler.settle_frames) for deck in group)
        targets = [deck.target for deck in group if deck.target is not None]
        if not targets:
            if moving and any(p.gesture_rendered for p in needy) and frame < self._latest_start(group, frame):
                return []
            self._set_targets(group, frame)
            return []
        if moving:
            return []
        old_due = max(target.due_beat for target in targets)
        new_due = max(self._due_beat(deck, deck.want, self._point(deck), frame) for deck in needy)
        if new_due <= old_due + _SAME_BEAT or not self._worth_finishing(group, frame):
            self._set_targets(group, frame)
            return []
        if all(target.ready for target in targets) and self._launcher.fits(group):
            # The newer one cannot make this boundary: settle this launch now, so that the newer may be rendered.
            actions = self._launcher.commit(group, old_due, frame)
            self._set_targets(group, frame)
            return actions
        return []

    def _worth_finishing(self, group: list[DeckState], frame: int) -> bool:
        """Whether an older render is finished although a newer change waits."""
        scheduler = self._scheduler
        if not self._launcher.fits(group):  # before the first sound the tempo changes at once: it could never be heard
            return False
        if all(deck.target is None or deck.target.ready for deck in group):
            return True
        p95 = scheduler.renders.times(scheduler.quality.urgent, scheduler.quality).p95
        unheard_since = min((p.unheard_since for p in group if p.unheard_since is not None), default=frame)
        starving = frame - unheard_since >= scheduler.frames(p95)
        running = scheduler.renders.running
        ours = [job for job in running if job.planned.deck in {deck.name for deck in group}] or running
        rests = (scheduler.renders.rest_seconds(job, frame, scheduler.quality) for job in ours)
        return starving or min(rests, default=0.0) <= p95 / 2

    def _set_targets(self, group: list[DeckState], frame: int) -> None:
        for deck in group:
            if deck.settled:
                deck.forget_change()
            elif deck.gave_up:
                deck.clear_target()
            elif deck.target is None or deck.target.key != deck.want:
                point = self._point(deck)
                due = self._due_beat(deck, deck.want, point, frame)
                ready = self._scheduler.loops.best(loop_id(deck.want, point)) is not None
                deck.set_target(Target(deck.want, deck.serial, point, due, ready))
                if self._scheduler.renders.troubled:  # asked for again: tried again
                    points = points_of(deck.want, self._scheduler.policy.alphas)
                    self._scheduler.renders.forgive({loop_id(deck.want, alpha) for alpha, _ in points})
            else:
                deck.target.serial = deck.serial

    def _launch_or_slip(self, group: list[DeckState], frame: int) -> list[Action]:
        scheduler = self._scheduler
        aimed = [deck for deck in group if deck.target is not None and not deck.settled]
        if not aimed:
            return []
        targets = [deck.target for deck in aimed if deck.target is not None]
        due = max(target.due_beat for target in targets)
        if all(deck.current is None for deck in aimed):  # none of them sounds yet: as soon as possible
            due = min(due, max(self._due_beat(p, p.target.key, p.target.alpha, frame) for p in aimed if p.target))
        due_frame = scheduler.timeline.frame_of(due)
        ready = all(target.ready for target in targets) and self._launcher.fits(aimed)
        if ready and all(scheduler.quantum_of(deck, deck.target.key) <= 0 for deck in aimed if deck.target):
            first = max((p.launching.frame + 1 for p in aimed if p.launching is not None), default=0)
            soonest = max(frame + scheduler.margin_frames, first)
            return self._launcher.commit(aimed, scheduler.timeline.beat_at(soonest), frame)
        if ready and due_frame - scheduler.lead_frames <= frame <= due_frame - scheduler.margin_frames:
            return self._launcher.commit(aimed, due, frame)
        if frame > due_frame - scheduler.margin_frames:
            due = max(self._due_beat(deck, deck.target.key, deck.target.alpha, frame) for deck in aimed if deck.target)
        for target in targets:
            target.due_beat = due
        return []

    # --- estimating -------------------------------------------------------------------------------------------------

    def _point(self, deck: DeckState) -> float:
        scheduler, alphas = self._scheduler, self._scheduler.policy.alphas
        nearest = nearest_point(deck.want, scheduler.alpha(deck), alphas)
        if (
            scheduler.renders.ready
            or deck.current is not None
            or scheduler.loops.best(loop_id(deck.want, nearest)) is not None
        ):
            return nearest
        # Before the model is loaded, loops of the last set may sound, the nearest first.
        there = [point for point, _ in points_of(deck.want, alphas) if scheduler.loops.best(loop_id(deck.want, point))]
        return min(there, key=lambda point: abs(point - scheduler.alpha(deck)), default=nearest)

    def _render_seconds(self, deck: DeckState, key: BankKey, alpha: float, frame: int) -> float:
        """Seconds until the rendition is there, by the 95th percentile; 0 when it is in the loop pool."""
        scheduler = self._scheduler
        if scheduler.loops.best(loop_id(key, alpha)) is not None:
            return 0.0
        p95 = scheduler.renders.launch_times(key, alpha, scheduler.quality).p95
        seconds = 0.0 if scheduler.renders.at_work else scheduler.policy.renderer_start_seconds
        running = [job for job in scheduler.renders.running if job.planned.purpose is Purpose.LAUNCH]
        rests = {job.number: scheduler.renders.rest_seconds(job, frame, scheduler.quality) for job in running}
        seats = scheduler.renders.seats
        mine = next((job for job in running if job.planned.loop_id == loop_id(key, alpha)), None)
        seconds += p95 if mine is None else rests[mine.number]
        for other in scheduler.decks.values():
            if other is deck or other.target is None or other.target.ready:
                continue
            # The decks before this one are rendered first, and so is one that is being rendered.
            its = next((job for job in running if job.planned.deck == other.name), None)
            if its is not None:
                seconds += rests[its.number] / seats
            elif list(scheduler.decks).index(other.name) < list(scheduler.decks).index(deck.name):
                times = scheduler.renders.launch_times(other.target.key, other.target.alpha, scheduler.quality)
                seconds += times.p95 / seats
        return seconds

    def _due_beat(self, deck: DeckState, key: BankKey, alpha: float, frame: int) -> float:
        scheduler = self._scheduler
        from_frame = frame + scheduler.lead_frames + scheduler.frames(self._render_seconds(deck, key, alpha, frame))
        if deck.launching is not None:
            from_frame = max(from_frame, deck.launching.frame + 1)
        return scheduler.timeline.boundary(from_frame, scheduler.quantum_of(deck, key))

    def _latest_start(self, group: list[DeckState], frame: int) -> int:
        """The frame at which the next render of a moving control begins."""
        scheduler = self._scheduler
        needed = (scheduler.renders.launch_times(deck.want, self._point(deck), scheduler.quality).p95 for deck in group)
        due = max(self._due_beat(deck, deck.want, self._point(deck), frame) for deck in group)
        # Other decks may wait for the same renderer: begin so early that all make the boundary. Without that the
        # second deck's boundary moved on whenever the first began, and it was never rendered (178 s measured).
        waiting = sum(
            1 for other in self.groups() if other != group and (self._needy(other) or _unready(other)) for _ in other
        )
        early = (
            scheduler.frames(_LATE_START_SHARE * sum(needed) * (len(group) + waiting) / len(group))
            + scheduler.lead_frames
        )
        return scheduler.timeline.frame_of(due) - early

    # --- answering ----------------------------------------------------------------------------------------------------

    def _landing_beat(self, deck: DeckState, serial: int, frame: int) -> float | None:
        """The beat on which change ``serial`` is expected; ``None`` when it is heard already."""
        if deck.target is not None and deck.target.serial >= serial:
            return deck.target.due_beat
        if deck.launching is not None and deck.launching.serial >= serial:
            return deck.launching.beat
        if deck.settled or deck.gave_up:
            return None
        return self._due_beat(deck, deck.want, self._point(deck), frame)

    def _announce(self, frame: int) -> list[Action]:
        """Announce promised landings that move, once for all decks: a change has landed when the last of them has it.

        While no renderer is at work the landing is not known: that is announced once, and the rest when one is.
        """
        scheduler = self._scheduler
        moves: dict[str, list[tuple[Promise, float]]] = {}
        free: set[str] = set()
        for deck in scheduler.decks.values():
            for promise in deck.promises.values():
                if self._lands_when_ready(deck, promise):
                    free.add(promise.path)
                moves.setdefault(promise.path, []).append((promise, self._moved_to(deck, promise, frame)))
        actions: list[Action] = []
        for path, promises in moves.items():
            told = max(promise.last_told for promise, _ in promises)
            waits = any(promise.told_beat is not None for promise, _ in promises) and not scheduler.renders.at_work
            beat = max(beat for _, beat in promises)
            differs = abs(beat - told)
            moved = differs > (_OVERDUE_BEATS if path in free else _SAME_BEAT) and not waits
            for promise, own_beat in promises:
                promise.beat = own_beat
                promise.overdue_from = told if differs > _SAME_BEAT and not moved else None
                if not waits:
                    promise.told_beat = beat if moved and not scheduler.renders.at_work else None
            if moved:
                scheduler.counters.landings_moved += 1
                newest = max((promise for promise, _ in promises), key=lambda promise: promise.serial)
                actions.append(Announce(self._at(path, beat, frame, moved=True), newest.source))
        return actions

    def _lands_when_ready(self, deck: DeckState, promise: Promise) -> bool:
        """Whether ``promise`` is aimed at and waits for its render alone, not for a boundary of a quantum."""
        target = deck.target
        aimed = target is not None and target.serial >= promise.serial
        return aimed and target is not None and self._scheduler.quantum_of(deck, target.key) <= 0

    def _moved_to(self, deck: DeckState, promise: Promise, frame: int) -> float:
        """The beat on which ``promise`` is expected now; its own where nothing is known to be wrong with it."""
        aimed = deck.target is not None and deck.target.serial >= promise.serial
        missed = self._scheduler.timeline.frame_of(promise.beat) - self._scheduler.margin_frames < frame
        beat = self._landing_beat(deck, promise.serial, frame) if aimed or missed else None
        return promise.beat if beat is None or abs(beat - promise.beat) <= _SAME_BEAT else beat

    def _at(self, path: str, beat: float, frame: int, moved: bool = False) -> Landing:
        frames = self._scheduler.timeline.frame_of(beat) - frame
        return Landing(path, beat, max(0.0, frames / self._scheduler.facts.sample_rate), moved)


def _unready(group: list[DeckState]) -> bool:
    return any(deck.target is not None and not deck.target.ready for deck in group)
