"""MidiSettings: the section ``midi`` of a preset: which controllers are heard, and what each control does.

midi:
  enabled: true
  ports: [nanoKONTROL]    # parts of port names; without it, every port
  virtual: true           # a port of our own that other programs can send to
  learned: true           # the lines that `riffengine learn` has written count too
  notes_out: true         # the parameter midi/notes_out
  notes_port: synth       # part of the name of the port that notes are sent to
  map: apc-mini-mk2       # or a list of lines, names of maps, and maps with a port and decks:
  map: [apc-mini-mk2, {cc: 1, set: crossfader}]
  map: [{use: nanokontrol2, port: "nanokontrol2#1"}, {use: nanokontrol2, port: "nanokontrol2#2", decks: [c, d]}]
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import yaml

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.errors import PresetError
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.session.binding_reader import BindingReader
from riffengine.session.controller_map import read_map
from riffengine.session.decks import DECKS
from riffengine.session.named_files import find_map, map_folders
from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import ParameterReader

_KEYS = ("enabled", "ports", "virtual", "learned", "map", "notes_out", "notes_port")


@dataclass(frozen=True)
class MidiSettings(Settings):
    """Which controllers are heard. ``ports`` are parts of port names, ``None`` for every port.

    ``bindings`` are lines of the preset's own and ``maps`` whole maps. ``auto``: a controller without a chosen map gets
    the map of the package that fits its name. ``learned``: what the performer taught counts too. ``notes_out_port`` is
    part of the name of the port that notes are sent to, "" for a port of our own that other programs connect to.
    """

    enabled: bool = True
    ports: tuple[str, ...] | None = None
    virtual: bool = True
    bindings: tuple[Binding, ...] = ()
    maps: tuple[ControllerMap, ...] = ()
    learned: bool = True
    auto: bool = True
    notes_out_port: str = ""


class MidiReader(ParameterReader):
    """Reads the section ``midi`` of a session with ``tree``; pads may pick from ``prompts`` and ``scenes``."""

    def __init__(
        self,
        file: str,
        problems: list[PresetError],
        tree: ParameterTree,
        parameters: dict[str, Value],
        prompts: tuple[str, ...],
        scenes: tuple[str, ...],
    ) -> None:
        super().__init__(file, problems, tree, parameters)
        self._bindings = BindingReader(file, problems, tree, prompts, scenes)

    def read(self, node: yaml.Node, at: str) -> MidiSettings:
        """The settings in the mapping ``node``; a refused value is left at its default."""
        given: dict[str, Any] = {}
        for key, value in self._entries(node, at, _KEYS):
            full = f"{at}.{key}"
            match key:
                case "notes_out":
                    self._parameter(value, full, "midi/notes_out")
                case "notes_port":
                    given["notes_out_port"] = self._text(value, full)
                case "ports":
                    given["ports"] = tuple(self._text(item, name) for item, name in self._items(value, full))
                case "map":
                    given["bindings"], given["maps"] = self._map(value, full)
                    given["auto"] = False
                case _:
                    given[key] = self._switch(value, full)
        return MidiSettings().with_given(**given)

    def _map(self, node: yaml.Node, at: str) -> tuple[tuple[Binding, ...], tuple[ControllerMap, ...]]:
        """The lines and the maps of ``map``."""
        if isinstance(node, yaml.ScalarNode):
            return (), self._named_map(node, at)
        bindings: list[Binding] = []
        maps: list[ControllerMap] = []
        for item, key in self._items(node, at):
            if isinstance(item, yaml.ScalarNode):
                maps += self._named_map(item, key)
            elif isinstance(item, yaml.MappingNode) and any(k.value == "use" for k, _ in item.value):
                maps += self._used_map(item, key)
            elif (binding := self._bindings.binding(item, key)) is not None:
                bindings.append(binding)
        return tuple(bindings), tuple(maps)

    def _used_map(self, node: yaml.Node, at: str) -> tuple[ControllerMap, ...]:
        """A map with the port or the decks that it is for."""
        found: tuple[ControllerMap, ...] = ()
        port = ""
        decks: tuple[str, ...] = DECKS
        for key, value in self._entries(node, at, ["use", "port", "decks"]):
            if key == "use":
                found = self._named_map(value, f"{at}.use")
            elif key == "port":
                port = str(self._scalar(value, f"{at}.port"))
            else:
                decks = tuple(str(self._scalar(n, k)) for n, k in self._items(value, f"{at}.decks"))
                good = bool(decks) and set(decks) <= set(DECKS)
                self._require(good, value, f"{at}.decks", f"name decks of {', '.join(DECKS)}, as in [c, d]")
        return tuple(replace(m.on(decks), match=(port,) if port else m.match) for m in found)

    def _named_map(self, node: yaml.Node, at: str) -> tuple[ControllerMap, ...]:
        name = self._scalar(node, at)
        try:
            return (read_map(find_map(str(name), map_folders(os.environ))),)
        except PresetError as error:
            self._refuse(node, at, f"{error}")
            return ()
