"""Controller: one controller that is connected, what its controls do, and what its lights have to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from riffengine.control.midi.binding import Binding, binding_kind
from riffengine.control.midi.chord import ChordHold
from riffengine.control.midi.controller_map import ControllerMap, shadows
from riffengine.control.midi.event import MidiEvent, WideValues
from riffengine.control.midi.feedback import ControllerFeedback
from riffengine.control.midi.led import Show
from riffengine.control.midi.port_names import means
from riffengine.control.midi.takeover import Hold
from riffengine.performance.command import Value
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.state import PerformanceState

_Key = tuple[str, int]


@dataclass
class Controller:
    """Made by ``of``; belongs to the event loop. ``map_name`` is "" where no map fits."""

    label: str
    map_name: str
    bindings: tuple[Binding, ...]
    desk: ControllerFeedback
    hello: tuple[bytes, ...] = ()
    goodbye: tuple[bytes, ...] = ()
    _index: dict[_Key, list[Binding]] = field(default_factory=dict)
    _holds: dict[int, Hold] = field(default_factory=dict)  # by the binding's identity
    _chords: dict[int, ChordHold] = field(default_factory=dict)
    _wide: WideValues = field(default_factory=WideValues)
    _gliding: frozenset[_Key] = frozenset()

    @classmethod
    def of(
        cls,
        label: str,
        tree: ParameterTree,
        learned: Sequence[Binding],
        own: Sequence[Binding],
        maps: Sequence[ControllerMap],
    ) -> Controller:
        """The controller called ``label``: the performer's ``learned`` lines, then the preset's, then its map's.

        A learned line takes a control away from the others.
        """
        found = next((m for m in maps if m.fits(label)), ControllerMap(""))
        mine = [b for b in learned if not b.port or means(b.port, label)]
        others = [b for b in (*own, *found.bindings) if not b.port or means(b.port, label)]
        others = [b for b in others if not any(shadows(newer, b) for newer in mine)]
        bindings = (*mine, *others)
        controller = cls(
            label, found.name, bindings, ControllerFeedback(bindings, found.lights, tree), found.hello, found.goodbye
        )
        wide: set[int] = set()
        for binding in bindings:
            for number in range(binding.number, binding.number + binding.span):
                controller._index.setdefault((binding.hears, number), []).append(binding)
            if binding.kind == "chord":
                controller._chords[id(binding)] = ChordHold()
            if binding.takeover != "none":
                controller._holds[id(binding)] = Hold(binding.takeover)
            if binding.kind == "cc14":
                wide |= {binding.number, binding.number + 32}
            if binding.kind == "nrpn":
                wide |= {6, 38, 96, 97, 98, 99}
        controller._gliding = frozenset(
            key
            for key, found_here in controller._index.items()
            # Takeover must see the way: a position left out may be the one that meets the parameter.
            if all(b.glides(tree[b.path]) and b.takeover == "none" for b in found_here)
            and not (key[0] == "cc" and key[1] in wide)
        )
        return controller

    @property
    def speaks(self) -> bool:
        """Whether there is anything to send to it."""
        return bool(self.hello) or not self.desk.empty

    def events(self, event: MidiEvent) -> list[MidiEvent]:
        """``event`` and the wide ones that it completes."""
        return [event, *self._wide.take(event)]

    def bound(self, events: Sequence[MidiEvent]) -> list[tuple[Binding, MidiEvent]]:
        """Every binding that one of ``events`` matches, with that event."""
        return [
            (binding, event)
            for event in events
            for binding in self._index.get((binding_kind(event.kind), event.number), ())
            if binding.matches(event)
        ]

    def value(
        self, binding: Binding, event: MidiEvent, tree: ParameterTree, state: PerformanceState, now_ns: int
    ) -> Value | None:
        """What ``event`` asks of the binding's parameter at ``now_ns``, its takeover considered.

        Keys of a chord ask for nothing yet; see ``chords``.
        """
        if binding.kind == "chord":
            self._chords[id(binding)].hear(event, now_ns)
            return None
        return binding.value(event, tree, state, self._holds.get(id(binding)), now_ns)

    def chords(self, now_ns: int) -> list[tuple[Binding, str]]:
        """The chords that are held now, by the binding that takes them; each once."""
        bound = [(b, self._chords[id(b)].due(now_ns)) for b in self.bindings if b.kind == "chord"]
        return [(binding, chord) for binding, chord in bound if chord is not None]

    def glides(self, message: Sequence[int]) -> bool:
        """Whether ``message`` is a position of a fader that nothing else is bound to: a later one may replace it."""
        if len(message) == 3 and message[0] & 0xF0 == 0xB0:
            return ("cc", message[1]) in self._gliding
        return len(message) == 3 and message[0] & 0xF0 == 0xE0 and ("pitchbend", 0) in self._gliding

    def touched(self, events: Sequence[MidiEvent], now_ns: int) -> None:
        """Its controls sent ``events``."""
        for event in events:
            self.desk.heard(event, now_ns)

    def greeting(self) -> list[bytes]:
        """What it is sent when it comes: how it is set up; all lights follow from the next turn on."""
        self.desk.refresh()
        return list(self.hello)

    def farewell(self) -> list[bytes]:
        """What it is sent when we leave: darkness, and its own ways again."""
        return [*self.desk.darkness(), *self.goodbye] if self.speaks else []

    def turn(self, show: Show, now_ns: int) -> list[bytes]:
        """What its lights have to be told now."""
        return self.desk.turn(show, now_ns)
