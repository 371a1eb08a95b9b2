"""SlotMap: the sixteen parameters of the plugin, each from 0 to 1, against parameters of the tree. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import Parameter, ParameterTree
from riffengine.processes.daw_layout import PARAMETERS
from riffengine.processes.daw_slots import SLOTS

DEFAULT_MAP = tuple(slot.path for slot in SLOTS)
_RECALL = "scene/recall"
_PRESSED = 0.5  # a trigger fires when its slot rises to this


class SlotMap:
    """Which parameter each slot moves: ``paths`` in their order, "" for none, as far as ``tree`` has them.

    A number goes from its lowest to its highest value, a choice through its choices, ``scene/recall`` through the
    setlist that ``scenes`` returns. A trigger fires when its slot rises above the middle.
    """

    def __init__(
        self, tree: ParameterTree, paths: Sequence[str] = DEFAULT_MAP, scenes: Callable[[], Sequence[str]] = tuple
    ) -> None:
        self._tree, self._scenes = tree, scenes
        self.paths = tuple(path if path in tree else "" for path in (*paths, *[""] * PARAMETERS)[:PARAMETERS])
        self._last: dict[int, Value | None] = {}
        self._slots = {path: slot for slot, path in reversed([*enumerate(self.paths)]) if path}

    def slot(self, path: str) -> int | None:
        """The slot that moves ``path``."""
        return self._slots.get(path)

    def value(self, slot: int, position: float) -> tuple[str, Value] | None:
        """The path of ``slot`` and its value at ``position``; ``None`` where this changes nothing."""
        path = self.paths[slot]
        if not path:
            return None
        value = self._value(self._tree[path], min(max(position, 0.0), 1.0))
        before, self._last[slot] = self._last.get(slot), value
        stepped = not isinstance(value, float)
        if value is None or (stepped and value == before):
            return None
        return (path, value) if self._tree[path].kind != "trigger" or value else None

    def position(self, path: str, value: Value) -> float | None:
        """Where the slot of ``path`` stands at ``value``; ``None`` where it has no place for it."""
        parameter = self._tree[path]
        match parameter.kind:
            case "float" | "int":
                return (float(value) - parameter.low) / (parameter.high - parameter.low)
            case "bool":
                return float(bool(value))
            case "choice":
                return _place(str(value), parameter.choices)
            case "str" if path == _RECALL:
                return _place(str(value), self._scenes())
        return None

    def _value(self, parameter: Parameter, position: float) -> Value | None:
        match parameter.kind:
            case "float":
                return parameter.low + position * (parameter.high - parameter.low)
            case "int":
                return round(parameter.low + position * (parameter.high - parameter.low))
            case "bool" | "trigger":
                return position >= _PRESSED
            case "choice":
                return parameter.choices[round(position * (len(parameter.choices) - 1))]
            case "str" if parameter.path == _RECALL and (scenes := self._scenes()):
                return scenes[round(position * (len(scenes) - 1))]
        return None


def _place(value: str, among: Sequence[str]) -> float | None:
    return among.index(value) / max(1, len(among) - 1) if value in among else None
