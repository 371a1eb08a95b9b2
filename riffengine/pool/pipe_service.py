"""The body of the pool process: the engine is its client by a pipe, renderer processes of this machine its members."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from multiprocessing.connection import Connection

from riffengine.clock import SystemClock
from riffengine.errors import LoopStoreError, RiffError
from riffengine.pool.caches import LoopCaches
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.local_member import LocalMember
from riffengine.pool.node_member import NodeMember
from riffengine.pool.options import PoolOptions
from riffengine.pool.ray_actors import RayActors
from riffengine.pool.ray_cluster import RayCluster
from riffengine.pool.renderer_pool import RendererPool
from riffengine.pool.scaling import ScalingPolicy
from riffengine.processes.loop_store import LoopStore, sweep_stale_segments
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Failed,
    FromRenderer,
    PoolReport,
    Ready,
    Render,
    SeatsChanged,
    Shutdown,
    ToRenderer,
)

_ENGINE = "engine"
_MB = 1_000_000


class PipeClient:
    """The engine as a client of the pool: messages by the pipe, samples by its loop store."""

    name = _ENGINE

    def __init__(self, connection: Connection, store: LoopStore) -> None:
        self._connection, self._store = connection, store
        self._told: Ready | None = None  # without seats and kind

    def ready(self, ready: Ready) -> None:
        """The first member is ready, or the pool plays another model; a new kind alone is no news to an engine."""
        plays = replace(ready, seats=1, kind="")
        if plays == self._told:  # it would say anew that the model is loaded
            self._send(SeatsChanged(ready.seats))
            return
        self._told = plays
        self._send(ready)

    def seats(self, seats: int, reason: str) -> None:
        """Members came or went."""
        self._send(SeatsChanged(seats, reason))

    def finished(self, render: Render, loop: FinishedLoop) -> None:
        """Write the loop into the engine's slot, and say so."""
        try:
            self._store.write(render.slot, loop.samples)
        except LoopStoreError as error:
            self._send(Failed(render.job, str(error)))
            return
        self._send(loop.as_answer(render.job, render.slot, render.request))

    def failed(self, job: int, reason: str, hopeless: bool) -> None:
        """No member could render it."""
        self._send(Failed(job, reason, hopeless))

    def dropped(self, job: int) -> None:
        """Its slot is not written any more."""
        self._send(Cancelled(job))

    def alive(self, job: int, worked_seconds: float, steps: int, queued: bool) -> None:
        """A member works on it, or it waits for one."""
        self._send(Alive(job, worked_seconds, steps, queued))

    def report(self, report: PoolReport) -> None:
        """The figures of the pool."""
        self._send(report)

    def _send(self, message: FromRenderer) -> None:
        with contextlib.suppress(OSError):  # the engine has gone, which the reader of the pipe sees too
            self._connection.send(message)


async def serve_pipe(options: PoolOptions, connection: Connection) -> None:
    """Serve the engine until ``Shutdown``, or until its end of the pipe closes."""
    ended = asyncio.Event()
    renderer = options.renderer
    sweep_stale_segments()  # those of a pool that was killed: the engine's resource tracker keeps them until it ends
    try:
        store = LoopStore.attach(renderer.store, renderer.slots, renderer.slot_floats)
        pool = RendererPool(open_caches(options), SystemClock())
        add_local_members(pool, options)
        for address in options.nodes:
            pool.add(NodeMember(address, pool))
        cluster = add_actors(pool, options)
    except RiffError as error:
        connection.send(Failed(-1, str(error)))
        return
    pool.join(PipeClient(connection, store))

    def read() -> None:
        try:
            while connection.poll():
                _take(connection.recv(), pool, ended)
        except (EOFError, OSError):  # the engine has ended
            loop.remove_reader(connection.fileno())
            ended.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(connection.fileno(), read)
    pool.start()
    await ended.wait()
    await pool.close()
    if cluster is not None:
        await cluster.close()
    store.close()


def _take(message: ToRenderer, pool: RendererPool, ended: asyncio.Event) -> None:
    match message:
        case Render():
            pool.order(_ENGINE, message)
        case Cancel():
            pool.cancel(_ENGINE, message.job)
        case Shutdown():
            ended.set()


def open_caches(options: PoolOptions) -> LoopCaches:
    """The caches that ``options`` ask for; ``ServiceError`` where the folder cannot be used."""
    return LoopCaches(round(options.memory_mb * _MB), options.disk, round(options.disk_mb * _MB))


def add_local_members(pool: RendererPool, options: PoolOptions) -> None:
    """The renderer processes that ``options`` ask for; ``LoopStoreError`` where there is no memory for their loops."""
    for number in range(1, options.renderers + 1):
        pool.add(LocalMember(f"renderer-{number}", options.renderer, options.main, pool))


def add_actors(pool: RendererPool, options: PoolOptions) -> RayCluster | None:
    """The actors that ``options`` ask for, and their cluster; ``ControlError`` where Ray is not installed."""
    if options.ray is None:
        return None
    cluster = RayCluster(options.ray, replace(options.renderer, store="", slots=0), options.main)
    policy = ScalingPolicy(options.ray.least, options.ray.most)
    pool.scale_by(RayActors(pool, cluster, policy).step)
    return cluster
