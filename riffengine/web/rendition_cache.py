"""RenditionCache: the folder in which the set's pool keeps its loops, as the server's own renderer uses it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial

import numpy as np

from riffengine.pool.caches import LoopCaches
from riffengine.pool.content_key import content_key
from riffengine.pool.file_worker import FileWorker
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.loop_shape import misfit
from riffengine.processes.audio import Samples
from riffengine.processes.render_messages import Delivery, Ready
from riffengine.processes.render_request import RenderRequest

_MB = 1_000_000
_OPEN_SECONDS = 2.0  # to list a folder of thousands of loops


class RenditionCache:
    """Finds loops of sets, of other servers and of earlier days, and leaves its own to them. The event loop's thread.

    Only what the same weights and the same kind of machine have made is the same loop: both are told by the renderer
    that is ``ready``. A ``folder`` that cannot be used, or not in time, holds nothing: the pool says so.
    """

    def __init__(self, folder: str, most_mb: float) -> None:
        self._folder, self._most_bytes = folder, round(most_mb * _MB)
        self._opener = FileWorker("cache-opener", 1)
        self._caches: LoopCaches | None = None
        self._looked = "", ""  # the file of the loop that was looked for last, and its contents then

    async def find(self, request: RenderRequest, ready: Ready) -> Samples | None:
        """The mix ``(frames, channels) float32`` of ``request``; ``None`` where it is not there, or not in time."""
        try:
            caches = await self._opened()
            contents = await _contents(caches, request)
            self._looked = request.init, contents
            key = content_key(request, ready.weights_digest, ready.kind, contents)
            loop = await caches.later(key)
        except Exception:  # noqa: BLE001 (a loop that cannot be looked for is rendered)
            return None
        if loop is None:
            return None
        if misfit(loop, request, ready):
            caches.drop(key)
            return None
        return np.asarray(loop.samples.sum(axis=0, dtype=np.float32))

    async def keep(self, request: RenderRequest, ready: Ready, delivery: Delivery, samples: Samples) -> None:
        """Write the ``samples`` ``(stems, frames, channels)`` of ``request`` soon, unless much waits for that.

        Not where its file has changed since it was looked for: the renderer may have read either sound.
        """
        with contextlib.suppress(Exception):  # a loop that cannot be kept is one the less
            caches = await self._opened()
            contents = await _contents(caches, request)
            if self._looked[0] == request.init and self._looked[1] != contents:
                return
            key = content_key(request, ready.weights_digest, ready.kind, contents)
            caches.put(key, FinishedLoop(replace(delivery, request=request), samples))

    def close(self) -> None:
        """Wait shortly for what is being written."""
        if self._caches is not None:
            self._caches.close()
        self._opener.close(0.0)

    async def _opened(self) -> LoopCaches:
        """``ServiceError`` where the folder cannot be used, ``TimeoutError`` where its disk does not answer."""
        if self._caches is None:
            open_caches = partial(LoopCaches, 0, self._folder, self._most_bytes)
            self._caches = await self._opener.ask(open_caches, _OPEN_SECONDS)
        return self._caches


async def _contents(caches: LoopCaches, request: RenderRequest) -> str:
    """``AudioFileError`` where the file that ``request`` starts from cannot be read, which the renderer will say."""
    return await caches.contents(request.init) if request.init else ""
