"""PoolSettings: the section ``pool`` of a preset.

pool:
  renderers: 2                 # renderer processes of this machine, each with its own copy of the model
  memory_mb: 128               # of finished loops, so that one is not rendered twice
  cache: loops                 # a folder that keeps loops from set to set; without it, none
  cache_mb: 2000               # of files in it; the oldest give way
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from riffengine.pool.options import DISK_MB, MEMORY_MB, MOST_RENDERERS
from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import YamlReader

_KEYS = ("renderers", "memory_mb", "cache", "cache_mb")
_MOST_MB = 1_000_000.0


@dataclass(frozen=True)
class PoolSettings(Settings):
    """Who renders. Not ``used``: one renderer process, without a pool."""

    used: bool = False
    renderers: int = 1
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
                    given[key] = self._whole(value, full, 1, MOST_RENDERERS)
                case "cache":
                    given[key] = self._text(value, full)
                case _:
                    given[key] = self._number(value, full, 0, _MOST_MB, "MB")
        return PoolSettings().with_given(**given)
