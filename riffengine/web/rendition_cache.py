"""RenditionCache: the folder in which the set's pool keeps its loops, as the server's own renderer uses it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from riffengine.errors import AudioFileError, ServiceError
from riffengine.pool.caches import LoopCaches
from riffengine.pool.content_key import content_key
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.loop_shape import misfit
from riffengine.processes.audio import Samples
from riffengine.processes.render_messages import Delivery, Ready
from riffengine.processes.render_request import RenderRequest

_MB = 1_000_000


def rendition_cache(folder: str, most_mb: float) -> RenditionCache | None:
    """``None`` where ``folder`` is "" or cannot be used, which the pool says: the loops are rendered then."""
    try:
        return RenditionCache(folder, round(most_mb * _MB)) if folder else None
    except ServiceError:
        return None


class RenditionCache:
    """Finds loops of sets, of other servers and of earlier days, and leaves its own to them. The event loop's thread.

    Only what the same weights and the same kind of machine have made is the same loop: both are told by the renderer
    that is ``ready``. ``ServiceError`` where ``folder`` cannot be used.
    """

    def __init__(self, folder: str, most_bytes: int) -> None:
        self._caches = LoopCaches(0, folder, most_bytes)

    async def find(self, request: RenderRequest, ready: Ready) -> Samples | None:
        """The mix ``(frames, channels) float32`` of ``request``; ``None`` where it is not there, or not in time."""
        key = await self._key(request, ready)
        loop = await self._caches.later(key) if key else None
        if loop is None:
            return None
        if misfit(loop, request, ready):
            self._caches.drop(key)
            return None
        return np.asarray(loop.samples.sum(axis=0, dtype=np.float32))

    async def keep(self, request: RenderRequest, ready: Ready, delivery: Delivery, samples: Samples) -> None:
        """Write the ``samples`` ``(stems, frames, channels)`` of ``request`` soon, unless much waits for that."""
        key = await self._key(request, ready)
        if key:
            self._caches.put(key, FinishedLoop(replace(delivery, request=request), samples))

    def close(self) -> None:
        """Wait shortly for what is being written."""
        self._caches.close()

    async def _key(self, request: RenderRequest, ready: Ready) -> str:
        """``""`` where the file that ``request`` starts from cannot be read: then the renderer says so."""
        try:
            contents = await self._caches.contents(request.init) if request.init else ""
        except (AudioFileError, TimeoutError):
            return ""
        return content_key(request, ready.weights_digest, ready.kind, contents)
