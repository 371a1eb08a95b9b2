"""LandingAnswers: the landing that the sender of a command is told."""

from __future__ import annotations

from dataclasses import replace

from riffengine.performance.command import Accepted, Command, Landing
from riffengine.performance.parameters import ControlClass
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.morph_bank import LandedChange
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.targets import LandingTargets


class LandingAnswers:
    """Says of each accepted command when it will be heard."""

    def __init__(self, scheduler: SchedulerState, aiming: LandingTargets) -> None:
        self._scheduler, self._aiming = scheduler, aiming

    def with_landing(self, reply: Accepted, changed: set[str], frame: int) -> Accepted:
        """``reply`` with its landing; ``changed`` are the decks that must render for what was submitted."""
        scheduler, command = self._scheduler, reply.command
        control = scheduler.tree[command.path].control
        now = Landing(command.path, scheduler.timeline.beat_at(frame), 0.0)
        words = command.path.split("/")
        parts = [scheduler.decks[words[1]]] if words[0] == "deck" else list(scheduler.decks.values())
        jumps = control is ControlClass.MORPH and any(part.jump for part in parts)
        if control is not ControlClass.QUANTISED and not jumps:
            return replace(reply, landing=now)
        if command.path in ("steps", "draft_steps"):
            seconds = scheduler.renders.times(scheduler.fineness.full_steps, scheduler.fineness).p95
            beat = scheduler.timeline.beat_at(frame + scheduler.frames(seconds))
            return replace(reply, landing=Landing(command.path, beat, seconds), note="loops are refined in place")
        landings = [
            self._aiming.landing(part, command.path, command.source, frame, _brought(part, command, scheduler))
            for part in parts
            if part.name in changed
        ]
        return replace(reply, landing=max(landings, key=lambda landing: landing.beat, default=now))


def _brought(part: DeckState, command: Command, scheduler: SchedulerState) -> tuple[LandedChange, ...]:
    """What ``next`` or ``again`` changes on a deck, for those who want to know when each of it landed."""
    names: tuple[str, ...] = ()
    if command.path == "next":
        names = ("prompt", "to", "seed", "to_seed")
    elif command.path.endswith("/again"):
        names = ("takes",)
    paths = (f"deck/{part.name}/{name}" for name in names)
    return tuple(LandedChange(path, scheduler.state[path], command.source) for path in paths)
