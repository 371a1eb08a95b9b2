"""Session: a YAML preset, read strictly into a frozen description of what is to be played.

Every value passes the parameter tree. What a preset says wrong is refused with file, line, key and what is allowed,
all of it at once, and nothing starts. YAML is read with the safe loader and by node, so that every problem has a line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.control.osc.options import parse_network
from riffengine.errors import ControlError
from riffengine.performance.command import Value
from riffengine.performance.parameters import QUANTUM_OF, Parameter, ParameterTree, standard_tree
from riffengine.performance.prompt_lists import MOST_BANKS, MOST_PROMPTS, PromptLists
from riffengine.performance.scenes import Scene
from riffengine.performance.state import PerformanceState
from riffengine.renderer.bundled.model_info import model_stems
from riffengine.session.midi_map import MapLines
from riffengine.session.recording import RecordingSettings, RecordingSettingsReader
from riffengine.session.scenes import SceneReader
from riffengine.session.yaml_reader import YamlReader, read_yaml

SAMPLE_RATES = (44100, 48000)
OUTPUTS = ("auto", "device", "paced")
LOOP_BEATS = (4, 8, 16)
DECKS = ("a", "b", "c", "d")
_SMALLEST = 'deck: {a: {prompt: "ambient piano"}}'

# Top-level keys that stand for a parameter of the whole session.
_SHORT = {
    "tempo": "transport/tempo",
    "quantum": "transport/quantum",
    "key": "key",
    "chords": "chords",
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
    "clock_out": "transport/clock_out",
}


@dataclass(frozen=True)
class Session:
    """What a preset says. ``parameters`` holds only what it sets, by path; ``state`` fills in the defaults.

    ``midi_ports`` are parts of port names, ``None`` for every one. ``record`` is the file to keep, or ``None``.
    ``sync_port`` is part of the name of the port that MIDI clock comes from, "" for one of our own that others send to;
    ``clock_out_port`` and ``notes_out_port`` of those that ours goes out to, "" for one of our own that others hear.
    """

    name: str = "untitled"
    description: str = ""
    decks: tuple[str, ...] = ("a",)
    parameters: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    lists: PromptLists = field(default_factory=PromptLists)
    scenes: tuple[Scene, ...] = ()
    model: str = "bundled"
    loop_beats: int = 8
    output: str = "auto"
    device: str = ""
    sample_rate: int = 44100
    block_frames: int = 512
    cue: bool = False  # a second pair of channels for the headphones, where the device has them
    record: Path | None = None
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    fade_in_seconds: float = 0.05
    fade_out_seconds: float = 2.0
    osc_enabled: bool = True
    osc_host: str = "127.0.0.1"
    osc_port: int = 9000
    osc_allow: tuple[str, ...] = ()  # addresses and networks that may play; empty is everybody who reaches osc_host
    osc_query: bool = True
    osc_announce: bool = True
    midi_enabled: bool = True
    midi_ports: tuple[str, ...] | None = None
    midi_virtual: bool = True
    midi: tuple[Binding, ...] = ()
    midi_maps: tuple[ControllerMap, ...] = ()
    midi_learned: bool = True  # whether what the performer taught counts
    midi_auto: bool = True  # whether controllers that no map was chosen for are known by their names
    sync_start_stop: bool = False
    sync_port: str = ""
    clock_out_port: str = ""
    notes_out_port: str = ""

    def tree(self, stems: Sequence[str] | None = None) -> ParameterTree:
        """The parameter tree of this session on a model with ``stems``, by default those of its own model."""
        return standard_tree(self.decks, stems or model_stems(self.model), self.cue, self.loop_beats)

    def state(self, tree: ParameterTree) -> PerformanceState:
        """The state at the first beat: the defaults of ``tree`` and what the preset sets, at revision 0."""
        values = {**tree.initial_state().values, **self.parameters}
        return PerformanceState(MappingProxyType(values))


def default_session() -> Session:
    """What plays when no preset is named: endless, since alpha walks."""
    return Session(parameters=MappingProxyType({"deck/a/drift": 0.1}))


def load_session(path: Path | str, stems: Sequence[str] | None = None) -> Session:
    """The session in the preset ``path``; ``PresetError`` with every problem found in it (the rest in ``others``).

    ``stems`` are those of its model, which are looked up by default.
    """
    path = Path(path)
    root = read_yaml(path, _SMALLEST)
    loops = {str(beats): beats for beats in LOOP_BEATS}.get(_early(root, "loop_beats"), 8)
    return _Reader(str(path), stems or model_stems(_early(root, "model") or "bundled"), loops).session(root)


def _early(root: yaml.Node, name: str) -> str:
    """What a preset says of ``name``, before anything else of it is read; "" where it does not."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    named = [str(value.value) for key, value in pairs if key.value == name and isinstance(value, yaml.ScalarNode)]
    return named[0] if named else ""


