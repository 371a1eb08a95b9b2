"""DeckReader: the section ``deck`` of a preset: the decks there are, and the parameters of each and of its stems."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from riffengine.errors import PresetError
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.processes.audio import SENDS
from riffengine.processes.parameter_path import parse_path
from riffengine.session.fx import PluginReader
from riffengine.session.yaml_reader import ParameterReader

DECKS = ("a", "b", "c", "d")


class DeckReader(ParameterReader):
    """Reads the section ``deck``; ``stems`` are those of the session's model."""

    def __init__(
        self,
        file: str,
        problems: list[PresetError],
        tree: ParameterTree,
        parameters: dict[str, Value],
        stems: Sequence[str],
        plugins: PluginReader,
    ) -> None:
        super().__init__(file, problems, tree, parameters)
        self._stems, self._plugins = stems, plugins

    def read(self, node: yaml.Node, at: str) -> tuple[str, ...]:
        """The names of the decks in the mapping ``node``, in alphabetical order."""
        entries = self._entries(node, at, DECKS)
        for deck, inside in entries:
            self._deck(deck, inside, f"{at}.{deck}")
        return tuple(sorted(deck for deck, _ in entries))

    def _deck(self, deck: str, node: yaml.Node, at: str) -> None:
        paths = [path for p in self._tree.values if (path := parse_path(p.path)).deck == deck]
        paths = [path for path in paths if not path.plugin_number]
        known = [path.within_deck for path in paths if not path.stem and path.group != "send"]
        for key, value in self._entries(node, at, [*known, "stem", "fx", "send"]):
            if key == "stem":
                controls = list(dict.fromkeys(path.control for path in paths if path.stem))
                self._deck_stems(f"deck/{deck}/stem", value, f"{at}.stem", controls)
            elif key == "fx":
                self._plugins.read(value, f"{at}.{key}", f"deck/{deck}")
            elif key == "send":
                for send, level in self._entries(value, f"{at}.{key}", SENDS):
                    self._parameter(level, f"{at}.{key}.{send}", f"deck/{deck}/send/{send}")
            else:
                self._parameter(value, f"{at}.{key}", f"deck/{deck}/{key}")

    def _deck_stems(self, path: str, node: yaml.Node, at: str, controls: Sequence[str]) -> None:
        for stem, inside in self._entries(node, at, self._stems):
            for control, value in self._entries(inside, f"{at}.{stem}", [*controls, "fx"]):
                if control == "fx":
                    self._plugins.read(value, f"{at}.{stem}.fx", f"{path}/{stem}")
                    continue
                self._parameter(value, f"{at}.{stem}.{control}", f"{path}/{stem}/{control}")
