"""MixerControls: immediate parameters as mixer controls, the fade-in, and panic."""

from __future__ import annotations

from riffengine.performance.command import Command, Value
from riffengine.performance.parameters import SIDE_CHOICES
from riffengine.performance.state import PerformanceState
from riffengine.performance.takes import stems_of
from riffengine.processes.player_messages import SetControl

SILENT_DB = -60.0
_GAIN = "gain"
_STEM = "/stem/"


def linear_gain(db: float) -> float:
    """Linear gain of ``db`` decibels; −60 dB, the bottom of every fader, is silence."""
    return 0.0 if db <= SILENT_DB else float(10.0 ** (db / 20.0))


def control_message(path: str, value: Value, ramp_frames: int, stamp_ns: int = 0) -> SetControl | None:
    """The mixer control behind the parameter at ``path``; ``None`` when the mixer has none (``transport/quantum``)."""
    name = path.rsplit("/", 1)[-1]
    if _STEM in path:  # what a stem sounds like depends on its neighbours: see stem_messages
        return None
    if name == _GAIN:
        return SetControl(path, linear_gain(float(value)), None, ramp_frames, stamp_ns)
    if name in ("mute", "alpha", "filter", "crossfader", "cue") or path == "cue/mix":
        return SetControl(path, float(value), None, ramp_frames, stamp_ns)
    if name == "side":
        return SetControl(path, float(SIDE_CHOICES.index(str(value))), None, ramp_frames, stamp_ns)
    return None


def stem_audible(state: PerformanceState, deck: str, stem: str) -> bool:
    """Whether mute and solo let ``stem`` of ``deck`` through: solo silences all that are not, mute silences always."""
    at = f"deck/{deck}/stem"
    solos = [name for name in stems_of(state.values, deck) if state[f"{at}/{name}/solo"]]
    return not state[f"{at}/{stem}/mute"] and (not solos or stem in solos)


def stem_messages(command: Command, state: PerformanceState, ramp_frames: int) -> list[SetControl]:
    """The mixer's gains of the stems that ``command`` moves, gain, mute and solo in one; ``state`` holds it already."""
    _, deck, _, own, control = command.path.split("/")
    if control not in (_GAIN, "mute", "solo"):
        return []
    moved = stems_of(state.values, deck) if control == "solo" else (own,)
    return [
        SetControl(
            f"deck/{deck}/stem/{stem}/{_GAIN}",
            linear_gain(state.number(f"deck/{deck}/stem/{stem}/{_GAIN}")) if stem_audible(state, deck, stem) else 0.0,
            None,
            ramp_frames,
            command.stamp_ns if stem == own else 0,
        )
        for stem in moved
    ]


class MixerControls:
    """Whether sound is wanted: before the first launch no, then yes, until somebody panics."""

    def __init__(self, panic_frames: int, fade_in_frames: int) -> None:
        self._panic_frames = panic_frames
        self._fade_in_frames = fade_in_frames
        self.opened = False
        self.panicked = False

    def initial(self, state: PerformanceState) -> list[SetControl]:
        """Every control as ``state`` has it, at once and before anything sounds."""
        found = (control_message(path, value, 0) for path, value in state.values.items())
        gains = [path for path in state.values if _STEM in path and path.endswith(f"/{_GAIN}")]
        stems = (message for path in gains for message in stem_messages(Command(path, state[path]), state, 0))
        return [SetControl("fade", 0.0, None, 0), *(message for message in found if message is not None), *stems]

    def open(self, at_frame: int) -> list[SetControl]:
        """Something sounds for the first time: fade in, unless somebody has panicked meanwhile."""
        if self.opened:
            return []
        self.opened = True
        return [] if self.panicked else [SetControl("fade", 1.0, at_frame, self._fade_in_frames)]

    def panic(self, stamp_ns: int) -> list[SetControl]:
        """Silence within 20 ms; the second time brings the sound back."""
        if self.panicked:
            return self.restore(stamp_ns)
        self.panicked = True
        return [SetControl("fade", 0.0, None, self._panic_frames, stamp_ns)]

    def restore(self, stamp_ns: int) -> list[SetControl]:
        """After a panic: the sound is wanted again."""
        if not self.panicked:
            return []
        self.panicked = False
        return [SetControl("fade", 1.0, None, self._panic_frames, stamp_ns)] if self.opened else []
