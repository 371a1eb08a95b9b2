"""BindingReader: reads the lines of a MIDI map from YAML as strictly as a preset; nothing in a map is ever executed.

{cc: 70, set: deck/a/alpha, label: Knob 1}
{note: 36, set: deck/a/prompts/pick, values: 1..8, light: pad, label: Pads}
{chord: 48..72, channel: 2, set: chords}
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

import yaml

from riffengine.control.midi.binding import NUMBERLESS, Binding, BindingKind, Curve, Mode
from riffengine.control.midi.takeover import Takeover
from riffengine.errors import ControlError, ParameterError, PresetError
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.parameters import standard_tree
from riffengine.renderer.registry import known_stems
from riffengine.session.decks import DECKS
from riffengine.session.yaml_reader import YamlReader

_KEYS = (
    "channel", "set", "low", "high", "curve", "mode", "values", "invert", "takeover", "travel", "step", "port", "light",
    "echo", "label",
)  # fmt: skip
_RANGE = re.compile(r"(\d{1,3})\.\.(\d{1,3})")
_CHOICES: dict[str, tuple[str, ...]] = {
    "curve": get_args(Curve),
    "mode": get_args(Mode),
    "takeover": get_args(Takeover),
}


def full_tree() -> ParameterTree:
    """The tree with everything that a map may name; a session leaves out the lines for what it does not have."""
    return standard_tree(DECKS, known_stems(), cue=True, sound_input=True)


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
        options: dict[str, Any] = {}
        for key, value in self._entries(node, at, [*kinds, *_KEYS]):
            if key in kinds:
                self._read_control(value, f"{at}.{key}", key, options)
            else:
                self._read_option(value, f"{at}.{key}", key, options)
        if "kind" not in options or "path" not in options:
            missing = "set: the path of a parameter" if "kind" in options else f"one of {', '.join(kinds)}"
            self._refuse(node, at, f"a line of the map needs {missing}, as in {{cc: 1, set: deck/a/alpha}}")
        if len(self._problems) > before:
            return None
        binding = self._with_texts(Binding(**options))
        try:
            binding.validate(self._tree)
        except (ControlError, ParameterError) as error:
            self._refuse(node, at, str(error))
            return None
        if "takeover" not in options and binding.is_continuous(self._tree[binding.path]):
            binding = replace(binding, takeover=self._takeover)
        return binding

    def _read_control(self, node: yaml.Node, full: str, key: str, options: dict[str, Any]) -> None:
        plain = self._scalar(node, full)
        if "kind" in options:
            self._refuse(node, full, f"a line has one control; this one already has {options['kind']}")
        options["kind"] = key
        if key == "chord":
            keys = _RANGE.fullmatch(str(plain))
            self._require(keys is not None, node, full, "give the first and the last key, as in 48..72")
            options["number"], options["to"] = (int(keys[1]), int(keys[2])) if keys else (0, 0)
        elif key in NUMBERLESS:
            self._require(plain is True, node, full, f"{key} takes true; it has no number")
        else:
            options["number"] = plain
            self._require(type(plain) is int, node, full, f"{plain!r} is not a number; allowed is 0 to 127")

    def _read_option(self, node: yaml.Node, full: str, key: str, options: dict[str, Any]) -> None:
        if key == "values":
            options[key] = self._values(node, full)
            return
        if key == "travel":
            found = [self._scalar(n, k) for n, k in self._items(node, full)]
            good = len(found) == 2 and all(type(f) is int for f in found)
            self._require(good, node, full, "give what the control sends at its two ends, as in [3, 124]")
            options[key] = tuple(found)
            return
        plain = self._scalar(node, full)
        options["path" if key == "set" else key] = None if plain == "any" and key == "channel" else plain
        match key:
            case "set":
                self._require(isinstance(plain, str), node, full, "name a parameter, such as deck/a/alpha")
            case "channel":
                self._require(plain == "any" or type(plain) is int, node, full, "allowed is 1 to 16, or any")
            case "low" | "high" | "step":
                self._require(type(plain) in (int, float), node, full, f"{plain!r} is not a number")
            case "invert" | "echo":
                self._require(isinstance(plain, bool), node, full, "allowed is true or false")
            case "port" | "light" | "label":
                options[key] = str(plain)
            case _:
                allowed = _CHOICES[key]
                self._require(plain in allowed, node, full, f"{plain!r} is refused; allowed is {', '.join(allowed)}")

    def _with_texts(self, binding: Binding) -> Binding:
        """A row of pads for a text, such as scene/recall, counts 1..8 in text too."""
        if binding.path in self._tree and self._tree[binding.path].kind == "str":
            return replace(binding, values=tuple(str(v) if type(v) is int else v for v in binding.values))
        return binding

    def _values(self, node: yaml.Node, at: str) -> tuple[Value, ...]:
        word = node.value if isinstance(node, yaml.ScalarNode) else ""
        if word == "prompts":
            self._require(bool(self._prompts), node, at, "the preset has no prompts: list them at its top level")
            return self._prompts
        if word == "scenes":
            self._require(bool(self._scenes), node, at, "the preset has no scenes: name them at its top level")
            return self._scenes
        if (counted := _RANGE.fullmatch(word)) is not None:
            first, last = int(counted[1]), int(counted[2])
            self._require(first <= last, node, at, f"{word} counts backwards; put the smaller number first")
            return tuple(range(first, last + 1))
        found = [self._scalar(n, k) for n, k in self._items(node, at)]
        return tuple(v for v in found if isinstance(v, float | int | str))
