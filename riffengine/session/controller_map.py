"""Maps of MIDI controllers, read from YAML as strictly as a preset; nothing in a map is ever executed.

name: LPD8 mk2
match: [lpd8 mk2]                # parts of the names of its ports
takeover: pickup                 # of every line that moves a number by a fader or knob, unless the line has its own
lights: {pad: {on: {data: 127}, off: {data: 0}}}
hello: ["F0 00 20 29 02 0C 0E 01 F7"]
map:
  - {cc: 70, set: deck/a/alpha, label: Knob 1}
  - {note: 36, set: deck/a/prompts/pick, values: 1..8, light: pad, label: Pads}
  - {chord: 48..72, channel: 2, set: chords}
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import yaml

from riffengine.control.midi.controller_map import ANY, ControllerMap
from riffengine.control.midi.led import LedMessage, LedPalette, LedState
from riffengine.control.midi.port_names import base_name
from riffengine.control.midi.takeover import Takeover
from riffengine.errors import PresetError
from riffengine.session.binding_reader import BindingReader, full_tree
from riffengine.session.named_files import MAPS, map_names
from riffengine.session.yaml_reader import YamlReader, read_yaml

_SMALLEST = "map: [{cc: 1, set: deck/a/alpha}]"
_KEYS = ("name", "match", "tried", "notes", "layout", "takeover", "hello", "goodbye", "lights", "map")
_TAKEOVERS: tuple[str, ...] = get_args(Takeover)


def read_map(path: Path) -> ControllerMap:
    """The controller's map in ``path``; ``PresetError`` with every problem found in it."""
    return MapReader(path).read()


def known_maps() -> tuple[ControllerMap, ...]:
    """The maps that come with the package and recognise their controller by its name."""
    found = []
    for name in map_names():
        try:
            known = read_map(MAPS / f"{name}.yaml")
        except PresetError:  # reported by `riffengine play --map`; other controllers must play with a damaged map here
            continue
        if ANY not in known.match:
            found.append(known)
    return tuple(found)


def named_map(port: str) -> str:
    """The map that comes with the package and fits the controller behind ``port``; "" where none does."""
    label = base_name(port)
    return next((found.name for found in known_maps() if found.fits(label)), "")


class MapReader(YamlReader):
    """Reads the map of one controller from the file ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def read(self) -> ControllerMap:
        """The map; ``PresetError`` with every problem found in it."""
        given: dict[str, Any] = {"name": self._path.stem}
        takeover: Takeover = "none"
        lines: list[tuple[yaml.Node, str]] = []
        for key, node in self._entries(read_yaml(self._path, _SMALLEST), "", _KEYS):
            match key:
                case "name":
                    given["title"] = str(self._scalar(node, key))
                case "layout":
                    given[key] = self._drawing(node, key)
                case "tried" | "notes":
                    given[key] = str(self._scalar(node, key)).strip()
                case "match":
                    given[key] = tuple(str(self._scalar(n, k)).lower() for n, k in self._items(node, key))
                case "takeover":
                    takeover = self._choice(node, key, _TAKEOVERS) or "none"
                case "hello" | "goodbye":
                    given[key] = tuple(self._bytes(n, k) for n, k in self._items(node, key))
                case "lights":
                    given[key] = self._lights(node, key)
                case _:
                    lines = self._items(node, key)
        reader = BindingReader(self._file, self._problems, full_tree(), takeover=takeover)
        found = [reader.binding(node, at) for node, at in lines]
        bindings = tuple(binding for binding in found if binding is not None)
        for binding, (node, at) in zip(found, lines, strict=True):
            if binding is not None and binding.light not in ("", "plain", *given.get("lights", ())):
                self._refuse(node, at, f"no light is called {binding.light!r}; name it under lights:, or take plain")
        self._raise_problems()
        return ControllerMap(**given, bindings=bindings)

    def _bytes(self, node: yaml.Node, at: str) -> bytes:
        try:
            message = bytes.fromhex(str(self._scalar(node, at)))
        except ValueError:
            message = b""
        sysex = len(message) > 2 and message[0] == 0xF0 and message[-1] == 0xF7 and max(message[1:-1]) < 128
        self._require(sysex, node, at, 'give a SysEx in hexadecimal from F0 to F7, in "quotes"')
        return message

    def _drawing(self, node: yaml.Node, key: str) -> str:
        """A text whose line breaks count."""
        value = self._scalar(node, key)
        return node.value.strip() if isinstance(value, str) and isinstance(node, yaml.ScalarNode) else str(value)

    def _lights(self, node: yaml.Node, at: str) -> MappingProxyType[str, LedPalette]:
        palettes = {}
        names = [str(k.value) for k, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        for name, states in self._entries(node, at, names):
            messages = {}
            for state, shown in self._entries(states, f"{at}.{name}", [str(s) for s in LedState]):
                full = f"{at}.{name}.{state}"
                several = isinstance(shown, yaml.SequenceNode)
                nodes = self._items(shown, full) if several else [(shown, full)]
                messages[LedState(state)] = tuple(self._led_message(n, k) for n, k in nodes)
            palettes[name] = LedPalette(MappingProxyType(messages))
        return MappingProxyType(palettes)

    def _led_message(self, node: yaml.Node, at: str) -> LedMessage:
        given: dict[str, Any] = {"data": 0}
        limits = {"data": (0, 127), "channel": (1, 16), "blink": (0.05, 10.0)}
        for key, value in self._entries(node, at, list(limits)):
            plain, (low, high) = self._scalar(value, f"{at}.{key}"), limits[key]
            whole = type(plain) is int or (key == "blink" and type(plain) is float)
            good = whole and low <= plain <= high
            self._require(good, value, f"{at}.{key}", f"{plain!r} is refused; allowed is {low} to {high}")
            given[key] = plain if good else low
        return LedMessage(**given)
