"""SceneReader: the ``scenes`` of a preset, read as strictly as the rest of it.

    scenes:
      intro: {deck/a/prompt: "ambient, pad", deck/a/alpha: 0}
      drop:  {deck/a/prompt: "techno, driving", tempo: 128}

Their order is the setlist. Keys are paths of parameters, or the short names of a preset's top level.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from riffengine.errors import OutOfRange, PresetError
from riffengine.performance.command import Value
from riffengine.performance.error_text import unknown
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.scenes import MOST_SCENES, Scene, belongs_to_a_scene, check_name
from riffengine.session.yaml_reader import YamlReader


class SceneReader(YamlReader):
    """Reads scenes of sessions with ``tree``; ``short`` maps the short names of parameters to their paths."""

    def __init__(self, file: str, problems: list[PresetError], tree: ParameterTree, short: Mapping[str, str]) -> None:
        super().__init__(file, problems)
        self._tree, self._short = tree, short

    def read(self, node: yaml.Node, at: str) -> tuple[Scene, ...]:
        """Every scene of the mapping ``node`` in its order."""
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, at, "needs names and values, as in intro: {deck/a/alpha: 0}")
            return ()
        found: dict[str, Scene] = {}
        for key_node, value in node.value:
            try:
                name = check_name(str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "")
            except OutOfRange as error:
                self._refuse(key_node, at, str(error))
                continue
            full = f"{at}.{name}"
            if name in found:
                self._refuse(key_node, full, "is given twice; give every scene its own name")
            elif len(found) >= MOST_SCENES:
                self._refuse(key_node, full, f"is one scene too many; at most {MOST_SCENES} are allowed")
            else:
                found[name] = Scene(name, self._values(value, full))
        return tuple(found.values())

    def _values(self, node: yaml.Node, at: str) -> dict[str, Value]:
        """The parameters that one scene sets, by path."""
        values: dict[str, Value] = {}
        allowed = [p.path for p in self._tree.values if belongs_to_a_scene(p)]
        if not isinstance(node, yaml.MappingNode) or not node.value:
            self._refuse(node, at, "needs parameters and their values, as in {deck/a/alpha: 0}")
            return values
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            path, full = self._short.get(key, key), f"{at}.{key}"
            if path in values:
                self._refuse(key_node, full, "is given twice; keep one")
            elif path not in allowed:
                known = path in self._tree
                self._refuse(
                    key_node, full, "cannot be part of a scene" if known else unknown("parameter", key, allowed)
                )
            else:
                checked = self._value(value, full, self._tree[path])
                if checked is not None:
                    values[path] = checked
        return values
