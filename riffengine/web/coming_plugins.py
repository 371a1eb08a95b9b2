"""ComingPlugins: the plugins of an opened link that are not loaded yet, and what they are set to when they are. Pure.

A plugin's parameters join the tree when it has been loaded, a second plugin's place when the first one is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import Parameter
from riffengine.web.share import Moment, absent_plugins


@dataclass
class _Coming:
    """One plugin: ``before`` are the parameters that stood in its place when the link was opened."""

    reference: Value
    values: Mapping[str, Value]
    before: tuple[Parameter, ...]
    asked: bool = False
    named: bool = False


class ComingPlugins:
    """Follows the parameters after ``open``; ``changes`` is asked whenever they or their values have changed."""

    def __init__(self) -> None:
        self._coming: dict[str, _Coming] = {}

    def open(self, moment: Moment, parameters: Sequence[Parameter], values: Mapping[str, Value]) -> None:
        """Wait for the plugins of ``moment``, and no longer for those of an earlier one."""
        known = {parameter.path for parameter in parameters}
        self._coming = {
            at: _Coming(
                moment.values[f"{at}plugin"],
                {path: value for path, value in moment.values.items() if path.startswith(at)},
                _rows(at, parameters),
                asked=f"{at}plugin" in known,  # with everything else that the link sets
            )
            for at in absent_plugins(moment, values)
        }

    def changes(self, parameters: Sequence[Parameter], values: Mapping[str, Value]) -> dict[str, Value]:
        """What is to be set now."""
        wanted: dict[str, Value] = {}
        for at, plugin in list(self._coming.items()):
            path = f"{at}plugin"
            if values.get(path) != plugin.reference:
                if plugin.named:  # it could not be opened, or another was chosen
                    del self._coming[at]
                elif path in values and not plugin.asked:
                    plugin.asked = True
                    wanted[path] = plugin.reference
                continue
            plugin.named = True
            rows = _rows(at, parameters)
            if rows and rows != plugin.before and all(row.path in values for row in rows):
                del self._coming[at]
                targets = {row.path: plugin.values.get(row.path, row.default) for row in rows if row.kind != "trigger"}
                wanted |= {path: target for path, target in targets.items() if values[path] != target}
        return wanted


def _rows(at: str, parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """The parameters of the plugin at ``at``, less the one that names it."""
    return tuple(row for row in parameters if row.path.startswith(at) and row.path != f"{at}plugin")
