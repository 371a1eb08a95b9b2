"""LEDs: which state a pad or button shows, and the bytes that make its LED show it. Pure.

    lights:
      pad:                                      # a name that bindings refer to with light:
        off: {data: 0}
        playing: {data: 21, channel: 7}
        queued: {data: 13, channel: 7, blink: 0.5}

For a state that a palette leaves out, the nearest state that it has is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from riffengine.control.midi.binding import Binding
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.progress import DeckProgress, PerformanceProgress, Phase
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import parse_path


class LedState(StrEnum):
    """The states that an LED can show."""

    OFF = "off"  # a switch that is off
    ON = "on"
    EMPTY = "empty"  # the pad has no content: no prompt or scene
    IDLE = "idle"  # it has content that is not chosen
    QUEUED = "queued"  # chosen; the renderer has not started
    RENDERING = "rendering"
    READY = "ready"  # rendered; waits for its beat
    PLAYING = "playing"
    FAILED = "failed"


_NEAREST: Mapping[LedState, tuple[LedState, ...]] = {
    LedState.ON: (LedState.PLAYING,),
    LedState.EMPTY: (LedState.OFF,),
    LedState.IDLE: (LedState.OFF,),
    LedState.QUEUED: (LedState.RENDERING, LedState.READY, LedState.ON, LedState.PLAYING),
    LedState.RENDERING: (LedState.QUEUED, LedState.READY, LedState.ON, LedState.PLAYING),
    LedState.READY: (LedState.QUEUED, LedState.RENDERING, LedState.ON, LedState.PLAYING),
    LedState.PLAYING: (LedState.ON,),
    LedState.FAILED: (LedState.OFF,),
}


@dataclass(frozen=True)
class LedMessage:
    """One message to an LED: ``data`` is the velocity or value, ``channel`` 1..16 that of the control when ``None``.

    ``blink`` is the period in seconds in which we switch the LED on and off; 0 leaves it on.
    """

    data: int
    channel: int | None = None
    blink: float = 0.0


@dataclass(frozen=True)
class LedPalette:
    """The messages that make an LED of one kind show each state, in the order in which they are sent."""

    states: Mapping[LedState, tuple[LedMessage, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def messages(self, state: LedState, binding: Binding, number: int, now_ns: int) -> tuple[bytes, ...]:
        """The bytes that make the LED of ``binding`` at ``number`` show ``state`` at ``now_ns``."""
        messages = self._messages_of(state)
        if any(m.blink and int(now_ns / 1e9 / (m.blink / 2)) % 2 for m in messages):
            messages = self._messages_of(LedState.OFF)
        status = 0xB0 if binding.kind == "cc" else 0x90
        return tuple(bytes((status | (m.channel or binding.channel or 1) - 1, number, m.data)) for m in messages)

    @property
    def blinks(self) -> bool:
        """Whether we have to make it blink."""
        return any(message.blink for messages in self.states.values() for message in messages)

    def _messages_of(self, state: LedState) -> tuple[LedMessage, ...]:
        for candidate in (state, *_NEAREST.get(state, ())):
            if candidate in self.states:
                return self.states[candidate]
        return (LedMessage(0),)


PLAIN = LedPalette(
    MappingProxyType(
        {
            LedState.OFF: (LedMessage(0),),
            LedState.ON: (LedMessage(127),),
            LedState.QUEUED: (LedMessage(127, blink=0.5),),
            LedState.RENDERING: (LedMessage(127, blink=0.25),),
            LedState.READY: (LedMessage(127, blink=1.0),),
            LedState.FAILED: (LedMessage(127, blink=0.125),),
        }
    )
)
"""For LEDs of one colour that do not blink by themselves."""


@dataclass(frozen=True)
class FeedbackState:
    """Everything that LEDs and motor faders show."""

    state: PerformanceState
    progress: PerformanceProgress
    lists: PromptLists


def led_state(binding: Binding, at: int, tree: ParameterTree, shown: FeedbackState) -> LedState:
    """What the LED of ``binding`` shows; ``at`` counts its notes from 0."""
    parameter, path, handler = tree[binding.path], parse_path(binding.path), handler_of(binding.path)
    value = binding.values[at] if at < len(binding.values) else None
    if handler is Handler.PANIC:
        return LedState.ON if shown.progress.panicked else LedState.IDLE
    if handler is Handler.PROMPT_LIST:
        return _prompt_list_state(path.deck, path.control, value, shown)
    if handler is Handler.RECALL_SCENE and value is not None:
        return _scene_state(str(value), shown)
    if handler is Handler.LEARN and value is None:
        return LedState.ON if shown.state["learn"] else LedState.OFF
    if parameter.kind == "trigger":
        return LedState.IDLE
    if path.is_prompt and value is not None:
        return _prompt_state(path.deck, path.control, str(value), shown)
    now = shown.state[binding.path]
    if parameter.kind == "bool":
        return LedState.ON if bool(now) is not binding.invert else LedState.OFF
    if value is not None:
        return LedState.ON if now == value else LedState.IDLE
    return LedState.ON if now not in (parameter.low, 0, "", parameter.default) else LedState.OFF


def _prompt_list_state(deck: str, name: str, value: Value | None, shown: FeedbackState) -> LedState:
    bank = int(shown.state[f"deck/{deck}/prompts/bank"])
    prompts = shown.lists.bank(bank)
    if name == "bank" and value is not None:
        chosen = LedState.ON if value == bank else LedState.IDLE
        return chosen if shown.lists.bank(int(value)) else LedState.EMPTY
    if name != "pick" or value is None:
        return LedState.IDLE if prompts else LedState.EMPTY
    if not 1 <= int(value) <= len(prompts):
        return LedState.EMPTY
    return _prompt_state(deck, "prompt", prompts[int(value) - 1], shown)


def _prompt_state(deck: str, end: str, prompt: str, shown: FeedbackState) -> LedState:
    seen = shown.progress.decks.get(deck, DeckProgress())
    if shown.state[f"deck/{deck}/{end}"] == prompt:
        return LedState(seen.phase.value)
    return LedState.PLAYING if seen.sounding.get(end) == prompt else LedState.IDLE


def _scene_state(name: str, shown: FeedbackState) -> LedState:
    scenes = shown.progress.scenes
    if name not in scenes and name.isdecimal() and 1 <= int(name) <= len(scenes):
        name = scenes[int(name) - 1]
    if name not in scenes:
        return LedState.EMPTY
    if name != shown.progress.scene:
        return LedState.IDLE
    phases = [deck.phase for deck in shown.progress.decks.values()]
    order = (Phase.FAILED, Phase.QUEUED, Phase.RENDERING, Phase.READY)
    return next((LedState(phase.value) for phase in order if phase in phases), LedState.PLAYING)
