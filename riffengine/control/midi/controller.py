"""Controller: one connected controller: what its controls do, and what its LEDs show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from riffengine.control.midi.binding import Binding, binding_kind
from riffengine.control.midi.chord import ChordKeys
from riffengine.control.midi.controller_map import ControllerMap, shadows
from riffengine.control.midi.event import MidiEvent, WideValues
from riffengine.control.midi.feedback import ControllerFeedback
from riffengine.control.midi.port_names import matches_port
from riffengine.control.midi.takeover import SoftTakeover
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.state import PerformanceState

_Key = tuple[str, int]  # kind of event and number of the control


@dataclass
class Controller:
    """Made by ``of``; belongs to the event loop. ``map_name`` is "" where no map fits."""

    label: str
    map_name: str
    bindings: tuple[Binding, ...]
    feedback: ControllerFeedback
    hello: tuple[bytes, ...] = ()
    goodbye: tuple[bytes, ...] = ()
    _index: dict[_Key, list[Binding]] = field(default_factory=dict)
    _takeovers: dict[int, SoftTakeover] = field(default_factory=dict)  # by the binding's identity
    _chords: dict[int, ChordKeys] = field(default_factory=dict)  # the same
    _wide: WideValues = field(default_factory=WideValues)
    _replaceable: frozenset[_Key] = frozenset()  # a later position of these may replace an earlier one

    @classmethod
    def of(
        cls,
        label: str,
        tree: ParameterTree,
        learned: Sequence[Binding],
        own: Sequence[Binding],
        maps: Sequence[ControllerMap],
    ) -> Controller:
        """The controller called ``label``: the performer's ``learned`` bindings, then the preset's, then its map's.

        A learned binding replaces the others of its control.
        """
        found = next((m for m in maps if m.fits(label)), ControllerMap(""))
        mine = [b for b in learned if not b.port or matches_port(b.port, label)]
        others = [b for b in (*own, *found.bindings) if not b.port or matches_port(b.port, label)]
        others = [b for b in others if not any(shadows(newer, b) for newer in mine)]
        bindings = (*mine, *others)
        feedback = ControllerFeedback(bindings, found.lights, tree)
        controller = cls(label, found.name, bindings, feedback, found.hello, found.goodbye)
        wide: set[int] = set()
        for binding in bindings:
            for number in range(binding.number, binding.number + binding.span):
                controller._index.setdefault((binding.event_kind, number), []).append(binding)
            if binding.kind == "chord":
                controller._chords[id(binding)] = ChordKeys()
            if binding.takeover != "none":
                controller._takeovers[id(binding)] = SoftTakeover(binding.takeover)
            if binding.kind == "cc14":
                wide |= {binding.number, binding.number + 32}
            if binding.kind == "nrpn":
                wide |= {6, 38, 96, 97, 98, 99}
        controller._replaceable = frozenset(
            key
            for key, bound in controller._index.items()
            # Takeover must see every position: one that is left out may be the one that meets the parameter.
            if all(b.is_continuous(tree[b.path]) and b.takeover == "none" for b in bound)
            and not (key[0] == "cc" and key[1] in wide)
        )
        return controller

    @property
    def has_output(self) -> bool:
        """Whether there is anything to send to it."""
        return bool(self.hello) or not self.feedback.empty

    # --- in ----------------------------------------------------------------------------------------------------------

    def events(self, event: MidiEvent) -> list[MidiEvent]:
        """``event`` and the 14-bit events that it completes."""
        return [event, *self._wide.add(event)]

    def bound(self, events: Sequence[MidiEvent]) -> list[tuple[Binding, MidiEvent]]:
        """Every binding that one of ``events`` matches, with that event."""
        return [
            (binding, event)
            for event in events
            for binding in self._index.get((binding_kind(event.kind), event.number), ())
            if binding.matches(event)
        ]

    def missed(self, event: MidiEvent) -> tuple[str, str]:
        """Path of the first row of programs that ``event``, a program change, is beyond, and a text that says so.

        Both are "" where it has no row, or is no program change.
        """
        if event.kind != "program":
            return "", ""
        rows = [
            b
            for b in self.bindings
            if b.kind == "program" and b.mode == "absolute" and b.values and b.channel in (None, event.channel)
        ]
        known = " and ".join(f"{b.path} has programs {b.number} to {b.number + b.span - 1}" for b in rows)
        return (rows[0].path, f"program {event.number} of {self.label} sets nothing: {known}") if rows else ("", "")

    def value(
        self, binding: Binding, event: MidiEvent, tree: ParameterTree, state: PerformanceState, now_ns: int
    ) -> Value | None:
        """The value to which ``event`` sets the binding's parameter at ``now_ns``; ``None`` when it sets nothing.

        A key of a chord sets nothing yet; see ``chords``.
        """
        if binding.kind == "chord":
            self._chords[id(binding)].on_event(event, now_ns)
            return None
        return binding.value(event, tree, state, self._takeovers.get(id(binding)), now_ns)

    def chords(self, now_ns: int) -> list[tuple[Binding, str]]:
        """The new chords that are held now, each with its binding; each is returned once."""
        bound = [(b, self._chords[id(b)].due(now_ns)) for b in self.bindings if b.kind == "chord"]
        return [(binding, chord) for binding, chord in bound if chord is not None]

    def is_replaceable(self, message: Sequence[int]) -> bool:
        """Whether ``message`` is a position of a fader which a later position may replace."""
        if len(message) == 3 and message[0] & 0xF0 == 0xB0:
            return ("cc", message[1]) in self._replaceable
        return len(message) == 3 and message[0] & 0xF0 == 0xE0 and ("pitchbend", 0) in self._replaceable

    # --- out ---------------------------------------------------------------------------------------------------------

    def on_events(self, events: Sequence[MidiEvent], now_ns: int) -> None:
        """Its controls sent ``events``."""
        for event in events:
            self.feedback.on_event(event, now_ns)

    def hello_messages(self) -> list[bytes]:
        """What it is sent when it connects: its set-up; the next updates send the state of all LEDs."""
        self.feedback.refresh()
        return list(self.hello)

    def goodbye_messages(self) -> list[bytes]:
        """What it is sent at the end: all LEDs off, and its own mode of working again."""
        return [*self.feedback.off_messages(), *self.goodbye] if self.has_output else []
