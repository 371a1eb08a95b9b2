"""MixerControls: immediate parameters as controls of the mixer, the fade-in, and panic."""

from __future__ import annotations

from riffengine.performance.command import Command, Value
from riffengine.performance.parameters import SIDE_CHOICES, is_effect_control
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import ParameterPath, parse_path, stems_of
from riffengine.processes.player_messages import FADE, SetControl

SILENT_DB = -60.0
_SENT_TO_MIXER = (Handler.MIXER, Handler.MASTER_GAIN, Handler.ALPHA)


def linear_gain(db: float) -> float:
    """Linear gain of ``db`` decibels; −60 dB, the bottom of every fader, is silence."""
    return 0.0 if db <= SILENT_DB else float(10.0 ** (db / 20.0))


def control_message(path: str, value: Value, ramp_frames: int, stamp_ns: int = 0) -> SetControl:
    """The mixer control behind the parameter at ``path``: gains are linear, sides are numbers, all else is as it is."""
    target = parse_path(path)
    if is_effect_control(target):
        number = float(value)
    elif target.control == "gain":
        number = linear_gain(float(value))
    elif target.control == "side":
        number = float(SIDE_CHOICES.index(str(value)))
    else:
        number = float(value)
    return SetControl(target, number, None, ramp_frames, stamp_ns)


def stem_audible(state: PerformanceState, deck: str, stem: str) -> bool:
    """Whether mute and solo let ``stem`` of ``deck`` through: solo silences all that are not, mute silences always."""
    at = f"deck/{deck}/stem"
    solos = [name for name in stems_of(state.values, deck) if state[f"{at}/{name}/solo"]]
    return not state[f"{at}/{stem}/mute"] and (not solos or stem in solos)


def stem_messages(command: Command, state: PerformanceState, ramp_frames: int) -> list[SetControl]:
    """The gains of the stems that ``command`` moves, gain, mute and solo in one; ``state`` holds its value already."""
    asked = parse_path(command.path)
    gains = [
        ParameterPath("gain", asked.deck, stem)
        for stem in (stems_of(state.values, asked.deck) if asked.control == "solo" else (asked.stem,))
    ]
    return [
        SetControl(
            gain,
            linear_gain(state.number(str(gain))) if stem_audible(state, gain.deck, gain.stem) else 0.0,
            None,
            ramp_frames,
            command.stamp_ns if gain.stem == asked.stem else 0,
        )
        for gain in gains
    ]


class MixerControls:
    """Whether the master fade is open: closed until the first launch, then open until a panic."""

    def __init__(self, panic_frames: int, fade_in_frames: int) -> None:
        self._panic_frames = panic_frames
        self._fade_in_frames = fade_in_frames
        self.opened = False
        self.panicked = False

    def initial(self, state: PerformanceState) -> list[SetControl]:
        """Every control as ``state`` has it, at once and before anything sounds."""
        sent = [path for path in state.values if handler_of(path) in _SENT_TO_MIXER]
        gains = [
            path for path in state.values if handler_of(path) is Handler.STEM_MIX and parse_path(path).control == "gain"
        ]
        stems = (message for path in gains for message in stem_messages(Command(path, state[path]), state, 0))
        return [SetControl(FADE, 0.0, None, 0), *(control_message(path, state[path], 0) for path in sent), *stems]

    def restored(self, state: PerformanceState, fade_frames: int) -> list[SetControl]:
        """Every control for a new player, which fades in if the last one could be heard."""
        fade = [SetControl(FADE, 1.0, None, fade_frames)] if self.opened and not self.panicked else []
        return [*self.initial(state), *fade]

    def open(self, at_frame: int) -> list[SetControl]:
        """Fade in for the first sound, unless there was a panic meanwhile."""
        if self.opened:
            return []
        self.opened = True
        return [] if self.panicked else [SetControl(FADE, 1.0, at_frame, self._fade_in_frames)]

    def panic(self, stamp_ns: int) -> list[SetControl]:
        """Silence within 20 ms; the second time brings the sound back."""
        if self.panicked:
            return self.restore(stamp_ns)
        self.panicked = True
        return [SetControl(FADE, 0.0, None, self._panic_frames, stamp_ns)]

    def restore(self, stamp_ns: int) -> list[SetControl]:
        """Bring the sound back after a panic."""
        if not self.panicked:
            return []
        self.panicked = False
        return [SetControl(FADE, 1.0, None, self._panic_frames, stamp_ns)] if self.opened else []
