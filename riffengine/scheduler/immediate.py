"""ImmediateActions: what an accepted command does at once, besides what must be rendered for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from riffengine.performance.command import Command
from riffengine.performance.routing import Handler, handler_of
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.actions import Action, ToPlayerMessage
from riffengine.scheduler.drift import DriftStepper
from riffengine.scheduler.landings import Landings
from riffengine.scheduler.mixer_controls import control_message, stem_messages
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.tempo_follow import TempoFollow


class ImmediateActions:
    """Turns commands into messages for the mixer, by their handler."""

    def __init__(self, scheduler: SchedulerState, landings: Landings, drift: DriftStepper, tempo: TempoFollow) -> None:
        self._scheduler, self._landings, self._drift, self._tempo = scheduler, landings, drift, tempo
        self._by_handler: Mapping[Handler, Callable[[Command, Collection[str], int], list[Action]]] = {
            Handler.PANIC: self._panic,
            Handler.QUANTUM: self._quantum,
            Handler.STEM_MIX: self._stem_mix,
            Handler.MIXER: self._mixer,
            Handler.MASTER_GAIN: self._master_gain,
            Handler.ALPHA: self._alpha,
        }

    def of(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        """What ``command`` does at ``frame``; ``changed`` are the decks that must render for it."""
        act = self._by_handler.get(handler_of(command.path))
        return [] if act is None else act(command, changed, frame)

    def retune_in_silence(self, frame: int) -> list[Action]:
        """Set a new tempo at once while nothing sounds: nothing can be interrupted."""
        actions = [] if self._scheduler.externally_timed else self._tempo.release(frame)
        self._scheduler.timeline.settle(frame)
        return actions

    def release_waiting_alphas(self) -> list[Action]:
        """Move each alpha that should have moved with a launch that will not come."""
        actions: list[Action] = []
        for deck in self._scheduler.decks.values():
            if deck.alpha_waits and deck.target is None and (deck.settled or deck.gave_up):
                deck.release_alpha()
                alpha, ramp_frames = self._scheduler.alpha(deck), self._scheduler.fade_frames
                actions.append(ToPlayerMessage(SetControl(deck.alpha_control, alpha, None, ramp_frames)))
        return actions

    # --- by handler -------------------------------------------------------------------------------------------------

    def _panic(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        messages = self._scheduler.mixer_controls.panic(command.stamp_ns) if command.value else []
        return [ToPlayerMessage(message) for message in messages]

    def _quantum(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        self._landings.estimate_again(frame)
        return []

    def _stem_mix(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        return [ToPlayerMessage(m) for m in stem_messages(command, self._scheduler.state, self._ramp_frames)]

    def _mixer(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        return [ToPlayerMessage(control_message(command.path, command.value, self._ramp_frames, command.stamp_ns))]

    def _master_gain(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        restored = self._scheduler.mixer_controls.restore(command.stamp_ns)  # after a panic
        return [*self._mixer(command, changed, frame), *(ToPlayerMessage(message) for message in restored)]

    def _alpha(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        deck = self._scheduler.decks[parse_path(command.path).deck]
        if deck.name in changed and self._scheduler.anything_sounds:
            deck.hold_alpha_for_launch()
            return []
        message = control_message(command.path, command.value, self._ramp_frames, command.stamp_ns)
        actions: list[Action] = [ToPlayerMessage(message)]
        sent_frame = self._drift.sent_frame(deck)
        if sent_frame >= frame:  # the next step of the drift is already sent and would undo the gesture
            actions.append(ToPlayerMessage(SetControl(message.target, message.value, sent_frame, 0)))
        return actions

    @property
    def _ramp_frames(self) -> int:
        return self._scheduler.frames(self._scheduler.policy.control_ramp_seconds)
