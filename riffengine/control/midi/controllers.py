"""Controllers: the controllers that have been seen, by label, and which setup applies to each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controller import Controller
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.control.midi.port_names import matches_port
from riffengine.control.midi.ports import CLIENT, POLL_SECONDS
from riffengine.performance.parameter_tree import ParameterTree

# Opened only when the preset names them: the first echoes everything, the second is ourselves.
_IGNORED = ("midi through", CLIENT)


@dataclass(frozen=True)
class MidiSetup:
    """What a session says about MIDI. ``ports`` are parts of port names, ``None`` for every port.

    ``bindings`` are the preset's own; ``maps`` those of whole controllers, of which the first that fits a controller is
    used; ``learned`` are the performer's own, which come before both.
    """

    bindings: tuple[Binding, ...] = ()
    maps: tuple[ControllerMap, ...] = ()
    learned: tuple[Binding, ...] = ()
    ports: tuple[str, ...] | None = None
    virtual: bool = True
    poll_seconds: float = POLL_SECONDS


class Controllers:
    """Makes and keeps a ``Controller`` for each label. The event loop's thread, unless a method says otherwise."""

    def __init__(self, setup: MidiSetup, tree: ParameterTree) -> None:
        self._setup, self._tree = setup, tree
        self._maps = tuple(found.within(tree) for found in setup.maps)
        self._all_learned = setup.learned
        self._learned = tuple(b for b in setup.learned if b.path in tree)
        self._by_label: dict[str, Controller] = {}

    def __iter__(self) -> Iterator[Controller]:
        return iter(self._by_label.values())

    def __contains__(self, label: str) -> bool:
        return label in self._by_label

    @property
    def connected(self) -> tuple[str, ...]:
        """The labels of the controllers that are connected; our own virtual port is none."""
        return tuple(label for label in self._by_label if label != CLIENT)

    def get(self, label: str) -> Controller:
        """The controller called ``label``, made if it is new."""
        if label not in self._by_label:
            self._by_label[label] = self._make(label)
        return self._by_label[label]

    def remove(self, label: str) -> None:
        """The controller called ``label`` was disconnected."""
        self._by_label.pop(label, None)

    def set_learned(self, learned: Sequence[Binding]) -> None:
        """Use ``learned`` from now on: every controller is made again."""
        self._all_learned = tuple(learned)
        self._learned = tuple(b for b in learned if b.path in self._tree)
        for label in list(self._by_label):
            self._by_label[label] = self._make(label)

    def parameters_changed(self) -> bool:
        """Use the learned bindings whose parameters are in the tree now; whether that makes a difference."""
        before = self._learned
        if tuple(b for b in self._all_learned if b.path in self._tree) == before:
            return False
        self.set_learned(self._all_learned)
        return True

    def wants_input(self, label: str) -> bool:
        """Whether the controller called ``label`` is to be opened. Any thread."""
        if self._setup.ports is not None:
            return any(matches_port(part, label) for part in self._setup.ports)
        return not any(ignored in label for ignored in _IGNORED)

    def has_output(self, label: str) -> bool:
        """Whether there is anything to send to a controller called ``label``. Any thread."""
        return self._make(label).has_output

    def _make(self, label: str) -> Controller:
        return Controller.of(label, self._tree, self._learned, self._setup.bindings, self._maps)
