"""Lamps: what a pad or button has to show, and the bytes that make it show it. Pure.

    lights:
      pad:                                      # a name that bindings refer to with light:
        off: {data: 0}
        playing: {data: 21, channel: 7}
        queued: {data: 13, channel: 7, blink: 0.5}

A state that a palette leaves out looks like the nearest one it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from riffengine.control.midi.binding import Binding
from riffengine.performance.command import Value
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.progress import DeckProgress, PerformanceProgress, Phase
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.state import PerformanceState


class LedState(StrEnum):
    """What a lamp can say."""

    OFF = "off"  # a switch that is off
    ON = "on"
    EMPTY = "empty"  # the pad has nothing to offer
    IDLE = "idle"  # it has, and is not chosen
    QUEUED = "queued"  # chosen; the renderer has not begun
    RENDERING = "rendering"
    READY = "ready"  # rendered; it waits for its beat
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
class Glow:
    """One message to a lamp: ``data`` is the velocity or value, ``channel`` 1..16 that of the control when ``None``.

    ``blink`` is the period in seconds in which the lamp goes on and off by our own hand; 0 leaves it on.
    """

    data: int
    channel: int | None = None
    blink: float = 0.0


@dataclass(frozen=True)
class Palette:
    """How the lamps of one kind show each state: the messages to send, in their order."""

    glows: Mapping[LedState, tuple[Glow, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def messages(self, state: LedState, binding: Binding, number: int, now_ns: int) -> tuple[bytes, ...]:
        """The bytes that make the lamp of ``binding`` at ``number`` show ``state`` at ``now_ns``."""
        glows = self._glows(state)
        if any(g.blink and int(now_ns / 1e9 / (g.blink / 2)) % 2 for g in glows):
            glows = self._glows(LedState.OFF)
        status = 0xB0 if binding.kind == "cc" else 0x90
        return tuple(bytes((status | (g.channel or binding.channel or 1) - 1, number, g.data)) for g in glows)

    @property
    def blinks(self) -> bool:
        """Whether it needs our hand to blink."""
        return any(glow.blink for glows in self.glows.values() for glow in glows)

    def _glows(self, state: LedState) -> tuple[Glow, ...]:
        for candidate in (state, *_NEAREST.get(state, ())):
            if candidate in self.glows:
                return self.glows[candidate]
        return (Glow(0),)


PLAIN = Palette(
    MappingProxyType(
        {
            LedState.OFF: (Glow(0),),
            LedState.ON: (Glow(127),),
            LedState.QUEUED: (Glow(127, blink=0.5),),
            LedState.RENDERING: (Glow(127, blink=0.25),),
            LedState.READY: (Glow(127, blink=1.0),),
            LedState.FAILED: (Glow(127, blink=0.125),),
        }
    )
)
"""For lamps of one colour that do not blink by themselves."""


@dataclass(frozen=True)
class Show:
    """Everything that lamps show."""

    state: PerformanceState
    progress: PerformanceProgress
    lists: PromptLists


def led_state(binding: Binding, at: int, tree: ParameterTree, show: Show) -> LedState:
    """What the lamp of ``binding`` says; ``at`` counts its notes from 0."""
    parameter, words = tree[binding.path], binding.path.split("/")
    value = binding.values[at] if at < len(binding.values) else None
    if binding.path == "panic":
        return LedState.ON if show.progress.panicked else LedState.IDLE
    if words[0] == "deck" and words[2:3] == ["prompts"]:
        return _of_a_list(words[1], words[3], value, show)
    if binding.path == "scene/recall" and value is not None:
        return _of_a_scene(str(value), show)
    if binding.path == "learn" and value is None:
        return LedState.ON if show.state["learn"] else LedState.OFF
    if parameter.kind == "trigger":
        return LedState.IDLE
    if words[0] == "deck" and words[2] in ("prompt", "to") and value is not None:
        return _of_a_prompt(words[1], words[2], str(value), show)
    now = show.state[binding.path]
    if parameter.kind == "bool":
        return LedState.ON if bool(now) is not binding.invert else LedState.OFF
    if value is not None:
        return LedState.ON if now == value else LedState.IDLE
    return LedState.ON if now not in (parameter.low, 0, "", parameter.default) else LedState.OFF


def _of_a_list(deck: str, name: str, value: Value | None, show: Show) -> LedState:
    bank = int(show.state[f"deck/{deck}/prompts/bank"])
    prompts = show.lists.bank(bank)
    if name == "bank" and value is not None:
        chosen = LedState.ON if value == bank else LedState.IDLE
        return chosen if show.lists.bank(int(value)) else LedState.EMPTY
    if name != "pick" or value is None:
        return LedState.IDLE if prompts else LedState.EMPTY
    if not 1 <= int(value) <= len(prompts):
        return LedState.EMPTY
    return _of_a_prompt(deck, "prompt", prompts[int(value) - 1], show)


def _of_a_prompt(deck: str, end: str, prompt: str, show: Show) -> LedState:
    seen = show.progress.decks.get(deck, DeckProgress())
    if show.state[f"deck/{deck}/{end}"] == prompt:
        return LedState(seen.phase.value)
    return LedState.PLAYING if seen.sounding.get(end) == prompt else LedState.IDLE


def _of_a_scene(name: str, show: Show) -> LedState:
    scenes = show.progress.scenes
    if name not in scenes and name.isdecimal() and 1 <= int(name) <= len(scenes):
        name = scenes[int(name) - 1]
    if name not in scenes:
        return LedState.EMPTY
    if name != show.progress.scene:
        return LedState.IDLE
    phases = [deck.phase for deck in show.progress.decks.values()]
    late = (Phase.FAILED, Phase.QUEUED, Phase.RENDERING, Phase.READY)
    return next((LedState(phase.value) for phase in late if phase in phases), LedState.PLAYING)
