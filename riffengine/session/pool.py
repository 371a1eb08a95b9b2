"""PoolSettings: the section ``pool`` of a preset.

pool:
  renderers: 2                 # renderer processes of this machine, each with its own copy of the model
  nodes: ["wss://10.0.0.7:9470"]  # render nodes on other machines (riffengine render-node)
  token: node.token            # a file of mode 0600 with their token
  certificate: node.pem        # what their certificates are checked by; without it, the system's authorities
  memory_mb: 128               # of finished loops, so that one is not rendered twice
  cache: loops                 # a folder that keeps loops from set to set; without it, none
  cache_mb: 2000               # of files in it; the oldest give way
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from riffengine.pool.limits import DISK_MB, MEMORY_MB, MOST_RENDERERS
from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import YamlReader

_KEYS = ("renderers", "nodes", "token", "certificate", "memory_mb", "cache", "cache_mb")
_MOST_MB = 1_000_000.0


@dataclass(frozen=True)
class PoolSettings(Settings):
    """Who renders. Not ``used``: one renderer process, without a pool."""

    used: bool = False
    renderers: int = 1
    nodes: tuple[str, ...] = ()
    token: str = ""
    certificate: str = ""
    files: bool = False  # the nodes are on this machine
    memory_mb: float = MEMORY_MB
    cache: str = ""
    cache_mb: float = DISK_MB


class PoolReader(YamlReader):
    """Reads the section ``pool``."""

    def read(self, node: yaml.Node, at: str) -> PoolSettings:
        """The settings in the mapping ``node``; a refused value is left at its default."""
        given: dict[str, Any] = {"used": True}
        for key, value in self._entries(node, at, _KEYS):
            full = f"{at}.{key}"
            match key:
                case "renderers":
                    given[key] = self._whole(value, full, 0, MOST_RENDERERS)
                case "nodes":
                    texts = (self._text(item, name) for item, name in self._items(value, full))
                    given[key] = tuple(text for text in texts if text is not None)
                case "cache" | "token" | "certificate":
                    given[key] = self._text(value, full)
                case _:
                    given[key] = self._number(value, full, 0, _MOST_MB, "MB")
        settings = PoolSettings().with_given(**given)
        self._require(settings.renderers > 0 or bool(settings.nodes), node, at, "has neither renderers nor nodes")
        return settings
