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

from riffengine.control.binding import Binding
from riffengine.performance.command import Value
from riffengine.performance.outlook import DeckOutlook, Outlook, Phase
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.prompts import PromptLists
from riffengine.performance.state import PerformanceState


class LampState(StrEnum):
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


_NEAREST: Mapping[LampState, tuple[LampState, ...]] = {
    LampState.ON: (LampState.PLAYING,),
    LampState.EMPTY: (LampState.OFF,),
    LampState.IDLE: (LampState.OFF,),
    LampState.QUEUED: (LampState.RENDERING, LampState.READY, LampState.ON, LampState.PLAYING),
    LampState.RENDERING: (LampState.QUEUED, LampState.READY, LampState.ON, LampState.PLAYING),
    LampState.READY: (LampState.QUEUED, LampState.RENDERING, LampState.ON, LampState.PLAYING),
    LampState.PLAYING: (LampState.ON,),
    LampState.FAILED: (LampState.OFF,),
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

    glows: Mapping[LampState, tuple[Glow, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def messages(self, state: LampState, binding: Binding, number: int, now_ns: int) -> tuple[bytes, ...]:
        """The bytes that make the lamp of ``binding`` at ``number`` show ``state`` at ``now_ns``."""
        glows = self._glows(state)
        if any(g.blink and int(now_ns / 1e9 / (g.blink / 2)) % 2 for g in glows):
            glows = self._glows(LampState.OFF)
        status = 0xB0 if binding.kind == "cc" else 0x90
        return tuple(bytes((status | (g.channel or binding.channel or 1) - 1, number, g.data)) for g in glows)

    @property
    def blinks(self) -> bool:
        """Whether it needs our hand to blink."""
        return any(glow.blink for glows in self.glows.values() for glow in glows)

    def _glows(self, state: LampState) -> tuple[Glow, ...]:
        for candidate in (state, *_NEAREST.get(state, ())):
            if candidate in self.glows:
                return self.glows[candidate]
        return (Glow(0),)


PLAIN = Palette(
    MappingProxyType(
        {
            LampState.OFF: (Glow(0),),
            LampState.ON: (Glow(127),),
            LampState.QUEUED: (Glow(127, blink=0.5),),
            LampState.RENDERING: (Glow(127, blink=0.25),),
            LampState.READY: (Glow(127, blink=1.0),),
            LampState.FAILED: (Glow(127, blink=0.125),),
        }
    )
)
"""For lamps of one colour that do not blink by themselves."""


@dataclass(frozen=True)
class Show:
    """Everything that lamps show."""

    state: PerformanceState
    outlook: Outlook
    lists: PromptLists


def lamp_state(binding: Binding, at: int, tree: ParameterTree, show: Show) -> LampState:
    """What the lamp of ``binding`` says; ``at`` counts its notes from 0."""
    parameter, words = tree[binding.path], binding.path.split("/")
    value = binding.values[at] if at < len(binding.values) else None
    if binding.path == "panic":
        return LampState.ON if show.outlook.panicked else LampState.IDLE
    if words[0] == "deck" and words[2:3] == ["prompts"]:
        return _of_a_list(words[1], words[3], value, show)
    if binding.path == "scene/recall" and value is not None:
        return _of_a_scene(str(value), show)
    if binding.path == "learn" and value is None:
        return LampState.ON if show.state["learn"] else LampState.OFF
    if parameter.kind == "trigger":
        return LampState.IDLE
    if words[0] == "deck" and words[2] in ("prompt", "to") and value is not None:
        return _of_a_prompt(words[1], words[2], str(value), show)
    now = show.state[binding.path]
    if parameter.kind == "bool":
        return LampState.ON if bool(now) is not binding.invert else LampState.OFF
    if value is not None:
        return LampState.ON if now == value else LampState.IDLE
    return LampState.ON if now not in (parameter.low, 0, "", parameter.default) else LampState.OFF


def _of_a_list(deck: str, name: str, value: Value | None, show: Show) -> LampState:
    bank = int(show.state[f"deck/{deck}/prompts/bank"])
    prompts = show.lists.bank(bank)
    if name == "bank" and value is not None:
        chosen = LampState.ON if value == bank else LampState.IDLE
        return chosen if show.lists.bank(int(value)) else LampState.EMPTY
    if name != "pick" or value is None:
        return LampState.IDLE if prompts else LampState.EMPTY
    if not 1 <= int(value) <= len(prompts):
        return LampState.EMPTY
    return _of_a_prompt(deck, "prompt", prompts[int(value) - 1], show)


def _of_a_prompt(deck: str, end: str, prompt: str, show: Show) -> LampState:
    seen = show.outlook.decks.get(deck, DeckOutlook())
    if show.state[f"deck/{deck}/{end}"] == prompt:
        return LampState(seen.phase.value)
    return LampState.PLAYING if seen.sounding.get(end) == prompt else LampState.IDLE


def _of_a_scene(name: str, show: Show) -> LampState:
    scenes = show.outlook.scenes
    if name not in scenes and name.isdecimal() and 1 <= int(name) <= len(scenes):
        name = scenes[int(name) - 1]
    if name not in scenes:
        return LampState.EMPTY
    if name != show.outlook.scene:
        return LampState.IDLE
    phases = [deck.phase for deck in show.outlook.decks.values()]
    late = (Phase.FAILED, Phase.QUEUED, Phase.RENDERING, Phase.READY)
    return next((LampState(phase.value) for phase in late if phase in phases), LampState.PLAYING)
