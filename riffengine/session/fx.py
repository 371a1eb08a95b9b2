"""PluginSetting: the plugins of one place, ``fx`` of a preset. They are loaded when the set begins.

fx:
  - lv2:http://calf.sourceforge.net/plugins/Compressor    # the reference alone
  - plugin: lv2:urn:dragonfly:plate
    on: true
    mix: 0.3
    values: {decay: 1.5}      # by symbol, in the plugin's own unit; checked when the plugin is loaded
    state: plate.state        # a file beside the preset: what the plugin itself saved
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from riffengine.errors import PresetError
from riffengine.files.regular import read_regular
from riffengine.performance.command import Value
from riffengine.performance.insert_parameters import MOST_PLUGINS
from riffengine.plugins.chain import MOST_STATE_BYTES
from riffengine.session.yaml_reader import YamlReader

_KEYS = ("plugin", "on", "mix", "values", "state")
_REFERENCE = re.compile(r"(lv2|clap|vst3):\S.*")


@dataclass(frozen=True)
class PluginSetting:
    """A plugin that a set begins with; ``values`` by symbol, ``on`` and ``mix`` among them, as parameters hold them."""

    place: str
    number: int
    reference: str
    values: Mapping[str, Value]
    state: bytes = b""


class PluginReader(YamlReader):
    """Reads lists of plugins; ``found`` gets every one."""

    def __init__(self, file: str, problems: list[PresetError], found: list[PluginSetting]) -> None:
        super().__init__(file, problems)
        self._found = found

    def read(self, node: yaml.Node, at: str, place: str) -> None:
        """The plugins of ``place`` in the list ``node``."""
        items = self._items(node, at)
        self._require(len(items) <= MOST_PLUGINS, node, at, f"has {len(items)} plugins; at most {MOST_PLUGINS} fit")
        for number, (item, full) in enumerate(items, 1):
            given: dict[str, Any] = {"values": {}}
            if isinstance(item, yaml.MappingNode):
                for key, value in self._entries(item, full, _KEYS):
                    self._setting(key, value, f"{full}.{key}", given)
                self._require("plugin" in given, item, full, "needs the key plugin, such as lv2:URI")
            else:
                self._setting("plugin", item, full, given)
            if given.get("plugin"):
                self._found.append(
                    PluginSetting(place, number, given["plugin"], given["values"], given.get("state", b""))
                )

    def _setting(self, key: str, node: yaml.Node, at: str, given: dict[str, Any]) -> None:
        match key:
            case "plugin":
                text = self._text(node, at)
                known = text is not None and _REFERENCE.fullmatch(text)
                if text is not None and not known:
                    self._refuse(node, at, f"{text!r} names no plugin; it must begin with lv2:, clap: or vst3:")
                given[key] = text if known else ""
            case "on":
                given["values"][key] = self._switch(node, at)
            case "mix":
                given["values"][key] = self._number(node, at, 0, 1)
            case "values":
                given["values"] |= self._values(node, at)
            case "state":
                given[key] = self._state(node, at)

    def _values(self, node: yaml.Node, at: str) -> dict[str, Value]:
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, at, "needs parameters and their values, as in {threshold: -12}")
            return {}
        found = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            value = self._scalar(value_node, f"{at}.{key}")
            if value is not None:
                found[key] = value
        return found

    def _state(self, node: yaml.Node, at: str) -> bytes:
        name = self._text(node, at)
        if name is None:
            return b""
        path = Path(self._file).parent / name
        try:
            return read_regular(path, MOST_STATE_BYTES)
        except OSError as error:
            if error.errno == errno.EFBIG:
                self._refuse(
                    node, at, f"{name} is larger than {MOST_STATE_BYTES >> 20} MiB; it is no state of a plugin"
                )
            else:
                self._refuse(node, at, f"{name} cannot be read: {error.strerror}; put the file beside the preset")
        return b""
