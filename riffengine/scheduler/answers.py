"""Answers: the landing that the sender of a command is told."""

from __future__ import annotations

from dataclasses import replace

from riffengine.performance.command import Accepted, Command, Landing
from riffengine.performance.parameters import ControlClass
from riffengine.scheduler.aiming import Aiming
from riffengine.scheduler.bank import Kept
from riffengine.scheduler.part import Part
from riffengine.scheduler.stage import Stage


class Answers:
    """Says of each accepted command when it will be heard."""

    def __init__(self, stage: Stage, aiming: Aiming) -> None:
        self._stage, self._aiming = stage, aiming

    def with_landing(self, reply: Accepted, changed: set[str], frame: int) -> Accepted:
        """``reply`` with its landing; ``changed`` are the decks that must render for what was submitted."""
        stage, command = self._stage, reply.command
        control = stage.tree[command.path].control
        now = Landing(command.path, stage.timeline.beat_at(frame), 0.0)
        words = command.path.split("/")
        parts = [stage.parts[words[1]]] if words[0] == "deck" else list(stage.parts.values())
        jumps = control is ControlClass.MORPH and any(part.jump for part in parts)
        if control is not ControlClass.QUANTISED and not jumps:
            return replace(reply, landing=now)
        if command.path in ("steps", "draft_steps"):
            seconds = stage.desk.times(stage.fineness.full_steps, stage.fineness).p95
            beat = stage.timeline.beat_at(frame + stage.frames(seconds))
            return replace(reply, landing=Landing(command.path, beat, seconds), note="loops are refined in place")
        landings = [
            self._aiming.landing(part, command.path, command.source, frame, _brought(part, command, stage))
            for part in parts
            if part.name in changed
        ]
        return replace(reply, landing=max(landings, key=lambda landing: landing.beat, default=now))


def _brought(part: Part, command: Command, stage: Stage) -> tuple[Kept, ...]:
    """What ``next`` or ``again`` changes on a deck, for those who want to know when each of it landed."""
    names: tuple[str, ...] = ()
    if command.path == "next":
        names = ("prompt", "to", "seed", "to_seed")
    elif command.path.endswith("/again"):
        names = ("takes",)
    paths = (f"deck/{part.name}/{name}" for name in names)
    return tuple(Kept(path, stage.state[path], command.source) for path in paths)
