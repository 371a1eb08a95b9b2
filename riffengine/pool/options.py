"""PoolOptions: what a pool process is started with."""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.pool.local_member import RendererMain
from riffengine.renderer.process import RendererOptions, renderer_main

MOST_RENDERERS = 64
"""Renderer processes of one machine."""
MEMORY_MB = 128.0
"""Of finished loops that a pool keeps in memory: about 60 of three mono stems at 120 bpm."""
DISK_MB = 2000.0
"""Of files in a disk cache."""


@dataclass(frozen=True)
class NodeAddress:
    """A renderer node elsewhere: ``wss://host:port``, its token, the certificate to trust ("": the system's)."""

    url: str
    token: str = ""
    certificate: str = ""
    files: bool = False  # it is on this machine, and reads its files


@dataclass(frozen=True)
class PoolOptions:
    """``renderer`` is what a single renderer process would be started with; its store is the engine's.

    ``main`` is the body of the member processes.
    """

    renderer: RendererOptions
    renderers: int = 1
    nodes: tuple[NodeAddress, ...] = ()
    memory_mb: float = MEMORY_MB
    disk: str = ""
    disk_mb: float = DISK_MB
    main: RendererMain = renderer_main
