"""Scenes: what the performer wanted at one moment, kept by name, and the setlist they stand in. Pure and frozen.

A scene holds sound, not the instrument: no model, no master level, no quantum, no denoising steps, which belong to the
machine and the evening.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from riffengine.errors import OutOfRange, ParameterError
from riffengine.performance.command import Command, Value
from riffengine.performance.parameters import ControlClass, Parameter, ParameterTree, unknown
from riffengine.performance.state import PerformanceState

MOST_SCENES = 128  # a MIDI program change reaches every one
LONGEST_NAME = 60  # characters
_NOT_OF_A_SCENE = ("scene/", "master/", "transport/quantum", "steps", "draft_steps", "learn")


@dataclass(frozen=True)
class Scene:
    """Parameter values by path; what it does not name stays as it is when the scene is recalled."""

    name: str
    values: Mapping[str, Value]

    def commands(self, state: PerformanceState, source: str, stamp_ns: int = 0) -> tuple[Command, ...]:
        """What must change for ``state`` to become this scene; values of decks that are not there are left out."""
        return tuple(
            Command(path, value, source, stamp_ns)
            for path, value in self.values.items()
            if path in state.values and state.values[path] != value
        )


def belongs_to_a_scene(parameter: Parameter) -> bool:
    """Whether a scene may hold ``parameter``: it has a value, is no part of the machine, and is no scene itself."""
    if parameter.kind == "trigger" or parameter.control is ControlClass.STRUCTURAL:
        return False
    return not parameter.path.startswith(_NOT_OF_A_SCENE) and "/prompts/" not in parameter.path


def snapshot(name: str, state: PerformanceState, tree: ParameterTree) -> Scene:
    """Everything of ``state`` that a scene may hold."""
    paths = [parameter.path for parameter in tree.values if belongs_to_a_scene(parameter)]
    return Scene(check_name(name), {path: state[path] for path in paths})


def check_name(name: str) -> str:
    """``name`` without spaces around it; ``OutOfRange`` when a scene cannot be called so."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise OutOfRange(f"a scene's name has 1 to {LONGEST_NAME} characters, not {len(name)}; give it another")
    return name


@dataclass(frozen=True)
class SceneBook:
    """The setlist: scenes in their order, and the name of the one that was recalled last."""

    scenes: tuple[Scene, ...] = ()
    current: str = ""

    def find(self, name: str) -> Scene:
        """The scene called ``name``, or the one with that number (from 1); ``ParameterError`` names those there are."""
        for scene in self.scenes:
            if scene.name == name:
                return scene
        if name.strip().isdecimal() and 1 <= int(name) <= len(self.scenes):
            return self.scenes[int(name) - 1]
        for scene in self.scenes:
            if scene.name.lower() == name.strip().lower():
                return scene
        if not self.scenes:
            raise OutOfRange("there are no scenes yet; scene/store keeps one, or list some in the preset")
        raise OutOfRange(unknown("scene", name, [scene.name for scene in self.scenes]))

    def stored(self, scene: Scene) -> SceneBook:
        """With ``scene`` in the place of the one of its name, or else at the end, and current."""
        names = [known.name for known in self.scenes]
        if scene.name in names:
            scenes = tuple(scene if known.name == scene.name else known for known in self.scenes)
        elif len(names) >= MOST_SCENES:
            raise OutOfRange(f"there are {MOST_SCENES} scenes; store over one of them")
        else:
            scenes = (*self.scenes, scene)
        return SceneBook(scenes, scene.name)

    def at(self, name: str) -> SceneBook:
        """With ``name`` as the current scene."""
        return replace(self, current=name)

    def beside(self, steps: int) -> Scene:
        """The scene ``steps`` further in the setlist; ``ParameterError`` beyond its ends. Before any: the first."""
        names = [scene.name for scene in self.scenes]
        if not names:
            return self.find("")
        index = names.index(self.current) + steps if self.current in names else 0
        if not 0 <= index < len(names):
            end = "last" if steps > 0 else "first"
            raise ParameterError(f"{self.current!r} is the {end} scene of the setlist; recall one by its name")
        return self.scenes[index]
