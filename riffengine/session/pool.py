"""PoolSettings: the section ``pool`` of a preset.

pool:
  renderers: 2                 # renderer processes of this machine, each with its own copy of the model
  nodes: ["wss://10.0.0.7:9470"]  # render nodes on other machines (riffengine render-node)
  token: node.token            # a file of mode 0600 with their token
  certificate: node.pem        # what their certificates are checked by; without it, the system's authorities
  memory_mb: 128               # of finished loops, so that one is not rendered twice
  cache: loops                 # a folder that keeps loops from set to set; without it, none
  cache_mb: 2000               # of files in it; the oldest give way
  ray:                         # actors on a Ray cluster (riffengine[cluster])
    address: auto              # of the cluster that this machine has joined; HOST:PORT; or local, one of our own
    actors: {least: 1, most: 8}
    gpus: 0.5                  # of each actor; and cpus: 1
    token: ray.token           # a file of mode 0600 with the cluster's token; without it, where Ray keeps it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from riffengine.pool.limits import DISK_MB, MEMORY_MB, MOST_ACTORS, MOST_RENDERERS
from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import YamlReader

_KEYS = ("renderers", "nodes", "token", "certificate", "memory_mb", "cache", "cache_mb", "ray")
_RAY_KEYS = ("address", "actors", "gpus", "cpus", "token")
_ADDRESS = re.compile(r"auto|local|\[?[A-Za-z0-9.:_-]+\]?:[0-9]{1,5}")
_MOST_MB = 1_000_000.0
_MOST_OF_ACTOR = 64.0  # GPUs or cores of one actor


@dataclass(frozen=True)
class RaySettings(Settings):
    """Actors of a Ray cluster; ``token`` is the name of a file."""

    address: str = "auto"
    least: int = 1
    most: int = 8
    gpus: float = 0.0
    cpus: float = 1.0
    token: str = ""


@dataclass(frozen=True)
class PoolSettings(Settings):
    """Who renders. Not ``used``: one renderer process, without a pool."""

    used: bool = False
    renderers: int = 1
    nodes: tuple[str, ...] = ()
    token: str = ""
    certificate: str = ""
    files: bool = False  # the nodes are on this machine, and ``cache`` is theirs
    memory_mb: float = MEMORY_MB
    cache: str = ""
    cache_mb: float = DISK_MB
    ray: RaySettings | None = None


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
                case "ray":
                    given[key] = self._ray(value, full)
                case _:
                    given[key] = self._number(value, full, 0, _MOST_MB, "MB")
        settings = PoolSettings().with_given(**given)
        there = settings.renderers > 0 or bool(settings.nodes) or settings.ray is not None
        self._require(there, node, at, "has neither renderers nor nodes nor ray")
        return settings

    def _ray(self, node: yaml.Node, at: str) -> RaySettings:
        given: dict[str, Any] = {}
        for key, value in self._entries(node, at, _RAY_KEYS):
            full = f"{at}.{key}"
            match key:
                case "address":
                    address = self._text(value, full)
                    problem = f"{address!r:.80} is no address: auto, local, or HOST:PORT of a cluster"
                    self._require(address is None or _ADDRESS.fullmatch(address) is not None, value, full, problem)
                    given[key] = address
                case "token":
                    given[key] = self._text(value, full)
                case "actors":
                    for bound, number in self._entries(value, full, ("least", "most")):
                        given[bound] = self._whole(number, f"{full}.{bound}", 1, MOST_ACTORS)
                case _:
                    given[key] = self._number(value, full, 0, _MOST_OF_ACTOR)
        settings = RaySettings().with_given(**given)
        self._require(settings.least <= settings.most, node, f"{at}.actors", "least is more than most")
        return settings
