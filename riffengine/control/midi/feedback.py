"""ControllerFeedback: what the lamps, rings and motor faders of one controller should show, sent at a pace it can take.

Pure: state in, bytes out, time passed in. It remembers what it sent and sends only what differs, so nothing heaps up:
a value that changes a thousand times between two turns is sent once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.event import MidiEvent
from riffengine.control.midi.led import PLAIN, LedState, Palette, Show, led_state
from riffengine.performance.parameters import ParameterTree

MESSAGES_A_TURN = 24  # at 25 turns a second 600 messages: three fifths of what a DIN cable carries
TOUCH_NS = 250_000_000  # a control that moved so lately is in somebody's hand: it is not told where to stand
_NEVER_NS = -(10**18)
_BLINK_STEP_NS = 20_000_000


@dataclass
class _Light:
    binding: Binding
    at: int  # which of its notes, from 0
    palette: Palette | None  # None: a position
    sent: tuple[bytes, ...] = ()
    touched_ns: int = _NEVER_NS

    @property
    def number(self) -> int:
        return self.binding.number + self.at


class ControllerFeedback:
    """The lights of one controller with ``bindings``; ``palettes`` are those of its map by name."""

    def __init__(self, bindings: Sequence[Binding], palettes: Mapping[str, Palette], tree: ParameterTree) -> None:
        self._tree = tree
        self._lights: list[_Light] = []
        for binding in bindings:
            if binding.light:
                palette = palettes.get(binding.light, PLAIN)
                self._lights += [_Light(binding, at, palette) for at in range(binding.span)]
            if binding.echo:
                self._lights.append(_Light(binding, 0, None))
        self._turn: deque[_Light] = deque(self._lights)
        self._blinks = any(light.palette is not None and light.palette.blinks for light in self._lights)
        self._shown: object = None  # what was shown when nothing was left to send

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self._lights

    def refresh(self) -> None:
        """Whatever it shows is unknown: everything is sent anew."""
        self._shown = None
        for light in self._lights:
            light.sent = ()

    def heard(self, event: MidiEvent, now_ns: int) -> None:
        """The control that sent ``event`` was touched; some controllers then change their own lamps."""
        self._shown = None
        for light in self._lights:
            if light.binding.matches(event) and (light.palette is None or event.number == light.number):
                light.sent = ()
                if light.palette is None and light.binding.mode == "absolute":
                    light.touched_ns = now_ns
                    light.sent = _position_bytes(light.binding, event.data)  # it stands there already

    def turn(self, show: Show, now_ns: int, most: int = MESSAGES_A_TURN) -> list[bytes]:
        """The messages to send now, at most ``most`` (a lamp that takes two messages gets both)."""
        now = show.state.revision, show.progress, now_ns // _BLINK_STEP_NS if self._blinks else 0
        if now == self._shown:
            return []
        messages: list[bytes] = []
        waiting = False
        for _ in range(len(self._turn)):
            if len(messages) >= most:
                waiting = True
                break
            light = self._turn[0]
            self._turn.rotate(-1)  # whoever had to wait comes first the next time
            if light.palette is None and now_ns - light.touched_ns < TOUCH_NS:
                waiting = True
                continue
            wanted = self._wanted(light, show, now_ns)
            if wanted != light.sent:
                light.sent = wanted
                messages += wanted
        self._shown = None if waiting else now
        return messages

    def darkness(self) -> list[bytes]:
        """The messages that put every lamp out."""
        return [
            message
            for light in self._lights
            if light.palette is not None
            for message in light.palette.messages(LedState.OFF, light.binding, light.number, 0)
        ]

    def _wanted(self, light: _Light, show: Show, now_ns: int) -> tuple[bytes, ...]:
        binding = light.binding
        if light.palette is not None:
            state = led_state(binding, light.at, self._tree, show)
            return light.palette.messages(state, binding, light.number, now_ns)
        position = binding.position_of(self._tree[binding.path], show.state[binding.path])
        first, last = binding.travel or (0, binding.top)
        return _position_bytes(binding, round(first + position * (last - first)))


def _position_bytes(binding: Binding, value: int) -> tuple[bytes, ...]:
    channel = (binding.channel or 1) - 1
    if binding.kind == "pitchbend":
        return (bytes((0xE0 | channel, value & 127, value >> 7)),)
    if binding.kind == "cc14":
        status, number = 0xB0 | channel, binding.number
        return bytes((status, number, value >> 7)), bytes((status, number + 32, value & 127))
    return (bytes((0xB0 | channel, binding.number, min(value, 127))),)
