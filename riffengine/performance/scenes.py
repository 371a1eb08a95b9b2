"""Scenes: the performer's parameter values of one moment, stored by name, and the setlist of scenes. Pure and frozen.

A scene describes the sound, not the instrument: it has no model, master level, quantum or denoising steps, because
these belong to the machine and the venue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from riffengine.errors import OutOfRange, ParameterError
from riffengine.performance.command import Command, Value
from riffengine.performance.error_text import unknown
from riffengine.performance.parameter_tree import ControlClass, Parameter, ParameterTree
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import parse_path

MOST_SCENES = 128  # a MIDI program change reaches every one
LONGEST_NAME = 60  # characters
_NOT_OF_A_SCENE = (Handler.MASTER_GAIN, Handler.QUANTUM, Handler.STEPS, Handler.LEARN, Handler.PROMPT_LIST)


@dataclass(frozen=True)
class Scene:
    """Parameter values by path; all other parameters keep their values when the scene is recalled."""

    name: str
    values: Mapping[str, Value]

    def commands(self, state: PerformanceState, source: str, stamp_ns: int = 0) -> tuple[Command, ...]:
        """The commands that turn ``state`` into this scene; values of missing decks are left out."""
        return tuple(
            Command(path, value, source, stamp_ns)
            for path, value in self.values.items()
            if path in state.values and state.values[path] != value
        )


def belongs_to_a_scene(parameter: Parameter) -> bool:
    """Whether a scene may contain ``parameter``: no trigger, no property of the machine, no scene command."""
    if parameter.kind == "trigger" or parameter.control is ControlClass.STRUCTURAL:
        return False
    return not parse_path(parameter.path).is_scene and handler_of(parameter.path) not in _NOT_OF_A_SCENE


def snapshot(name: str, state: PerformanceState, tree: ParameterTree) -> Scene:
    """A scene with all values of ``state`` that a scene may contain."""
    paths = [parameter.path for parameter in tree.values if belongs_to_a_scene(parameter)]
    return Scene(check_name(name), {path: state[path] for path in paths})


def check_name(name: str) -> str:
    """``name`` without surrounding spaces; ``OutOfRange`` when it is no valid name of a scene."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise OutOfRange(f"a scene's name must have 1 to {LONGEST_NAME} characters, not {len(name)}; choose another")
    return name


@dataclass(frozen=True)
class SceneBook:
    """The setlist: scenes in order, and the name of the scene recalled last."""

    scenes: tuple[Scene, ...] = ()
    current: str = ""

    def find(self, name: str) -> Scene:
        """The scene called ``name``, or with that number (from 1); ``ParameterError`` names the existing scenes."""
        for scene in self.scenes:
            if scene.name == name:
                return scene
        if name.strip().isdecimal() and 1 <= int(name) <= len(self.scenes):
            return self.scenes[int(name) - 1]
        for scene in self.scenes:
            if scene.name.lower() == name.strip().lower():
                return scene
        if not self.scenes:
            raise OutOfRange("there are no scenes yet; store one with scene/store, or list some in the preset")
        raise OutOfRange(unknown("scene", name, [scene.name for scene in self.scenes]))

    def with_scene(self, scene: Scene) -> SceneBook:
        """The setlist with ``scene`` as current; it replaces the scene of the same name, or is added at the end."""
        names = [known.name for known in self.scenes]
        if scene.name in names:
            scenes = tuple(scene if known.name == scene.name else known for known in self.scenes)
        elif len(names) >= MOST_SCENES:
            raise OutOfRange(f"there are already {MOST_SCENES} scenes; overwrite one of them")
        else:
            scenes = (*self.scenes, scene)
        return SceneBook(scenes, scene.name)

    def with_current(self, name: str) -> SceneBook:
        """The setlist with ``name`` as the current scene."""
        return replace(self, current=name)

    def neighbour(self, steps: int) -> Scene:
        """The scene ``steps`` further in the setlist, or the first; ``ParameterError`` beyond the ends."""
        names = [scene.name for scene in self.scenes]
        if not names:
            return self.find("")
        index = names.index(self.current) + steps if self.current in names else 0
        if not 0 <= index < len(names):
            end = "last" if steps > 0 else "first"
            raise ParameterError(f"{self.current!r} is the {end} scene of the setlist; recall one by its name")
        return self.scenes[index]
