"""PoolOptions: what a pool process is started with."""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.pool.limits import DISK_MB, MEMORY_MB
from riffengine.pool.local_member import RendererMain
from riffengine.renderer.process import RendererOptions, renderer_main


@dataclass(frozen=True)
class NodeAddress:
    """A renderer node elsewhere: ``wss://host:port``, its token, the certificate to trust ("": the system's)."""

    url: str
    token: str = ""
    certificate: str = ""
    files: bool = False  # it is on this machine, and reads its files


@dataclass(frozen=True)
class RayOptions:
    """Actors on a Ray cluster. ``address``: ``local`` (our own), ``auto`` or ``HOST:PORT``; ``token``: its text."""

    address: str
    least: int = 1
    most: int = 8
    gpus: float = 0.0  # of each actor
    cpus: float = 1.0
    token: str = ""  # "": where Ray itself looks for it


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
    ray: RayOptions | None = None
