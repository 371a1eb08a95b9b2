"""Session: a YAML preset, read strictly into a frozen description of what is to be played.

Every value passes the parameter tree. Everything that is wrong in a preset is refused at once, with file, line, key and
what is allowed, and nothing starts. YAML is read with the safe loader and by node, so that every problem has a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.parameters import QUANTUM_OF, standard_tree
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.scenes import Scene
from riffengine.performance.state import PerformanceState
from riffengine.processes.audio import SENDS
from riffengine.processes.render_request import DEFAULT_LOOP_BEATS, DEFAULT_MODEL, LOOP_BEATS
from riffengine.renderer.registry import model_shape
from riffengine.session.audio import AudioReader, AudioSettings
from riffengine.session.daw import DawReader, DawSettings
from riffengine.session.decks import DECKS, DeckReader
from riffengine.session.fx import PluginReader, PluginSetting
from riffengine.session.midi import MidiReader, MidiSettings
from riffengine.session.osc import OscReader, OscSettings
from riffengine.session.pool import PoolReader, PoolSettings
from riffengine.session.prompt_lists import PromptListReader
from riffengine.session.recording import RecordingReader, RecordingSettings
from riffengine.session.scenes import SceneReader
from riffengine.session.settings import Settings
from riffengine.session.sync import SyncReader, SyncSettings
from riffengine.session.web import WebReader, WebSettings
from riffengine.session.yaml_reader import ParameterReader, read_yaml

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
_SECTIONS = ("name", "description", "model", "loop_beats", "prompts", "record", *_SHORT)
_SECTIONS += ("deck", "send", "master", "output", "osc", "web", "pool", "quanta", "sync", "midi", "daw", "scenes")


@dataclass(frozen=True)
class Session(Settings):
    """What a preset holds. ``parameters`` has only what it sets, by path; ``state`` fills in the defaults."""

    name: str = "untitled"
    folder: str | None = field(default=None, compare=False)  # that the preset lies in
    description: str = ""
    model: str = DEFAULT_MODEL
    loop_beats: int = DEFAULT_LOOP_BEATS
    decks: tuple[str, ...] = ("a",)
    parameters: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    prompt_lists: PromptLists = field(default_factory=PromptLists)
    scenes: tuple[Scene, ...] = ()
    audio: AudioSettings = field(default_factory=AudioSettings)
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    osc: OscSettings = field(default_factory=OscSettings)
    midi: MidiSettings = field(default_factory=MidiSettings)
    sync: SyncSettings = field(default_factory=SyncSettings)
    plugins: tuple[PluginSetting, ...] = ()
    web: WebSettings = field(default_factory=WebSettings)
    daw: DawSettings = field(default_factory=DawSettings)
    pool: PoolSettings = field(default_factory=PoolSettings)

    def tree(self) -> ParameterTree:
        """The parameter tree of this session, with the stems of its model."""
        return standard_tree(
            self.decks, model_shape(self.model).stems, self.audio.cue, self.loop_beats, self.audio.sound_input
        )

    def state(self, tree: ParameterTree) -> PerformanceState:
        """The state at the first beat: the defaults of ``tree`` and what the preset sets, at revision 0."""
        values = {**tree.initial_state().values, **self.parameters}
        return PerformanceState(MappingProxyType(values))


def default_session() -> Session:
    """What plays without a preset: endless, since alpha drifts."""
    return Session(parameters=MappingProxyType({"deck/a/drift": 0.1}))


def load_session(path: Path | str, model: str | None = None) -> Session:
    """The session in the preset ``path``; ``PresetError`` with every problem found in it (the rest in ``others``).

    ``model`` is played in place of the preset's.
    """
    root = read_yaml(Path(path), _SMALLEST)
    stems = model_shape(model or _scalar_of(root, "model") or DEFAULT_MODEL).stems
    loop_beats = {str(beats): beats for beats in LOOP_BEATS}.get(_scalar_of(root, "loop_beats"), DEFAULT_LOOP_BEATS)
    return (
        SessionReader(str(path), stems, loop_beats)
        .read(root)
        .with_given(model=model, folder=str(Path(path).resolve().parent))
    )


def preset_description(path: Path) -> str:
    """The line that describes the preset ``path``, without a check of the rest of it."""
    return _scalar_of(read_yaml(path, _SMALLEST), "description")


def _scalar_of(root: yaml.Node, name: str) -> str:
    """The text of the top-level key ``name``, before anything else is read; "" where there is none."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    named = [str(value.value) for key, value in pairs if key.value == name and isinstance(value, yaml.ScalarNode)]
    return named[0] if named else ""


