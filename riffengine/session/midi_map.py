"""Maps of MIDI controllers, read from YAML as strictly as a preset; nothing in a map is ever executed.

name: LPD8 mk2
match: [lpd8 mk2]                # parts of the names of its ports
takeover: pickup                 # of every line that moves a number by a fader or knob, unless it says otherwise
lights: {pad: {on: {data: 127}, off: {data: 0}}}
hello: ["F0 00 20 29 02 0C 0E 01 F7"]
map:
  - {cc: 70, set: deck/a/alpha, label: Knob 1}
  - {note: 36, set: deck/a/prompts/pick, values: 1..8, light: pad, label: Pads}
  - {chord: 48..72, channel: 2, set: chords}
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import yaml

from riffengine.control.midi.binding import NUMBERLESS, Binding, BindingKind, Curve, Mode
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.control.midi.led import LedMessage, LedPalette, LedState
from riffengine.control.midi.takeover import Takeover
from riffengine.errors import ControlError, ParameterError, PresetError
from riffengine.performance.command import Value
from riffengine.performance.parameters import ParameterTree, standard_tree
from riffengine.session.yaml_reader import YamlReader, read_yaml

SHIPPED = Path(__file__).resolve().parents[2] / "presets" / "maps"
KNOWN_DECKS = ("a", "b", "c", "d")
KNOWN_STEMS = ("mix", "drums", "bass", "harmony")
_KEYS = (
    "channel", "set", "low", "high", "curve", "mode", "values", "invert", "takeover", "travel", "step", "port", "light",
    "echo", "label",
)  # fmt: skip
_SMALLEST = "map: [{cc: 1, set: deck/a/alpha}]"
_RANGE = re.compile(r"(\d{1,3})\.\.(\d{1,3})")
_CHOICES: dict[str, tuple[str, ...]] = {
    "curve": get_args(Curve),
    "mode": get_args(Mode),
    "takeover": get_args(Takeover),
}


def everything() -> ParameterTree:
    """The tree of a session that has all a map may name; a session leaves out what it lacks."""
    return standard_tree(KNOWN_DECKS, KNOWN_STEMS, cue=True)


class BindingReader(YamlReader):
    """Reads the lines of a map for sessions with ``tree``; ``prompts`` and ``scenes`` are what pads may pick from.

    ``takeover`` is what lines that move a number have when they do not say.
    """

    def __init__(
        self,
        file: str,
        problems: list[PresetError],
        tree: ParameterTree,
        prompts: tuple[str, ...] = (),
        scenes: tuple[str, ...] = (),
        takeover: Takeover = "none",
    ) -> None:
        super().__init__(file, problems)
        self._tree = tree
        self._prompts = prompts
        self._scenes = scenes
        self._takeover: Takeover = takeover

    def binding(self, node: yaml.Node, at: str) -> Binding | None:
        """One line of a map; ``None`` when it was refused."""
        kinds = get_args(BindingKind)
        before = len(self._problems)
        facts: dict[str, Any] = {}
        for key, value in self._entries(node, at, [*kinds, *_KEYS]):
            if key in kinds:
                self._kind(value, f"{at}.{key}", key, facts)
            else:
                self._fact(value, f"{at}.{key}", key, facts)
        if "kind" not in facts or "path" not in facts:
            missing = "set: the path of a parameter" if "kind" in facts else f"one of {', '.join(kinds)}"
            self._refuse(node, at, f"a line of the map needs {missing}, as in {{cc: 1, set: deck/a/alpha}}")
        if len(self._problems) > before:
            return None
        binding = self._with_texts(Binding(**facts))
        try:
            binding.validate(self._tree)
        except (ControlError, ParameterError) as error:
            self._refuse(node, at, str(error))
            return None
        if "takeover" not in facts and binding.is_continuous(self._tree[binding.path]):
            binding = replace(binding, takeover=self._takeover)
        return binding

    def _kind(self, node: yaml.Node, full: str, key: str, facts: dict[str, Any]) -> None:
        plain = self._plain(node, full)
        if "kind" in facts:
            self._refuse(node, full, f"one control a line; this one has {facts['kind']} already")
        facts["kind"] = key
        if key == "chord":
            keys = _RANGE.fullmatch(str(plain))
            self._want(keys is not None, node, full, "give the first and the last key, as in 48..72")
            facts["number"], facts["to"] = (int(keys[1]), int(keys[2])) if keys else (0, 0)
        elif key in NUMBERLESS:
            self._want(plain is True, node, full, f"{key} takes true; it has no number")
        else:
            facts["number"] = plain
            self._want(type(plain) is int, node, full, f"{plain!r} is no number; allowed is 0 to 127")

    def _fact(self, node: yaml.Node, full: str, key: str, facts: dict[str, Any]) -> None:
        if key == "values":
            facts[key] = self._values(node, full)
            return
        if key == "travel":
            found = [self._plain(n, k) for n, k in self._items(node, full)]
            good = len(found) == 2 and all(type(f) is int for f in found)
            self._want(good, node, full, "give what the control sends at its two ends, as in [3, 124]")
            facts[key] = tuple(found)
            return
        plain = self._plain(node, full)
        facts["path" if key == "set" else key] = None if plain == "any" and key == "channel" else plain
        match key:
            case "set":
                self._want(isinstance(plain, str), node, full, "name a parameter, such as deck/a/alpha")
            case "channel":
                self._want(plain == "any" or type(plain) is int, node, full, "allowed is 1 to 16, or any")
            case "low" | "high" | "step":
                self._want(type(plain) in (int, float), node, full, f"{plain!r} is no number")
            case "invert" | "echo":
                self._want(isinstance(plain, bool), node, full, "allowed is true or false")
            case "port" | "light" | "label":
                facts[key] = str(plain)
            case _:
                allowed = _CHOICES[key]
                self._want(plain in allowed, node, full, f"{plain!r} is refused; allowed is {', '.join(allowed)}")

    def _with_texts(self, binding: Binding) -> Binding:
        """A row of pads for a text, such as scene/recall, counts 1..8 in text too."""
        if binding.path in self._tree and self._tree[binding.path].kind == "str":
            return replace(binding, values=tuple(str(v) if type(v) is int else v for v in binding.values))
        return binding

    def _values(self, node: yaml.Node, at: str) -> tuple[Value, ...]:
        word = node.value if isinstance(node, yaml.ScalarNode) else ""
        if word == "prompts":
            self._want(bool(self._prompts), node, at, "the preset has no prompts: list them at its top level")
            return self._prompts
        if word == "scenes":
            self._want(bool(self._scenes), node, at, "the preset has no scenes: name them at its top level")
            return self._scenes
        if (counted := _RANGE.fullmatch(word)) is not None:
            first, last = int(counted[1]), int(counted[2])
            self._want(first <= last, node, at, f"{word} counts backwards; put the smaller number first")
            return tuple(range(first, last + 1))
        found = [self._plain(n, k) for n, k in self._items(node, at)]
        return tuple(v for v in found if isinstance(v, float | int | str))


class MapLines(YamlReader):
    """Reads a preset's ``midi: map:``: the name of a map, or a list of lines, names, and maps with what they are for.

    map: apc-mini-mk2
    map: [apc-mini-mk2, {cc: 1, set: crossfader}]
    map: [{use: nanokontrol2, port: "nanokontrol2#1"}, {use: nanokontrol2, port: "nanokontrol2#2", decks: [c, d]}]
    """

    def __init__(
        self,
        file: str,
        problems: list[PresetError],
        tree: ParameterTree,
        prompts: tuple[str, ...],
        scenes: tuple[str, ...],
    ) -> None:
        super().__init__(file, problems)
        self._lines = BindingReader(file, problems, tree, prompts, scenes)

    def read(self, node: yaml.Node, at: str) -> tuple[tuple[Binding, ...], tuple[ControllerMap, ...]]:
        """The lines and the maps."""
        if isinstance(node, yaml.ScalarNode):
            return (), self._named(node, at)
        bindings: list[Binding] = []
        maps: list[ControllerMap] = []
        for item, key in self._items(node, at):
            if isinstance(item, yaml.ScalarNode):
                maps += self._named(item, key)
            elif isinstance(item, yaml.MappingNode) and any(k.value == "use" for k, _ in item.value):
                maps += self._used(item, key)
            elif (binding := self._lines.binding(item, key)) is not None:
                bindings.append(binding)
        return tuple(bindings), tuple(maps)

    def _used(self, node: yaml.Node, at: str) -> tuple[ControllerMap, ...]:
        found: tuple[ControllerMap, ...] = ()
        port = ""
        decks: tuple[str, ...] = KNOWN_DECKS
        for key, value in self._entries(node, at, ["use", "port", "decks"]):
            if key == "use":
                found = self._named(value, f"{at}.use")
            elif key == "port":
                port = str(self._plain(value, f"{at}.port"))
            else:
                decks = tuple(str(self._plain(n, k)) for n, k in self._items(value, f"{at}.decks"))
                good = bool(decks) and set(decks) <= set(KNOWN_DECKS)
                self._want(good, value, f"{at}.decks", f"name decks of {', '.join(KNOWN_DECKS)}, as in [c, d]")
        return tuple(replace(m.on(decks), match=(port,) if port else m.match) for m in found)

    def _named(self, node: yaml.Node, at: str) -> tuple[ControllerMap, ...]:
        name = self._plain(node, at)
        try:
            return (read_map(find_map(str(name), map_folders(os.environ))),)
        except PresetError as error:
            self._refuse(node, at, f"{error}")
            return ()


class MapReader(YamlReader):
    """Reads the map of one controller from the file ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def read(self) -> ControllerMap:
        """The map; ``PresetError`` with every problem found in it."""
        facts: dict[str, Any] = {"name": self._path.stem}
        takeover: Takeover = "none"
        lines: list[tuple[yaml.Node, str]] = []
        known = ["name", "match", "tried", "notes", "layout", "takeover", "hello", "goodbye", "lights", "map"]
        for key, node in self._entries(read_yaml(self._path, _SMALLEST), "", known):
            match key:
                case "name":
                    facts["title"] = str(self._plain(node, key))
                case "tried" | "notes" | "layout":
                    facts[key] = str(self._plain(node, key)).strip()
                case "match":
                    facts[key] = tuple(str(self._plain(n, k)).lower() for n, k in self._items(node, key))
                case "takeover":
                    plain = self._plain(node, key)
                    allowed = _CHOICES[key]
                    self._want(plain in allowed, node, key, f"{plain!r} is refused; allowed is {', '.join(allowed)}")
                    takeover = plain
                case "hello" | "goodbye":
                    facts[key] = tuple(self._bytes(n, k) for n, k in self._items(node, key))
                case "lights":
                    facts[key] = self._lights(node, key)
                case _:
                    lines = self._items(node, key)
        reader = BindingReader(self._file, self._problems, everything(), takeover=takeover)
        found = [reader.binding(node, at) for node, at in lines]
        bindings = tuple(binding for binding in found if binding is not None)
        for binding, (node, at) in zip(found, lines, strict=True):
            if binding is not None and binding.light not in ("", "plain", *facts.get("lights", ())):
                self._refuse(node, at, f"no light is called {binding.light!r}; name it under lights:, or take plain")
        self._raise_problems()
        return ControllerMap(**facts, bindings=bindings)

    def _bytes(self, node: yaml.Node, at: str) -> bytes:
        try:
            message = bytes.fromhex(str(self._plain(node, at)))
        except ValueError:
            message = b""
        sysex = len(message) > 2 and message[0] == 0xF0 and message[-1] == 0xF7 and max(message[1:-1]) < 128
        self._want(sysex, node, at, 'give a SysEx in hexadecimal from F0 to F7, in "quotes"')
        return message

    def _lights(self, node: yaml.Node, at: str) -> MappingProxyType[str, LedPalette]:
        palettes = {}
        names = [str(k.value) for k, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        for name, states in self._entries(node, at, names):
            glows = {}
            for state, shown in self._entries(states, f"{at}.{name}", [str(s) for s in LedState]):
                full = f"{at}.{name}.{state}"
                several = isinstance(shown, yaml.SequenceNode)
                nodes = self._items(shown, full) if several else [(shown, full)]
                glows[LedState(state)] = tuple(self._glow(n, k) for n, k in nodes)
            palettes[name] = LedPalette(MappingProxyType(glows))
        return MappingProxyType(palettes)

    def _glow(self, node: yaml.Node, at: str) -> LedMessage:
        facts: dict[str, Any] = {"data": 0}
        limits = {"data": (0, 127), "channel": (1, 16), "blink": (0.05, 10.0)}
        for key, value in self._entries(node, at, list(limits)):
            plain, (low, high) = self._plain(value, f"{at}.{key}"), limits[key]
            whole = type(plain) is int or (key == "blink" and type(plain) is float)
            good = whole and low <= plain <= high
            self._want(good, value, f"{at}.{key}", f"{plain!r} is refused; allowed is {low} to {high}")
            facts[key] = plain if good else low
        return LedMessage(**facts)


def shipped_names(folder: Path = SHIPPED) -> list[str]:
    """The maps that come with the package, by name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def config_folder(environment: Mapping[str, str]) -> Path:
    """Where the user's own files are: ``$XDG_CONFIG_HOME/riffengine``, by default ``~/.config/riffengine``."""
    home = environment.get("XDG_CONFIG_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".config") / "riffengine"


def map_folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where maps are looked for by name: the user's own first."""
    return config_folder(environment) / "maps", SHIPPED


def find_map(name: str, folders: Sequence[Path]) -> Path:
    """The file of the map ``name``: a path, or a name in one of ``folders``; ``PresetError`` names those there are."""
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        return Path(name)
    for folder in folders:
        if (folder / f"{name}.yaml").is_file() and re.fullmatch(r"[\w.-]+", name):
            return folder / f"{name}.yaml"
    there = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise PresetError(name, "", f"no map is called so; there are: {', '.join(there) or 'none'}, or give a file's path")


def read_map(path: Path) -> ControllerMap:
    """The controller's map in ``path``; ``PresetError`` with every problem found in it."""
    return MapReader(path).read()
