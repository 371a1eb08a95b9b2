"""ImmediateActions: what an accepted command does at once, beside what must be rendered for it."""

from __future__ import annotations

from riffengine.performance.command import Command
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.actions import Action, Log, ToPlayerMessage
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.mixer_controls import control_message, stem_messages
from riffengine.scheduler.render_plan import Purpose
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.targets import LandingTargets
from riffengine.scheduler.tempo_follow import TempoFollow


class ImmediateActions:
    """Turns commands into messages for the mixer."""

    def __init__(self, scheduler: SchedulerState, aiming: LandingTargets, pacing: TempoFollow) -> None:
        self._scheduler, self._aiming, self._pacing = scheduler, aiming, pacing

    def of(self, command: Command, changed: set[str], frame: int) -> list[Action]:
        """What ``command`` does at ``frame``; ``changed`` are the decks that must render for it."""
        scheduler = self._scheduler
        if command.path == "panic":
            messages = scheduler.mixer_controls.panic(command.stamp_ns) if command.value else []
            return [ToPlayerMessage(message) for message in messages]
        if command.path.startswith("transport/quantum"):
            self._aiming.estimate_anew(frame)
            return []
        ramp_frames = scheduler.frames(scheduler.policy.control_ramp_seconds)
        if "/stem/" in command.path:
            return [ToPlayerMessage(stem) for stem in stem_messages(command, scheduler.state, ramp_frames)]
        if (message := control_message(command.path, command.value, ramp_frames, command.stamp_ns)) is None:
            return []
        actions: list[Action] = [ToPlayerMessage(message)]
        if command.path == "master/gain":
            actions += [ToPlayerMessage(m) for m in scheduler.mixer_controls.restore(command.stamp_ns)]
        if command.path.endswith("/alpha"):
            part = scheduler.decks[command.path.split("/")[1]]
            if part.name in changed and scheduler.anything_sounds:
                part.jump = True
                return []
            if part.sent_step_frame >= frame:  # the walk's next step is on its way and would undo the gesture
                actions.append(ToPlayerMessage(SetControl(message.name, message.value, part.sent_step_frame, 0)))
        return actions

    def retune_in_silence(self, frame: int) -> list[Action]:
        """Nothing sounds, so nothing can be torn: a new tempo rules at once."""
        actions = [] if self._scheduler.led else self._pacing.release(frame)
        self._scheduler.timeline.settle(frame)
        return actions

    def land_stranded_alphas(self) -> list[Action]:
        """An alpha that should have moved with a launch moves now if that launch will not come."""
        actions: list[Action] = []
        for part in self._scheduler.decks.values():
            if part.jump and part.target is None and (part.settled or part.want == part.refused):
                part.jump = False
                path, alpha = f"deck/{part.name}/alpha", self._scheduler.alpha(part)
                actions.append(ToPlayerMessage(SetControl(path, alpha, None, self._scheduler.fade_frames)))
        return actions


def give_up(part: DeckState, purpose: Purpose, reason: str) -> Log:
    """The loop that ``part`` works towards will not render; what it has goes on."""
    if purpose is Purpose.LAUNCH and part.target is not None:
        part.refused, part.target = part.target.key, None
        part.promises.clear()
        part.unheard_since = None
    if part.current is not None:
        text = f"deck {part.name} stays with what it has: {reason}"
    else:
        cure = "init" if part.want.init else "its prompt or seed"
        text = f"deck {part.name}: {reason}; nothing can play until you change {cure}"
    return Log("render given up", text, {"deck": part.name})