class SessionReader(ParameterReader):
    """Reads one preset; each section has a reader of its own."""

    def __init__(self, file: str, stems: Sequence[str], loop_beats: int) -> None:
        tree = standard_tree(DECKS, stems, loop_beats=loop_beats)
        super().__init__(file, [], tree, {})
        self._stems, self._loop_beats = stems, loop_beats
        self._plugins: list[PluginSetting] = []

    def read(self, root: yaml.Node) -> Session:
        """The session in ``root``; ``PresetError`` with every problem found in it."""
        given: dict[str, Any] = {}
        sections = dict(self._entries(root, "", _SECTIONS))
        # Last: scenes name decks of the preset, and pads pick from its prompts and scenes.
        scenes, midi, daw = (sections.pop(name, None) for name in ("scenes", "midi", "daw"))
        for key, node in sections.items():
            self._section(key, node, given)
        source, decks = (self._file, self._problems), given.get("decks") or ("a",)
        given |= {"decks": decks, "plugins": tuple(self._plugins)}
        session = Session(parameters=MappingProxyType(self._parameters)).with_given(**given)
        if scenes is not None:
            tree = standard_tree(decks, self._stems, loop_beats=self._loop_beats)
            session = session.with_given(scenes=SceneReader(*source, tree, _SHORT).read(scenes, "scenes"))
        if midi is not None:
            tree = standard_tree(decks, self._stems, session.audio.cue, self._loop_beats)
            prompts, names = session.prompt_lists.bank(1), tuple(scene.name for scene in session.scenes)
            reader = MidiReader(*source, tree, self._parameters, prompts, names)
            session = session.with_given(midi=reader.read(midi, "midi"))
        if daw is not None:
            tree = standard_tree(decks, self._stems, session.audio.cue, self._loop_beats)
            session = session.with_given(daw=DawReader(*source, tree, self._parameters).read(daw, "daw"))
        self._raise_problems()
        return session

    def _section(self, key: str, node: yaml.Node, given: dict[str, Any]) -> None:
        """Read what needs nothing of the other sections into ``given``."""
        source, tree, parameters = (self._file, self._problems), self._tree, self._parameters
        match key:
            case "deck":
                plugins = PluginReader(*source, self._plugins)
                reader = DeckReader(*source, tree, parameters, self._stems, plugins)
                given["decks"] = reader.read(node, key)
            case "send":
                for send, inside in self._entries(node, key, SENDS):
                    self._place(inside, f"{key}.{send}", f"{key}/{send}")
            case "master":
                self._place(node, key, key)
            case "output":
                given["audio"] = AudioReader(*source).read(node, key)
            case "osc":
                given["osc"] = OscReader(*source).read(node, key)
            case "web":
                given["web"] = WebReader(*source).read(node, key)
            case "pool":
                given["pool"] = PoolReader(*source).read(node, key)
            case "sync":
                given["sync"] = SyncReader(*source, tree, parameters).read(node, key)
            case "record":
                given["recording"] = RecordingReader(*source).read(node, key)
            case "prompts":
                rule = tree["deck/a/prompt"]
                given["prompt_lists"] = PromptListReader(*source, rule).read(node, key)
            case "quanta":
                for name, value in self._entries(node, key, [*QUANTUM_OF]):
                    self._parameter(value, f"{key}.{name}", f"transport/quantum_{name}")
            case "loop_beats":
                given[key] = self._choice(node, key, LOOP_BEATS)
            case "name" | "description" | "model":
                given[key] = self._text(node, key)
            case _:
                self._parameter(node, key, _SHORT[key])

    def _place(self, node: yaml.Node, at: str, place: str) -> None:
        """Read the plugins of a send or of the master."""
        for key, value in self._entries(node, at, ("fx",)):
            PluginReader(self._file, self._problems, self._plugins).read(value, f"{at}.{key}", place)
