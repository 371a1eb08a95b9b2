"""LoopCaches: the memory cache and the optional disk cache of a pool as one; files are read and written by threads."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from riffengine.pool.content_key import FileContents
from riffengine.pool.disk_cache import DiskCache
from riffengine.pool.file_worker import FileWorker
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.memory_cache import MemoryCache

_MOST_READS = 64
_MOST_WRITES = 16  # loops of 2 MB that wait for the disk; more are kept in memory alone
_LOOK_SECONDS = 0.5  # for a loop on the disk: as long as it takes to render it
_CONTENTS_SECONDS = 5.0  # for the sound that a loop starts from: 100 MB take 0.3 s
_END_SECONDS = 0.5  # for what is being written


class LoopCaches:
    """Finished loops by content key. Belongs to the event loop's thread.

    ``ServiceError`` where ``folder`` cannot be used; "" is no disk cache. ``look_seconds`` is how long a loop on the
    disk is waited for.
    """

    def __init__(
        self, memory_bytes: int, folder: str = "", disk_bytes: int = 0, look_seconds: float = _LOOK_SECONDS
    ) -> None:
        self.memory = MemoryCache(memory_bytes)
        self.disk = DiskCache(Path(folder), disk_bytes) if folder else None
        self._look_seconds = look_seconds
        self._contents = FileContents()
        self._readers = FileWorker("loop-reader", _MOST_READS)
        self._hashers = FileWorker("sound-reader", _MOST_READS)  # of other disks than the cache
        self._writers = FileWorker("loop-writer", _MOST_WRITES)

    async def contents(self, init: str) -> str:
        """SHA-256 of the file behind ``init``; ``AudioFileError``: it cannot be read; ``TimeoutError``: not in time."""
        return await self._hashers.ask(partial(self._contents.of, init), _CONTENTS_SECONDS)

    def now(self, key: str) -> FinishedLoop | None:
        """The loop of ``key``, if it is in memory."""
        return self.memory.get(key)

    async def later(self, key: str) -> FinishedLoop | None:
        """The loop of ``key`` from the disk, if that answers in time; it is then in memory too."""
        if self.disk is None:
            return None
        try:
            loop = await self._readers.ask(partial(self.disk.get, key), self._look_seconds)
        except TimeoutError:
            return None
        if loop is not None:
            self.memory.put(key, loop)
        return loop

    def put(self, key: str, loop: FinishedLoop) -> None:
        """Keep ``loop`` in memory at once, and on the disk soon, unless too many wait for that."""
        self.memory.put(key, loop)
        if self.disk is not None:
            self._writers.post(partial(self.disk.put, key, loop))

    def drop(self, key: str) -> None:
        """Forget the loop of ``key``: it is none that its users can play."""
        self.memory.drop(key)
        if self.disk is not None:
            self._writers.post(partial(self.disk.drop, key))

    def close(self) -> None:
        """Wait shortly for what is being written."""
        self._writers.close(_END_SECONDS)
        self._readers.close(0.0)
        self._hashers.close(0.0)
