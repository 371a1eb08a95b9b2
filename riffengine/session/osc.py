"""OscSettings: the section ``osc`` of a preset.

osc:
  enabled: true
  host: 127.0.0.1         # the address to listen on; 0.0.0.0 is every address of this machine
  port: 9000
  allow: [192.168.1.0/24] # addresses and networks that may play; without it, every sender that reaches the host
  query: true             # answer OSCQuery over HTTP on the same port number
  announce: true          # announce both by zeroconf
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from riffengine.control.osc.options import OscOptions, parse_network
from riffengine.errors import ControlError
from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import YamlReader

_KEYS = ("enabled", "host", "port", "allow", "query", "announce")


@dataclass(frozen=True)
class OscSettings(OscOptions, Settings):
    """The options of the OSC server, and whether there is a server."""

    enabled: bool = True


class OscReader(YamlReader):
    """Reads the section ``osc``."""

    def read(self, node: yaml.Node, at: str) -> OscSettings:
        """The settings in the mapping ``node``; a refused value is left at its default."""
        given: dict[str, Any] = {}
        for key, value in self._entries(node, at, _KEYS):
            full = f"{at}.{key}"
            match key:
                case "host":
                    given[key] = self._text(value, full)
                case "port":
                    given[key] = self._whole(value, full, 0, 65535)
                case "allow":
                    given[key] = tuple(self._network(n, k) for n, k in self._items(value, full))
                case _:
                    given[key] = self._switch(value, full)
        return OscSettings().with_given(**given)

    def _network(self, node: yaml.Node, at: str) -> str:
        found = str(self._scalar(node, at))
        try:
            parse_network(found)
        except ControlError as error:
            self._refuse(node, at, str(error))
        return found
