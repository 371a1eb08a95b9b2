"""MIDI learn: finds out which control was moved and what kind of control it is, and makes a binding of it.

``Learner`` is pure: events in, a binding out. The values tell the kind: a knob with a travel never sends a value twice
in a row, an endless one sends little else. The performer is asked to turn to the right first, which distinguishes two
encodings that look alike. ``MidiLearn`` is the request of one parameter for a control.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from riffengine.control.midi.binding import NUMBERLESS, Binding, BindingKind, Mode, binding_kind
from riffengine.control.midi.event import MidiEvent
from riffengine.control.midi.takeover import Takeover
from riffengine.errors import ControlError, ParameterError
from riffengine.performance.parameter_tree import Parameter, ParameterTree

LEARN_SECONDS = 60.0  # after which a request ends
REST_NS = 800_000_000  # a control that has not moved for so long will not move further
_MAX_CLICKS = 24  # of an endless knob in one message: more than this is a control with a travel
_NEAR_END = 12  # a control that comes this near to an end has reached it


@dataclass
class _Control:
    """One control and what it sent."""

    kind: BindingKind
    channel: int
    number: int
    data: list[int] = field(default_factory=list)
    last_ns: int = 0


class Learner:
    """Waits for one control to be moved, for ``parameter``; ``values`` are those to choose from, where it is text."""

    def __init__(self, parameter: Parameter, values: Sequence[str] = (), port: str = "") -> None:
        self._parameter = parameter
        self._values = tuple(values)
        self._port = port
        self._controls: dict[tuple[str, str, int, int], _Control] = {}
        self._ports: dict[tuple[str, str, int, int], str] = {}

    def on_events(self, port: str, events: Sequence[MidiEvent], now_ns: int) -> None:
        """A message of the controller ``port``: its event, and the 14-bit events that it completes."""
        for event in events:
            kind = binding_kind(event.kind)
            if event.kind == "note_off" and (port, kind, event.channel, event.number) not in self._controls:
                continue  # a key that was pressed before
            key = port, kind, event.channel, event.number
            control = self._controls.setdefault(key, _Control(kind, event.channel, event.number))
            self._ports[key] = port
            control.data.append(0 if event.kind == "note_off" else event.data)
            control.last_ns = now_ns

    def done(self, now_ns: int) -> Binding | None:
        """The binding, once the control that was moved is at rest; ``None`` before."""
        if not self._controls or now_ns - max(c.last_ns for c in self._controls.values()) < REST_NS:
            return None
        key, control = max(self._controls.items(), key=lambda item: self._weight(item[0], item[1]))
        return self._binding(control, self._ports[key])

    def _weight(self, key: tuple[str, str, int, int], control: _Control) -> tuple[int, int]:
        """How likely the control is the one that was moved. A pair of halves that was sent goes before each half."""
        port, kind, channel, number = key
        if kind == "cc14":
            halves = [self._controls.get((port, "cc", channel, n)) for n in (number, number + 32)]
            paired = all(half is not None and len(half.data) > 1 for half in halves)
            return (2 if paired and not self._entered(port, channel) else 0), len(control.data)
        if kind == "nrpn":
            return 3, len(control.data)
        return (0 if kind in ("polytouch", "aftertouch") else 1), len(control.data)  # a pad goes before its pressure

    def _entered(self, port: str, channel: int) -> bool:
        return any(kind == "nrpn" and (p, c) == (port, channel) for p, kind, c, _ in self._controls)

    def _binding(self, control: _Control, port: str) -> Binding:
        data, wide = control.data, control.kind in ("cc14", "nrpn", "pitchbend")
        number = 0 if control.kind in NUMBERLESS else control.number
        mode: Mode = "absolute"
        travel: tuple[int, int] | None = None
        takeover: Takeover = "none"
        button = control.kind in ("note", "program") or (control.kind == "cc" and _is_button(data))
        if button:
            mode = self._button_mode(control)
        elif control.kind == "cc" and (encoding := _encoding(data)) is not None:
            mode = encoding
        elif self._parameter.kind in ("float", "int"):
            travel, takeover = _travel(data, 16383 if wide else 127), "pickup"
        return Binding(
            self._parameter.path,
            control.kind,
            number,
            channel=control.channel,
            mode=mode,
            values=self._choices(button),
            travel=travel,
            takeover=takeover,
            port=self._port or port,
        )

    def _button_mode(self, control: _Control) -> Mode:
        if self._parameter.kind == "choice":
            return "toggle"
        if self._parameter.kind == "trigger" or self._values:
            return "absolute"
        if self._parameter.kind != "bool":
            return "trigger"
        # A button that has come back to 0 is a key; one that stays up keeps its state itself.
        latching = control.kind in ("cc", "note") and control.data[-1] >= 64
        return "absolute" if latching else "toggle"

    def _choices(self, button: bool) -> tuple[str, ...]:
        if self._parameter.kind == "choice" and button:
            return self._parameter.choices  # one after the other
        return self._values if self._parameter.kind == "str" else ()


@dataclass
class _Request:
    learner: Learner
    path: str
    until_ns: int
    on_learned: Callable[[Binding | None], None] = field(repr=False)


class MidiLearn:
    """At most one parameter that waits for the next control to be moved. The event loop's thread.

    ``connected`` returns the labels of the controllers that are connected; ``say`` shows a message to the performer.
    """

    def __init__(self, tree: ParameterTree, connected: Callable[[], Sequence[str]], say: Callable[[str], None]) -> None:
        self._tree, self._connected, self._say = tree, connected, say
        self._request: _Request | None = None

    @property
    def active(self) -> bool:
        """Whether a parameter waits: then what is moved is learned and sets nothing."""
        return self._request is not None

    def begin(
        self, path: str, values: Sequence[str], on_learned: Callable[[Binding | None], None], now_ns: int
    ) -> None:
        """Bind the next control that is moved to ``path``; "" as ``path`` only ends the present request.

        ``on_learned`` gets the binding, or ``None`` when no control was moved in time.
        """
        previous, self._request = self._request, None
        if previous is not None and previous.path != path:
            previous.on_learned(None)
        if path:
            until_ns = now_ns + round(LEARN_SECONDS * 1e9)
            self._request = _Request(Learner(self._tree[path], values), path, until_ns, on_learned)

    def on_events(self, label: str, events: Sequence[MidiEvent], now_ns: int) -> None:
        """The controller ``label`` sent ``events``."""
        if self._request is not None:
            self._request.learner.on_events(label, events, now_ns)

    def tick(self, now_ns: int) -> None:
        """End the request when its control is at rest, or when its time is over."""
        request = self._request
        if request is None:
            return
        binding = request.learner.done(now_ns)
        if binding is not None:
            binding = self._with_exact_port(binding)
            try:
                binding.validate(self._tree)
            except (ControlError, ParameterError) as error:
                self._say(f"not learned: {error}")
                binding = None
        elif now_ns < request.until_ns:
            return
        self._request = None
        request.on_learned(binding)

    def _with_exact_port(self, binding: Binding) -> Binding:
        """``binding`` for one controller alone, where several of its name are connected."""
        others = any(label.startswith(f"{binding.port} #") for label in self._connected())
        return replace(binding, port=f"{binding.port}#1") if others else binding


def _is_button(data: Sequence[int]) -> bool:
    """Whether a controller sent only two values, as a button does."""
    up = {value for value in data if value}
    return len(up) == 1 and up <= {1, 127} and (0 in data or up == {127}) and not _count_repeats(data)


def _count_repeats(data: Sequence[int]) -> int:
    return sum(a == b for a, b in pairwise(data))


def _encoding(data: Sequence[int]) -> Mode | None:
    """The encoding of an endless knob that was turned to the right first; ``None`` for a control with a travel."""
    if 0 in data or len(data) < 4:
        return None
    leaps = any(abs(a - b) > 64 for a, b in pairwise(data))  # no control with a travel goes from 1 to 127 at once
    if not leaps and _count_repeats(data) * 4 < len(data) and len(set(data)) * 3 > len(data):
        return None
    low = [v for v in data if 1 <= v <= _MAX_CLICKS]
    below = [v for v in data if 64 - _MAX_CLICKS <= v < 64]
    above = [v for v in data if 64 < v <= 64 + _MAX_CLICKS]
    high = [v for v in data if v >= 128 - _MAX_CLICKS]
    if len(low) + len(below) + len(above) + len(high) + list(data).count(64) < len(data):
        return None
    if below:
        return "relative-binary-offset"
    if high or (low and not above):
        return "relative-twos-complement"
    if not low:
        return "relative-binary-offset"  # it was only turned to the right
    return "relative-signed-bit" if data[0] <= _MAX_CLICKS else "relative-signed-bit-2"


def _travel(data: Sequence[int], top: int) -> tuple[int, int] | None:
    """The ends that a worn control reaches, where they are near 0 and ``top`` but not there; ``None`` otherwise."""
    first, last = min(data), max(data)
    near = _NEAR_END * (top + 1) // 128
    if (first, last) == (0, top) or first > near or last < top - near:
        return None
    return first, last
