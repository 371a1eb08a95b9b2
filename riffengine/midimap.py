"""Maps of MIDI controllers, read from YAML as strictly as a preset; nothing in a map is ever executed."""

from __future__ import annotations

from typing import Any, get_args

import yaml

from riffengine.control.binding import Binding, BindingKind, Curve, Mode
from riffengine.errors import ControlError, ParameterError, PresetError
from riffengine.nodes import NodeReader
from riffengine.performance.command import Value
from riffengine.performance.parameters import ParameterTree


class BindingReader(NodeReader):
    """Reads the lines of a map for sessions with ``tree``; ``prompts`` and ``scenes`` are what pads may pick from."""

    def __init__(
        self,
        file: str,
        problems: list[PresetError],
        tree: ParameterTree,
        prompts: tuple[str, ...] = (),
        scenes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(file, problems)
        self._tree = tree
        self._prompts = prompts
        self._scenes = scenes

    def binding(self, node: yaml.Node, at: str) -> Binding | None:
        """One line of a map; ``None`` when it was refused."""
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
            binding.validate(self._tree)
        except (ControlError, ParameterError) as error:
            self._refuse(node, at, str(error))
            return None
        return binding

    def _values(self, node: yaml.Node, at: str) -> tuple[Value, ...]:
        if isinstance(node, yaml.ScalarNode) and node.value == "prompts":
            self._want(bool(self._prompts), node, at, "the preset has no prompts: list them at its top level")
            return self._prompts
        if isinstance(node, yaml.ScalarNode) and node.value == "scenes":
            self._want(bool(self._scenes), node, at, "the preset has no scenes: name them at its top level")
            return self._scenes
        found = [self._plain(n, k) for n, k in self._items(node, at)]
        return tuple(v for v in found if isinstance(v, float | int | str))
