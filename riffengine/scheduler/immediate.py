"""ImmediateActions: the messages to the mixer that an accepted command causes at once, without any rendering."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from riffengine.performance.command import Command, Value
from riffengine.performance.gain import linear_gain, stem_audible
from riffengine.performance.parameters import SIDE_CHOICES, is_effect_control
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import ParameterPath, parse_path, stems_of
from riffengine.processes.player_messages import FADE, SetControl
from riffengine.scheduler.actions import Action, ToPlayerMessage
from riffengine.scheduler.drift import DriftStepper
from riffengine.scheduler.landings import Landings
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.tempo_follow import TempoFollow

_SENT_TO_MIXER = (Handler.MIXER, Handler.MASTER_GAIN, Handler.ALPHA)


def control_message(path: str, value: Value, ramp_frames: int, stamp_ns: int = 0) -> SetControl:
    """The mixer control behind the parameter at ``path``: gains are linear, sides are numbers, all else is as it is."""
    target = parse_path(path)
    if is_effect_control(target):
        number = float(value)
    elif target.control == "gain" or target.group == "send":
        number = linear_gain(float(value))
    elif target.control == "side":
        number = float(SIDE_CHOICES.index(str(value)))
    else:
        number = float(value)
    return SetControl(target, number, None, ramp_frames, stamp_ns)


def stem_messages(command: Command, state: PerformanceState, ramp_frames: int) -> list[SetControl]:
    """The gains of the stems that ``command`` moves, gain, mute and solo in one; ``state`` holds its value already."""
    asked = parse_path(command.path)
    moved = stems_of(state.values, asked.deck) if asked.control == "solo" else (asked.stem,)
    return [
        SetControl(
            gain := ParameterPath("gain", asked.deck, stem),
            linear_gain(state.number(str(gain))) if stem_audible(state, asked.deck, stem) else 0.0,
            None,
            ramp_frames,
            command.stamp_ns if stem == asked.stem else 0,
        )
        for stem in moved
    ]


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
            Handler.PLUGIN_CONTROL: self._plugin_control,
        }

    def of(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        """What ``command`` does at ``frame``; ``changed`` are the decks that must render for it."""
        act = self._by_handler.get(handler_of(command.path))
        return [] if act is None else act(command, changed, frame)

    def initial_controls(self) -> list[SetControl]:
        """Every control as the state has it, at once and before anything sounds."""
        state = self._scheduler.state
        sent = [path for path in state.values if handler_of(path) in _SENT_TO_MIXER]
        stem_paths = [path for path in state.values if handler_of(path) is Handler.STEM_MIX]
        gains = [path for path in stem_paths if parse_path(path).control == "gain"]
        stems = (message for path in gains for message in stem_messages(Command(path, state[path]), state, 0))
        return [SetControl(FADE, 0.0, None, 0), *(control_message(path, state[path], 0) for path in sent), *stems]

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
        messages = self._scheduler.master_fade.panic(command.stamp_ns) if command.value else []
        return [ToPlayerMessage(message) for message in messages]

    def _quantum(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        self._landings.estimate_again(frame)
        return []

    def _stem_mix(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        return [ToPlayerMessage(m) for m in stem_messages(command, self._scheduler.state, self._ramp_frames)]

    def _mixer(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        return [ToPlayerMessage(control_message(command.path, command.value, self._ramp_frames, command.stamp_ns))]

    def _plugin_control(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        number = self._scheduler.tree[command.path].number(command.value)  # the host process smooths it
        return [ToPlayerMessage(SetControl(parse_path(command.path), number, None, 0, command.stamp_ns))]

    def _master_gain(self, command: Command, changed: Collection[str], frame: int) -> list[Action]:
        restored = self._scheduler.master_fade.restore(command.stamp_ns)  # after a panic
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
