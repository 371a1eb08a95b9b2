"""What ``riffengine render-node`` runs: a pool of this machine's renderers behind a NodeServer, until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from riffengine.clock import SystemClock
from riffengine.errors import ServiceError
from riffengine.pool.limits import DISK_MB, MEMORY_MB
from riffengine.pool.local_member import RendererMain
from riffengine.pool.node_server import NodeServer
from riffengine.pool.options import PoolOptions
from riffengine.pool.pipe_service import add_local_members, open_caches
from riffengine.pool.renderer_pool import RendererPool
from riffengine.processes.audio import CHANNELS
from riffengine.processes.render_request import DEFAULT_MODEL, LOOP_BEATS, MorphEnd, RenderRequest
from riffengine.renderer.process import RendererOptions, renderer_main
from riffengine.renderer.registry import model_shape
from riffengine.transport.sync.source import SLOWEST_BPM

_MOST_RATE_HZ = 48000


@dataclass(frozen=True)
class NodeOptions:
    """How a node is started. ``files``: its clients are on this machine, and jobs may name its files."""

    host: str
    port: int
    token: str = ""
    tls: ssl.SSLContext | None = None
    names: tuple[str, ...] = ()
    model: str = DEFAULT_MODEL
    renderers: int = 1
    memory_mb: float = MEMORY_MB
    cache: str = ""
    cache_mb: float = DISK_MB
    files: bool = False
    main: RendererMain = renderer_main


def node_pool_options(options: NodeOptions) -> PoolOptions:
    """What the pool of a node is started with; it has no loop store of an engine."""
    warm = MorphEnd("house", 0)
    renderer = RendererOptions(
        "", 0, most_floats(options.model), options.model, warm=RenderRequest(warm, warm, steps=1)
    )
    if options.main is not renderer_main:
        renderer = replace(renderer, warm=None)
    return PoolOptions(
        renderer, options.renderers, (), options.memory_mb, options.cache, options.cache_mb, options.main
    )


def most_floats(model: str) -> int:
    """What the longest loop of ``model`` takes, in samples."""
    shape = model_shape(model)
    seconds = max(LOOP_BEATS) * 60.0 / SLOWEST_BPM
    return round(seconds * _MOST_RATE_HZ) * min(shape.channels, CHANNELS) * len(shape.stems)


@contextlib.asynccontextmanager
async def running_node(options: NodeOptions) -> AsyncIterator[tuple[RendererPool, NodeServer]]:
    """A node that serves while inside. ``ServiceError`` when the port cannot be opened."""
    pool_options = node_pool_options(options)
    pool = RendererPool(open_caches(pool_options), SystemClock())
    add_local_members(pool, pool_options)
    server = NodeServer(
        pool,
        options.host,
        options.port,
        options.token,
        pool_options.renderer.slot_floats,
        options.tls,
        options.names,
        options.files,
    )
    try:
        await server.start()
    except OSError as error:
        await pool.close()
        raise ServiceError(
            f"{options.host}:{options.port} cannot be opened: {error.strerror}; choose another address or port"
        ) from error
    pool.start()
    try:
        yield pool, server
    finally:
        await server.stop()
        await pool.close()


async def serve_node(options: NodeOptions, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. ``ServiceError`` when the port cannot be opened."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with running_node(options) as (_, server):
        scheme = "wss" if options.tls is not None else "ws"
        many = "1 renderer" if options.renderers == 1 else f"{options.renderers} renderers"
        say(f"{many} of {options.model} at {scheme}://{options.host}:{server.http.port}")
        await ended.wait()
