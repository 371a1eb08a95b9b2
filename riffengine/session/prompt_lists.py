"""PromptListReader: the ``prompts`` of a preset: one list, or several by name."""

from __future__ import annotations

import yaml

from riffengine.errors import PresetError
from riffengine.performance.parameter_tree import Parameter
from riffengine.performance.prompt_lists import MOST_BANKS, MOST_PROMPTS, PromptLists
from riffengine.session.yaml_reader import YamlReader


class PromptListReader(YamlReader):
    """Reads the prompts that pads and knobs pick from; ``rule`` is that of a prompt."""

    def __init__(self, file: str, problems: list[PresetError], rule: Parameter) -> None:
        super().__init__(file, problems)
        self._rule = rule

    def read(self, node: yaml.Node, at: str) -> PromptLists:
        """The lists in ``node``: a list of prompts, or a mapping of names to such lists."""
        if not isinstance(node, yaml.MappingNode):
            return PromptLists((("", self._prompts(node, at)),))
        names = [str(key.value) for key, _ in node.value]
        self._require(0 < len(names) <= MOST_BANKS, node, at, f"needs 1 to {MOST_BANKS} lists")
        lists = self._entries(node, at, names)
        return PromptLists(tuple((name, self._prompts(inside, f"{at}.{name}")) for name, inside in lists))

    def _prompts(self, node: yaml.Node, at: str) -> tuple[str, ...]:
        items = self._items(node, at)
        self._require(0 < len(items) <= MOST_PROMPTS, node, at, f"needs 1 to {MOST_PROMPTS} prompts, one a line")
        return tuple(self._value(item, key, self._rule) for item, key in items)