class _Reader(YamlReader):
    """Walks one preset's nodes and collects its problems."""

    def __init__(self, file: str, stems: Sequence[str], loop_beats: int) -> None:
        super().__init__(file)
        self._stems, self._loop_beats = stems, loop_beats
        self._tree = standard_tree(DECKS, stems, loop_beats=loop_beats)
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
            "quanta": self._quanta_section,
            "sync": self._sync_section,
            "midi": lambda node, key: midi.append((node, key)),
            "scenes": lambda node, key: scenes.append((node, key)),
        }
        known = ["name", "description", "model", "loop_beats", "prompts", "record", *_SHORT, *sections]
        for key, node in self._entries(root, "", known):
            if key in sections:
                sections[key](node, key)
            elif key == "record":
                self._facts["recording"] = RecordingSettingsReader(self._checked, self._refuse).plan(node, key)
            elif key == "loop_beats":
                self._choice(node, key, "loop_beats", LOOP_BEATS)
            elif key in _SHORT:
                self._parameter(node, key, _SHORT[key])
            elif key == "prompts":
                self._facts["lists"] = self._prompt_lists(node, key)
            else:
                self._text(node, key, key)
        self._facts["decks"] = tuple(sorted(self._decks)) or ("a",)
        for node, key in scenes:
            tree = standard_tree(self._facts["decks"], self._stems, loop_beats=self._loop_beats)
            self._facts["scenes"] = SceneReader(tree, _SHORT, self._checked, self._refuse).scenes(node, key)
        # Last: pads may pick from prompts, and targets must lie on decks that the preset has.
        tree = standard_tree(self._facts["decks"], self._stems, self._facts.get("cue", False), self._loop_beats)
        for node, key in midi:
            self._midi_section(node, key, tree)
        self._raise_problems()
        return Session(**self._facts, parameters=MappingProxyType(self._parameters))

    # --- sections ------------------------------------------------------------------------------------------------

    def _deck_section(self, node: yaml.Node, at: str) -> None:
        for deck, inside in self._entries(node, at, DECKS):
            self._decks.append(deck)
            prefix = f"deck/{deck}/"
            names = [p.path.removeprefix(prefix) for p in self._tree.values if p.path.startswith(prefix)]
            known = [name for name in names if not name.startswith("stem/")]
            controls_of_a_stem = list(dict.fromkeys(n.rsplit("/", 1)[1] for n in names if n.startswith("stem/")))
            for key, value in self._entries(inside, f"{at}.{deck}", [*known, "stem"]):
                if key != "stem":
                    self._parameter(value, f"{at}.{deck}.{key}", prefix + key)
                    continue
                for stem, controls in self._entries(value, f"{at}.{deck}.stem", self._stems):
                    for control, level in self._entries(controls, f"{at}.{deck}.stem.{stem}", controls_of_a_stem):
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
        for key, value in self._entries(node, at, ["enabled", "host", "port", "allow", "query", "announce"]):
            if key in ("enabled", "query", "announce"):
                self._switch(value, f"{at}.{key}", f"osc_{key}")
            elif key == "allow":
                self._facts["osc_allow"] = tuple(self._network(n, k) for n, k in self._items(value, f"{at}.{key}"))
            elif key == "host":
                self._text(value, f"{at}.{key}", "osc_host")
            else:
                self._number(value, f"{at}.{key}", "osc_port", "int", (0, 65535, ""))

    def _network(self, node: yaml.Node, at: str) -> str:
        found = str(self._plain(node, at))
        try:
            parse_network(found)
        except ControlError as error:
            self._refuse(node, at, str(error))
        return found

    def _quanta_section(self, node: yaml.Node, at: str) -> None:
        for key, value in self._entries(node, at, [*QUANTUM_OF]):
            self._parameter(value, f"{at}.{key}", f"transport/quantum_{key}")

    def _sync_section(self, node: yaml.Node, at: str) -> None:
        for key, value in self._entries(node, at, [*_SYNC, "start_stop", "port", "clock_out_port"]):
            if key in _SYNC:
                self._parameter(value, f"{at}.{key}", _SYNC[key])
            elif key == "port":
                self._text(value, f"{at}.{key}", "sync_port")
            elif key == "clock_out_port":
                self._text(value, f"{at}.{key}", "clock_out_port")
            else:
                self._switch(value, f"{at}.{key}", "sync_start_stop")

    def _midi_section(self, node: yaml.Node, at: str, tree: ParameterTree) -> None:
        known = ["enabled", "ports", "virtual", "learned", "map", "notes_out", "notes_port"]
        for key, value in self._entries(node, at, known):
            full = f"{at}.{key}"
            if key in ("enabled", "virtual", "learned"):
                self._switch(value, full, f"midi_{key}")
            elif key == "notes_out":
                self._parameter(value, full, "midi/notes_out")
            elif key == "notes_port":
                self._text(value, full, "notes_out_port")
            elif key == "ports":
                name = Parameter(full, "str", "", self._tree["key"].control, "")
                self._facts["midi_ports"] = tuple(self._checked(n, k, name) for n, k in self._items(value, full))
            else:
                banks = self._facts.get("lists", PromptLists())
                scenes = tuple(scene.name for scene in self._facts.get("scenes", ()))
                lines = MapLines(self._file, self._problems, tree, banks.bank(1), scenes)
                self._facts["midi"], self._facts["midi_maps"] = lines.read(value, full)
                self._facts["midi_auto"] = False

    def _prompt_lists(self, node: yaml.Node, at: str) -> PromptLists:
        """One list, or several by name."""
        rule = self._tree["deck/a/prompt"]

        def prompts(inside: yaml.Node, key: str) -> tuple[str, ...]:
            items = self._items(inside, key)
            self._want(0 < len(items) <= MOST_PROMPTS, inside, key, f"needs 1 to {MOST_PROMPTS} prompts, one a line")
            return tuple(self._checked(n, k, rule) for n, k in items)

        if not isinstance(node, yaml.MappingNode):
            return PromptLists((("", prompts(node, at)),))
        names = [str(k.value) for k, _ in node.value]
        self._want(0 < len(names) <= MOST_BANKS, node, at, f"needs 1 to {MOST_BANKS} lists")
        return PromptLists(tuple((name, prompts(v, f"{at}.{name}")) for name, v in self._entries(node, at, names)))

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
