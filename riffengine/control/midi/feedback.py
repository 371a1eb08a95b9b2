"""ControllerFeedback: what the LEDs, rings and motor faders of one controller show, sent at a rate it can take.

Pure: state in, bytes out, time passed in. It remembers what it sent and sends only what differs, so no backlog builds
up: a value that changes a thousand times between two updates is sent once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.event import MidiEvent
from riffengine.control.midi.led import PLAIN, FeedbackState, LedPalette, LedState, led_state
from riffengine.performance.parameter_tree import ParameterTree

MESSAGES_PER_UPDATE = 24  # at 25 updates a second 600 messages: three fifths of what a DIN cable carries
TOUCH_NS = 250_000_000  # a fader that moved so recently is being held: its motor is not driven
_NEVER_NS = -(10**18)
_BLINK_STEP_NS = 20_000_000


@dataclass
class _Indicator:
    """One LED, or one ring or motor fader, which shows a position."""

    binding: Binding
    at: int  # which of the binding's notes, from 0
    palette: LedPalette | None  # None: it shows a position
    sent: tuple[bytes, ...] = ()  # () when it is not known what it shows
    touched_ns: int = _NEVER_NS

    @property
    def number(self) -> int:
        return self.binding.number + self.at


class ControllerFeedback:
    """The feedback of one controller with ``bindings``; ``palettes`` are those of its map by name."""

    def __init__(self, bindings: Sequence[Binding], palettes: Mapping[str, LedPalette], tree: ParameterTree) -> None:
        self._tree = tree
        self._indicators: list[_Indicator] = []
        for binding in bindings:
            if binding.light:
                palette = palettes.get(binding.light, PLAIN)
                self._indicators += [_Indicator(binding, at, palette) for at in range(binding.span)]
            if binding.echo:
                self._indicators.append(_Indicator(binding, 0, None))
        self._order: deque[_Indicator] = deque(self._indicators)  # the next to be updated first
        self._blinks = any(one.palette is not None and one.palette.blinks for one in self._indicators)
        self._up_to_date: object = None  # the state for which nothing was left to send

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self._indicators

    def refresh(self) -> None:
        """Send everything again: what the controller shows is not known."""
        self._up_to_date = None
        for indicator in self._indicators:
            indicator.sent = ()

    def on_event(self, event: MidiEvent, now_ns: int) -> None:
        """The control that sent ``event`` was touched; some controllers then change their own LEDs."""
        self._up_to_date = None
        for indicator in self._indicators:
            binding, is_position = indicator.binding, indicator.palette is None
            if binding.matches(event) and (is_position or event.number == indicator.number):
                indicator.sent = ()
                if is_position and binding.mode == "absolute":
                    indicator.touched_ns = now_ns
                    indicator.sent = _position_bytes(binding, event.data)  # it stands there already

    def update(self, shown: FeedbackState, now_ns: int, most: int = MESSAGES_PER_UPDATE) -> list[bytes]:
        """The messages to send now, at most ``most`` (an LED that takes two messages gets both)."""
        now = shown.state.revision, shown.progress, now_ns // _BLINK_STEP_NS if self._blinks else 0
        if now == self._up_to_date:
            return []
        messages: list[bytes] = []
        unfinished = False
        for _ in range(len(self._order)):
            if len(messages) >= most:
                unfinished = True
                break
            indicator = self._order[0]
            self._order.rotate(-1)  # those that had to wait come first at the next update
            if indicator.palette is None and now_ns - indicator.touched_ns < TOUCH_NS:
                unfinished = True
                continue
            wanted = self._messages(indicator, shown, now_ns)
            if wanted != indicator.sent:
                indicator.sent = wanted
                messages += wanted
        self._up_to_date = None if unfinished else now
        return messages

    def off_messages(self) -> list[bytes]:
        """The messages that switch every LED off."""
        return [
            message
            for indicator in self._indicators
            if indicator.palette is not None
            for message in indicator.palette.messages(LedState.OFF, indicator.binding, indicator.number, 0)
        ]

    def _messages(self, indicator: _Indicator, shown: FeedbackState, now_ns: int) -> tuple[bytes, ...]:
        binding = indicator.binding
        if indicator.palette is not None:
            state = led_state(binding, indicator.at, self._tree, shown)
            return indicator.palette.messages(state, binding, indicator.number, now_ns)
        position = binding.position_of(self._tree[binding.path], shown.state[binding.path])
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
