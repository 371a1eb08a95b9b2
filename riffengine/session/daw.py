"""DawSettings: the section ``daw`` of a preset: what the sixteen parameters of the plugin in a DAW move.

daw:
  map: [master/gain, deck/a/alpha, "", scene/recall]   # by their place; "" moves nothing, and so do those not named
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from riffengine.control.daw.slot_map import DEFAULT_MAP
from riffengine.errors import ParameterError
from riffengine.processes.daw_layout import PARAMETERS
from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import ParameterReader


@dataclass(frozen=True)
class DawSettings(Settings):
    """``map`` has the path of the parameter that each slot moves, "" for none."""

    map: tuple[str, ...] = DEFAULT_MAP


class DawReader(ParameterReader):
    """Reads the section ``daw``; it needs the tree with the decks and stems of the session."""

    def read(self, node: yaml.Node, at: str) -> DawSettings:
        """The settings in the mapping ``node``; a refused value is left at its default."""
        given: dict[str, Any] = {}
        for key, value in self._entries(node, at, ("map",)):
            given[key] = self._map(value, f"{at}.{key}")
        return DawSettings().with_given(**given)

    def _map(self, node: yaml.Node, at: str) -> tuple[str, ...]:
        items = self._items(node, at)
        self._require(
            len(items) <= PARAMETERS, node, at, f"has {len(items)} lines; the plugin has {PARAMETERS} parameters"
        )
        paths = []
        for item, key in items:
            path = self._text(item, key) or ""
            try:
                paths.append(path if not path else self._tree[path].path)
            except ParameterError as error:
                self._refuse(item, key, str(error))
        return tuple(paths)
