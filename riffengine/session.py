"""Session: a YAML preset, read strictly into a frozen description of what is to be played.

Every value passes the parameter tree. What a preset says wrong is refused with file, line, key and what is allowed,
all of it at once, and nothing starts. YAML is read with the safe loader and by node, so that every problem has a line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import yaml

from riffengine.control.binding import Binding, BindingKind, Curve, Mode
from riffengine.errors import ControlError, ParameterError, PresetError
from riffengine.performance.command import Value
from riffengine.performance.parameters import Parameter, ParameterTree, standard_tree, unknown
from riffengine.performance.scenes import Scene
from riffengine.performance.state import PerformanceState
from riffengine.setlist import SetlistReader

SAMPLE_RATES = (44100, 48000)
OUTPUTS = ("auto", "device", "paced")
DECKS = ("a", "b", "c", "d")
MAX_BYTES = 1 << 20  # a preset is written by hand; a megabyte of it is another file

# Top-level keys that stand for a parameter of the whole session.
_SHORT = {
    "tempo": "transport/tempo",
    "quantum": "transport/quantum",
    "key": "key",
    "steps": "steps",
    "draft_steps": "draft_steps",
    "gain": "master/gain",
    "crossfader": "crossfader",
}

# Keys of the section sync that stand for a parameter.
_SYNC = {
    "source": "transport/sync",
    "offset": "transport/offset",
    "ramp": "transport/ramp",
}


@dataclass(frozen=True)
class Session:
    """What a preset says. ``parameters`` holds only what it sets, by path; ``state`` fills in the defaults.

    ``midi_ports`` are parts of port names, ``None`` for every one. ``record`` is the file to keep, or ``None``.
    ``sync_port`` is part of the name of the port that MIDI clock comes from, "" for one of our own that others send to.
    """

    name: str = "untitled"
    description: str = ""
    decks: tuple[str, ...] = ("a",)
    parameters: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    prompts: tuple[str, ...] = ()
    scenes: tuple[Scene, ...] = ()
    model: str = "bundled"
    output: str = "auto"
    device: str = ""
    sample_rate: int = 44100
    block_frames: int = 512
    cue: bool = False  # a second pair of channels for the headphones, where the device has them
    record: Path | None = None
    fade_in_seconds: float = 0.05
    fade_out_seconds: float = 2.0
    osc_enabled: bool = True
    osc_host: str = "127.0.0.1"
    osc_port: int = 9000
    midi_enabled: bool = True
    midi_ports: tuple[str, ...] | None = None
    midi_virtual: bool = True
    midi: tuple[Binding, ...] = ()
    sync_start_stop: bool = False
    sync_port: str = ""

    def tree(self, stems: Sequence[str] = ("mix",)) -> ParameterTree:
        """The parameter tree of this session on a model with ``stems``."""
        return standard_tree(self.decks, stems, self.cue)

    def state(self, tree: ParameterTree) -> PerformanceState:
        """The state at the first beat: the defaults of ``tree`` and what the preset sets, at revision 0."""
        values = {**tree.initial_state().values, **self.parameters}
        return PerformanceState(MappingProxyType(values))


def default_session() -> Session:
    """What plays when no preset is named: endless, since alpha walks."""
    return Session(parameters=MappingProxyType({"deck/a/drift": 0.1}))


def load_session(path: Path | str, stems: Sequence[str] = ("mix",)) -> Session:
    """The session in the preset ``path``; ``PresetError`` with every problem found in it (the rest in ``others``)."""
    path = Path(path)
    return _Reader(str(path), stems).session(_root(path))


def _root(path: Path) -> yaml.Node:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PresetError(str(path), "", f"cannot be read: {error.strerror}; name a YAML preset") from None
    if len(raw) > MAX_BYTES:
        raise PresetError(str(path), "", "is larger than 1 MiB; a preset is a few lines of YAML")
    try:
        node = yaml.compose(raw.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise PresetError(f"{path}:{line}", "", "is not UTF-8 text; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or error.context
        raise PresetError(f"{path}:{line}", "", f"is not YAML: {what}; check indents, colons and quotes") from None
    except yaml.YAMLError as error:
        what = getattr(error, "reason", "it cannot be read")
        raise PresetError(f"{path}:1", "", f"is not YAML: {what}; save it as plain text") from None
    except RecursionError:
        raise PresetError(f"{path}:1", "", "is nested too deeply; a preset has four levels at most") from None
    if node is None:
        raise PresetError(f"{path}:1", "", 'is empty; the smallest preset is: deck: {a: {prompt: "ambient piano"}}')
    return node


class _Reader:
    """Walks one preset's nodes and collects its problems."""

    def __init__(self, file: str, stems: Sequence[str]) -> None:
        self._file = file
        self._stems = stems
        self._tree = standard_tree(DECKS, stems)
        self._problems: list[PresetError] = []
        self._facts: dict[str, Any] = {}
        self._parameters: dict[str, Value] = {}
        self._decks: list[str] = []

    def session(self, root: yaml.Node) -> Session:
        midi: list[tuple[yaml.Node, str]] = []
        scenes: list[tuple[yaml.Node, str]] = []
        sections: dict[str, Callable[[yaml.Node, str], None]] = {
            "deck": self._deck_section,
            "output": self._output_section,
            "osc": self._osc_section,
            "sync": self._sync_section,
            "midi": lambda node, key: midi.append((node, key)),
            "scenes": lambda node, key: scenes.append((node, key)),
        }
        known = ["name", "description", "model", "prompts", *_SHORT, *sections]
        for key, node in self._entries(root, "", known):
            if key in sections:
                sections[key](node, key)
            elif key in _SHORT:
                self._parameter(node, key, _SHORT[key])
            elif key == "prompts":
                prompt = self._tree["deck/a/prompt"]
                self._facts["prompts"] = tuple(self._checked(n, k, prompt) for n, k in self._items(node, key))
            else:
                self._text(node, key, key)
        self._facts["decks"] = tuple(sorted(self._decks)) or ("a",)
        for node, key in scenes:
            reader = SetlistReader(
                standard_tree(self._facts["decks"], self._stems), _SHORT, self._checked, self._refuse
            )
            self._facts["scenes"] = reader.scenes(node, key)
        # Last: pads may pick from prompts, and targets must lie on decks that the preset has.
        tree = standard_tree(self._facts["decks"], self._stems, self._facts.get("cue", False))
        for node, key in midi:
            self._midi_section(node, key, tree)
        if self._problems:
            first, *others = sorted(self._problems, key=lambda p: int(p.where.rsplit(":", 1)[1]))
            raise PresetError(first.where, first.key, first.problem, tuple(others))
        return Session(**self._facts, parameters=MappingProxyType(self._parameters))

    # --- sections ------------------------------------------------------------------------------------------------

    def _deck_section(self, node: yaml.Node, at: str) -> None:
        for deck, inside in self._entries(node, at, DECKS):
            self._decks.append(deck)
            prefix = f"deck/{deck}/"
            names = [p.removeprefix(prefix) for p in self._tree.parameters if p.startswith(prefix)]
            known = [name for name in names if "/" not in name]
            for key, value in self._entries(inside, f"{at}.{deck}", [*known, "stem"]):
                if key != "stem":
                    self._parameter(value, f"{at}.{deck}.{key}", prefix + key)
                    continue
                for stem, controls in self._entries(value, f"{at}.{deck}.stem", self._stems):
                    for control, level in self._entries(controls, f"{at}.{deck}.stem.{stem}", ["gain"]):
                        full = f"{at}.{deck}.stem.{stem}.{control}"
                        self._parameter(level, full, f"{prefix}stem/{stem}/{control}")

    def _output_section(self, node: yaml.Node, at: str) -> None:
        known = ["to", "device", "sample_rate", "block_frames", "record", "cue", "fade_in", "fade_out"]
        for key, value in self._entries(node, at, known):
            full = f"{at}.{key}"
            match key:
                case "to":
                    self._choice(value, full, "output", OUTPUTS)
                case "cue":
                    self._switch(value, full, "cue")
                case "device":
                    self._text(value, full, "device")
                case "sample_rate":
                    self._choice(value, full, "sample_rate", SAMPLE_RATES)
                case "block_frames":
                    self._number(value, full, "block_frames", "int", (16, 8192, "frames"))
                case "record":
                    self._text(value, full, "record")
                    name = self._facts.pop("record", "")
                    self._facts["record"] = Path(name) if name else None
                case _:
                    self._number(value, full, f"{key}_seconds", "float", (0, 60, "seconds"))

    def _osc_section(self, node: yaml.Node, at: str) -> None:
        for key, value in self._entries(node, at, ["enabled", "host", "port"]):
            if key == "enabled":
                self._switch(value, f"{at}.{key}", "osc_enabled")
            elif key == "host":
                self._text(value, f"{at}.{key}", "osc_host")
            else:
                self._number(value, f"{at}.{key}", "osc_port", "int", (0, 65535, ""))

    def _sync_section(self, node: yaml.Node, at: str) -> None:
        for key, value in self._entries(node, at, [*_SYNC, "start_stop", "port"]):
            if key in _SYNC:
                self._parameter(value, f"{at}.{key}", _SYNC[key])
            elif key == "port":
                self._text(value, f"{at}.{key}", "sync_port")
            else:
                self._switch(value, f"{at}.{key}", "sync_start_stop")

    def _midi_section(self, node: yaml.Node, at: str, tree: ParameterTree) -> None:
        for key, value in self._entries(node, at, ["enabled", "ports", "virtual", "map"]):
            full = f"{at}.{key}"
            if key in ("enabled", "virtual"):
                self._switch(value, full, f"midi_{key}")
            elif key == "ports":
                name = Parameter(full, "str", "", self._tree["key"].control, "")
                self._facts["midi_ports"] = tuple(self._checked(n, k, name) for n, k in self._items(value, full))
            else:
                found = [self._binding(n, k, tree) for n, k in self._items(value, full)]
                self._facts["midi"] = tuple(b for b in found if b is not None)

    def _binding(self, node: yaml.Node, at: str, tree: ParameterTree) -> Binding | None:
        kinds = get_args(BindingKind)
        before = len(self._problems)
        facts: dict[str, Any] = {}
        for key, value in self._entries(node, at, [*kinds, "channel", "set", "low", "high", "curve", "mode", "values"]):
            full = f"{at}.{key}"
            plain = None if key == "values" else self._plain(value, full)
            if key in kinds:
                if "kind" in facts:
                    self._refuse(value, full, f"one control a line; this one has {facts['kind']} already")
                facts["kind"] = key
                if key == "pitchbend":
                    self._want(plain is True, value, full, "pitchbend takes true; it has no number")
                else:
                    facts["number"] = plain
                    self._want(type(plain) is int, value, full, f"{plain!r} is no number; allowed is 0 to 127")
            elif key == "set":
                facts["path"] = plain
                self._want(isinstance(plain, str), value, full, "name a parameter, such as deck/a/alpha")
            elif key == "channel":
                facts["channel"] = None if plain == "any" else plain
                self._want(plain == "any" or type(plain) is int, value, full, "allowed is 1 to 16, or any")
            elif key in ("low", "high"):
                facts[key] = plain
                self._want(type(plain) in (int, float), value, full, f"{plain!r} is no number")
            elif key == "values":
                facts[key] = self._values(value, full)
            else:
                allowed = get_args(Curve if key == "curve" else Mode)
                facts[key] = plain
                self._want(plain in allowed, value, full, f"{plain!r} is refused; allowed is {', '.join(allowed)}")
        if "kind" not in facts or "path" not in facts:
            missing = "set: the path of a parameter" if "kind" in facts else f"one of {', '.join(kinds)}"
            self._refuse(node, at, f"a line of the map needs {missing}, as in {{cc: 1, set: deck/a/alpha}}")
        if len(self._problems) > before:
            return None
        binding = Binding(**facts)
        try:
            binding.validate(tree)
        except (ControlError, ParameterError) as error:
            self._refuse(node, at, str(error))
            return None
        return binding

    def _values(self, node: yaml.Node, at: str) -> tuple[Value, ...]:
        if isinstance(node, yaml.ScalarNode) and node.value == "prompts":
            prompts: tuple[str, ...] = self._facts.get("prompts", ())
            self._want(bool(prompts), node, at, "the preset has no prompts: list them at its top level")
            return prompts
        if isinstance(node, yaml.ScalarNode) and node.value == "scenes":
            scenes: tuple[Scene, ...] = self._facts.get("scenes", ())
            self._want(bool(scenes), node, at, "the preset has no scenes: name them at its top level")
            return tuple(scene.name for scene in scenes)
        found = [self._plain(n, k) for n, k in self._items(node, at)]
        return tuple(v for v in found if isinstance(v, float | int | str))

    # --- single values -------------------------------------------------------------------------------------------

    def _parameter(self, node: yaml.Node, key: str, path: str) -> None:
        value = self._checked(node, key, self._tree[path])
        if value is not None:
            self._parameters[path] = value

    def _text(self, node: yaml.Node, key: str, fact: str) -> None:
        self._keep(fact, self._checked(node, key, Parameter(key, "str", "", self._tree["key"].control, "")))

    def _switch(self, node: yaml.Node, key: str, fact: str) -> None:
        self._keep(fact, self._checked(node, key, Parameter(key, "bool", False, self._tree["key"].control, "")))

    def _number(self, node: yaml.Node, key: str, fact: str, kind: Any, bounds: tuple[float, float, str]) -> None:
        rule = Parameter(key, kind, 0, self._tree["key"].control, "", *bounds)
        self._keep(fact, self._checked(node, key, rule))

    def _choice(self, node: yaml.Node, key: str, fact: str, choices: Sequence[Value]) -> None:
        value = self._plain(node, key)
        allowed = ", ".join(map(str, choices))
        if value in choices and not isinstance(value, bool):
            self._facts[fact] = value
        elif value is not None:
            self._refuse(node, key, f"{value!r} is refused; allowed is {allowed}")

    def _keep(self, fact: str, value: Value | None) -> None:
        if value is not None:
            self._facts[fact] = value

    def _checked(self, node: yaml.Node, key: str, rule: Parameter) -> Any:
        """The value of ``node`` as ``rule`` holds it, or ``None`` when it was refused."""
        value = self._plain(node, key)
        if value is None:
            return None
        # YAML 1.1 takes the plain words off, on, yes and no for truth values: quantum: off means "off".
        if isinstance(value, bool) and rule.kind in ("choice", "str") and isinstance(node, yaml.ScalarNode):
            value = node.value
        try:
            return rule.check(value)[0]
        except ParameterError as error:
            hint = "" if isinstance(value, str) or rule.kind != "str" else '; put it in "quotes"'
            self._refuse(node, key, str(error).removeprefix(f"{rule.path}: ") + hint)
            return None

    def _plain(self, node: yaml.Node, key: str) -> Any:
        """The number, text or truth value of ``node``; ``None`` when it is something else, which is refused."""
        if isinstance(node, yaml.ScalarNode):
            try:
                value = yaml.SafeLoader("").construct_object(node)
            except (yaml.YAMLError, ValueError, OverflowError):
                value = None
            if isinstance(value, bool | int | float | str):
                return value
        what = "nothing" if node.tag.endswith(":null") else "a list" if isinstance(node, yaml.SequenceNode) else "this"
        self._refuse(node, key, f"{what} does not fit here; allowed is one number, text, true or false")
        return None

    # --- nodes ---------------------------------------------------------------------------------------------------

    def _entries(self, node: yaml.Node, at: str, known: Sequence[str]) -> list[tuple[str, yaml.Node]]:
        """The known entries of a mapping; unknown and repeated keys are refused, and so is what is no mapping."""
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, at, f"needs keys and values; known keys are {', '.join(known)}")
            return []
        found: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            full = f"{at}.{key}" if at else key
            if key not in known:
                self._refuse(key_node, full, unknown("key", key, known))
            elif key in found:
                first = found[key].start_mark.line + 1
                self._refuse(key_node, full, f"stands here twice, first in line {first}; keep one")
            else:
                found[key] = value
        return list(found.items())

    def _items(self, node: yaml.Node, at: str) -> list[tuple[yaml.Node, str]]:
        if not isinstance(node, yaml.SequenceNode):
            self._refuse(node, at, "needs a list: one line each, beginning with a dash")
            return []
        return [(item, f"{at}[{number}]") for number, item in enumerate(node.value)]

    def _want(self, met: bool, node: yaml.Node, key: str, problem: str) -> None:
        if not met:
            self._refuse(node, key, problem)

    def _refuse(self, node: yaml.Node, key: str, problem: str) -> None:
        self._problems.append(PresetError(f"{self._file}:{node.start_mark.line + 1}", key, problem))
