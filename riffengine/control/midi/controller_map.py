"""ControllerMap: the bindings and LEDs of one model of controller, frozen; ``session.controller_map`` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.led import LedPalette
from riffengine.control.midi.port_names import matches_port
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.processes.parameter_path import parse_path

ANY = "*"  # in ``match``: every controller


@dataclass(frozen=True)
class ControllerMap:
    """``match`` are parts of port names. ``hello`` and ``goodbye`` are SysEx for the connection and the end of the set.

    ``tried`` says on which hardware the map was tried, "" on none; ``layout`` is a drawing in characters, ``notes`` are
    what a person must set up on the controller.
    """

    name: str
    title: str = ""
    match: tuple[str, ...] = ()
    bindings: tuple[Binding, ...] = ()
    lights: Mapping[str, LedPalette] = field(default_factory=lambda: MappingProxyType({}))
    hello: tuple[bytes, ...] = ()
    goodbye: tuple[bytes, ...] = ()
    tried: str = ""
    notes: str = ""
    layout: str = ""

    def fits(self, label: str) -> bool:
        """Whether the controller labelled ``label`` is of this model."""
        return any(part == ANY or matches_port(part, label) for part in self.match)

    def on(self, decks: tuple[str, ...]) -> ControllerMap:
        """The same map with its deck a as ``decks[0]``, b as ``decks[1]`` and so on; the other decks are left out."""
        names = dict(zip("abcd", decks, strict=False))
        moved = []
        for binding in self.bindings:
            path = parse_path(binding.path)
            if not path.deck:
                moved.append(binding)
            elif path.deck in names:
                moved.append(replace(binding, path=str(path._replace(deck=names[path.deck]))))
        return replace(self, bindings=tuple(moved))

    def within(self, tree: ParameterTree) -> ControllerMap:
        """The map without what this session does not have: other decks, stems of another model, a cue bus."""
        return replace(self, bindings=tuple(b for b in self.bindings if b.path in tree))


def shadows(newer: Binding, older: Binding) -> bool:
    """Whether ``newer`` uses the same control as ``older``, which it then replaces."""
    if None not in (newer.channel, older.channel) and newer.channel != older.channel:
        return False
    if newer.kind == "cc14" and older.kind == "cc":
        return older.number in (newer.number, newer.number + 32)
    if newer.kind != older.kind:
        return False
    return newer.number < older.number + older.span and older.number < newer.number + newer.span
