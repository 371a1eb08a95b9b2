"""LandingTargets: which bank each deck works towards, and on which beat it will land.

The rule for a moving hand: the first change of a gesture is rendered at once; while the hand goes on moving, what is
being rendered is finished and heard, and the next render begins as late as it can and still make the next boundary.
When the hand rests, its last value is rendered at once. So every render that runs is heard, and the newest wins.
"""

from __future__ import annotations

from riffengine.performance.command import Landing
from riffengine.scheduler.actions import Action, Announce
from riffengine.scheduler.deck_state import DeckState, Promise, Target
from riffengine.scheduler.launcher import Launcher
from riffengine.scheduler.morph_bank import BankKey, LandedChange, loop_id, nearest_point, points_of
from riffengine.scheduler.render_plan import Purpose
from riffengine.scheduler.state import SchedulerState

_SAME_BEAT = 0.01  # beats; a landing that differs by less (5 ms at 120 bpm) has not moved
_LATE_START_SHARE = 1.5  # of the p95 render time: how long before a boundary a moving hand's render begins


class LandingTargets:
    """Chooses targets, keeps their due beats, and tells senders when a landing moves."""

    def __init__(self, scheduler: SchedulerState, launching: Launcher) -> None:
        self._scheduler = scheduler
        self._launching = launching

    def groups(self) -> list[list[DeckState]]:
        """Decks that must launch on one frame: all that change tempo, key or scene go together, the others alone."""
        sounding = [p for p in self._scheduler.decks.values() if p.current]
        bound = [
            p
            for p in sounding
            if (p.current and p.want.together != p.current.key.together) or (p.bound and not p.settled)
        ]
        return [[p] for p in self._scheduler.decks.values() if p not in bound] + ([bound] if bound else [])

    def step(self, frame: int) -> list[Action]:
        """Aim, launch what is due, move what cannot make it."""
        scheduler = self._scheduler
        actions: list[Action] = []
        for group in self.groups():
            for part in group:
                if part.target is not None:
                    part.target.ready = scheduler.loops.best(loop_id(part.target.key, part.target.alpha)) is not None
            actions += self._aim(group, frame)
            actions += self._launch_or_slip(group, frame)
        return [*actions, *self._announce(frame)]

    def next_wakeup(self, frame: int) -> list[int]:
        """Frames at which ``step`` may decide otherwise than now, though nothing has happened."""
        scheduler, wakeups = self._scheduler, []
        for group in self.groups():
            targets = [part.target for part in group if part.target is not None]
            if targets:
                due = scheduler.timeline.frame_of(max(target.due_beat for target in targets))
                wakeups += [due - scheduler.lead_frames, due - scheduler.margin_frames + 1]
            if self._needy(group):
                wakeups += [part.changed_frame + scheduler.settle_frames for part in group]
                if not targets:
                    wakeups.append(self._latest_start(group, frame))
        for part in scheduler.decks.values():
            wakeups += [
                scheduler.timeline.frame_of(p.beat) - scheduler.margin_frames + 1 for p in part.promises.values()
            ]
        return wakeups

    def estimate_anew(self, frame: int) -> None:
        """The quantum has changed or a renderer has come: targets that are not launched yet get a new beat."""
        for part in self._scheduler.decks.values():
            if part.target is not None:
                part.target.due_beat = self._due_beat(part, part.target.key, part.target.alpha, frame)

    def landing(
        self, part: DeckState, path: str, source: str, frame: int, brings: tuple[LandedChange, ...] = ()
    ) -> Landing:
        """When the newest change of ``part`` will be heard; remembered, so that a move can be announced."""
        beat = self._landing_beat(part, part.serial, frame)
        if beat is None:
            return Landing(path, self._scheduler.timeline.beat_at(frame), 0.0)
        part.promises[path] = Promise(
            path, source, part.serial, beat, self._scheduler.state.values.get(path, True), brings
        )
        return self._at(path, beat, frame)

    # --- deciding ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _needy(group: list[DeckState]) -> list[DeckState]:
        def aimed_at(part: DeckState) -> BankKey | None:
            if part.target is not None:
                return part.target.key
            return part.current.key if part.current is not None else None

        return [part for part in group if part.want != aimed_at(part) and part.want != part.refused]

    def _aim(self, group: list[DeckState], frame: int) -> list[Action]:
        scheduler = self._scheduler
        needy = self._needy(group)
        # What was wanted and is not any more, because the hand came back to what sounds.
        for part in group:
            if part.target is not None and part.settled and not part.moving(frame, scheduler.settle_frames):
                part.target = None
                part.unheard_since = None
                part.promises.clear()
        if not needy:
            return []
        moving = any(part.moving(frame, scheduler.settle_frames) for part in group)
        targets = [part.target for part in group if part.target is not None]
        if not targets:
            if moving and any(p.gesture_rendered for p in needy) and frame < self._latest_start(group, frame):
                return []
            self._set_targets(group, frame)
            return []
        if moving:
            return []
        old_due = max(target.due_beat for target in targets)
        new_due = max(self._due_beat(part, part.want, self._point(part), frame) for part in needy)
        if new_due <= old_due + _SAME_BEAT or not self._worth_finishing(group, frame):
            self._set_targets(group, frame)
            return []
        if all(target.ready for target in targets) and self._launching.fits(group):
            # The newer one cannot make this boundary: settle this launch now, so that the newer may be rendered.
            actions = self._launching.commit(group, old_due, frame)
            self._set_targets(group, frame)
            return actions
        return []

    def _worth_finishing(self, group: list[DeckState], frame: int) -> bool:
        """Whether an older render is let finish although a newer change waits."""
        scheduler = self._scheduler
        if all(part.target is None or part.target.ready for part in group):
            return True
        p95 = scheduler.renders.times(scheduler.fineness.urgent, scheduler.fineness).p95
        unheard_since = min((p.unheard_since for p in group if p.unheard_since is not None), default=frame)
        starving = frame - unheard_since >= scheduler.frames(p95)
        return starving or scheduler.renders.remaining_seconds(frame, scheduler.fineness) <= p95 / 2

    def _set_targets(self, group: list[DeckState], frame: int) -> None:
        for part in group:
            if part.settled or part.want == part.refused:
                part.target = None
            elif part.target is None or part.target.key != part.want:
                point = self._point(part)
                due = self._due_beat(part, part.want, point, frame)
                ready = self._scheduler.loops.best(loop_id(part.want, point)) is not None
                part.target = Target(part.want, part.serial, point, due, ready)
                part.gesture_rendered = True
            else:
                part.target.serial = part.serial

    def _launch_or_slip(self, group: list[DeckState], frame: int) -> list[Action]:
        scheduler = self._scheduler
        aimed = [part for part in group if part.target is not None]
        if not aimed:
            return []
        targets = [part.target for part in aimed if part.target is not None]
        due = max(target.due_beat for target in targets)
        if all(part.current is None for part in aimed):  # nothing of theirs is heard yet: the sooner the better
            due = min(due, max(self._due_beat(p, p.target.key, p.target.alpha, frame) for p in aimed if p.target))
        due_frame = scheduler.timeline.frame_of(due)
        ready = all(target.ready for target in targets) and self._launching.fits(aimed)
        if ready and all(scheduler.quantum_of(part, part.target.key) <= 0 for part in aimed if part.target):
            first = max((p.launching.frame + 1 for p in aimed if p.launching is not None), default=0)
            soonest = max(frame + scheduler.margin_frames, first)
            return self._launching.commit(aimed, scheduler.timeline.beat_at(soonest), frame)
        if ready and due_frame - scheduler.lead_frames <= frame <= due_frame - scheduler.margin_frames:
            return self._launching.commit(aimed, due, frame)
        if frame > due_frame - scheduler.margin_frames:
            due = max(self._due_beat(part, part.target.key, part.target.alpha, frame) for part in aimed if part.target)
        for target in targets:
            target.due_beat = due
        return []

    # --- estimating -------------------------------------------------------------------------------------------------

    def _point(self, part: DeckState) -> float:
        scheduler, alphas = self._scheduler, self._scheduler.policy.alphas
        nearest = nearest_point(part.want, scheduler.alpha(part), alphas)
        if (
            scheduler.renders.ready
            or part.current is not None
            or scheduler.loops.best(loop_id(part.want, nearest)) is not None
        ):
            return nearest
        # Before the model is loaded whatever is left of the last set may sound, the nearest first.
        there = [point for point, _ in points_of(part.want, alphas) if scheduler.loops.best(loop_id(part.want, point))]
        return min(there, key=lambda point: abs(point - scheduler.alpha(part)), default=nearest)

    def _render_seconds(self, part: DeckState, key: BankKey, alpha: float, frame: int) -> float:
        """Seconds until the rendition is there, by the 95th percentile; 0 when it lies on the shelf."""
        scheduler = self._scheduler
        if scheduler.loops.best(loop_id(key, alpha)) is not None:
            return 0.0
        p95 = scheduler.renders.launch_times(key, alpha, scheduler.fineness).p95
        seconds = 0.0 if scheduler.renders.ready else scheduler.policy.renderer_start_seconds
        running = scheduler.renders.running
        launching = running.wish if running is not None and running.wish.purpose is Purpose.LAUNCH else None
        remaining = scheduler.renders.remaining_seconds(frame, scheduler.fineness)
        seconds += remaining if launching is not None and launching.loop_id == loop_id(key, alpha) else p95
        for other in scheduler.decks.values():
            if other is part or other.target is None or other.target.ready:
                continue
            # The decks before this one are served first, and so is one that is being served.
            if launching is not None and launching.deck == other.name:
                seconds += remaining
            elif list(scheduler.decks).index(other.name) < list(scheduler.decks).index(part.name):
                seconds += scheduler.renders.launch_times(other.target.key, other.target.alpha, scheduler.fineness).p95
        return seconds

    def _due_beat(self, part: DeckState, key: BankKey, alpha: float, frame: int) -> float:
        scheduler = self._scheduler
        from_frame = frame + scheduler.lead_frames + scheduler.frames(self._render_seconds(part, key, alpha, frame))
        if part.launching is not None:
            from_frame = max(from_frame, part.launching.frame + 1)
        return scheduler.timeline.boundary(from_frame, scheduler.quantum_of(part, key))

    def _latest_start(self, group: list[DeckState], frame: int) -> int:
        """The frame at which a moving hand's next render begins."""
        scheduler = self._scheduler
        needed = (
            scheduler.renders.launch_times(part.want, self._point(part), scheduler.fineness).p95 for part in group
        )
        due = max(self._due_beat(part, part.want, self._point(part), frame) for part in group)
        # Hands on other decks wait for the same renderer: begin so early that all make the boundary. Without that the
        # second deck's boundary moved on whenever the first began, and it was never rendered (178 s measured).
        waiting = sum(
            1 for other in self.groups() if other != group and (self._needy(other) or _unready(other)) for _ in other
        )
        early = (
            scheduler.frames(_LATE_START_SHARE * sum(needed) * (len(group) + waiting) / len(group))
            + scheduler.lead_frames
        )
        return scheduler.timeline.frame_of(due) - early

    # --- telling ----------------------------------------------------------------------------------------------------

    def _landing_beat(self, part: DeckState, serial: int, frame: int) -> float | None:
        """The beat on which change ``serial`` is expected; ``None`` when it is heard already."""
        if part.target is not None and part.target.serial >= serial:
            return part.target.due_beat
        if part.launching is not None and part.launching.serial >= serial:
            return part.launching.beat
        if part.settled or part.want == part.refused:
            return None
        return self._due_beat(part, part.want, self._point(part), frame)

    def _announce(self, frame: int) -> list[Action]:
        """What was promised and moves, told once for all decks: a change has landed when the last of them has it.

        While no renderer is there nobody knows when it will be, so that is told once, and the rest when it has come.
        """
        scheduler = self._scheduler
        moves: dict[str, list[tuple[Promise, float]]] = {}
        for part in scheduler.decks.values():
            for promise in part.promises.values():
                moves.setdefault(promise.path, []).append((promise, self._moved_to(part, promise, frame)))
        actions: list[Action] = []
        for path, promises in moves.items():
            told = max(p.beat if p.told_beat is None else p.told_beat for p, _ in promises)
            waits = any(promise.told_beat is not None for promise, _ in promises) and not scheduler.renders.ready
            beat = max(beat for _, beat in promises)
            moved = abs(beat - told) > _SAME_BEAT and not waits
            for promise, own_beat in promises:
                promise.beat = own_beat
                if not waits:
                    promise.told_beat = beat if moved and not scheduler.renders.ready else None
            if moved:
                scheduler.counters.landings_moved += 1
                newest = max((promise for promise, _ in promises), key=lambda promise: promise.serial)
                actions.append(Announce(self._at(path, beat, frame, moved=True), newest.source))
        return actions

    def _moved_to(self, part: DeckState, promise: Promise, frame: int) -> float:
        """The beat on which ``promise`` is expected now; its own where nothing is known to be wrong with it."""
        aimed = part.target is not None and part.target.serial >= promise.serial
        missed = self._scheduler.timeline.frame_of(promise.beat) - self._scheduler.margin_frames < frame
        beat = self._landing_beat(part, promise.serial, frame) if aimed or missed else None
        return promise.beat if beat is None or abs(beat - promise.beat) <= _SAME_BEAT else beat

    def _at(self, path: str, beat: float, frame: int, moved: bool = False) -> Landing:
        frames = self._scheduler.timeline.frame_of(beat) - frame
        return Landing(path, beat, max(0.0, frames / self._scheduler.facts.sample_rate), moved)


def _unready(group: list[DeckState]) -> bool:
    return any(part.target is not None and not part.target.ready for part in group)
