"""LoopCaches: the memory cache and the optional disk cache of a pool as one; files are used by a thread of its own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from riffengine.pool.content_key import FileContents
from riffengine.pool.disk_cache import DiskCache
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.memory_cache import MemoryCache


class LoopCaches:
    """Finished loops by content key. Belongs to the event loop's thread.

    ``ServiceError`` where ``folder`` cannot be used; "" is no disk cache.
    """

    def __init__(self, memory_bytes: int, folder: str = "", disk_bytes: int = 0) -> None:
        self.memory = MemoryCache(memory_bytes)
        self.disk = DiskCache(Path(folder), disk_bytes) if folder else None
        self._contents = FileContents()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loop-files")

    async def contents(self, init: str) -> str:
        """SHA-256 of the file behind ``init``; ``AudioFileError`` when it cannot be read."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._contents.of, init)

    def now(self, key: str) -> FinishedLoop | None:
        """The loop of ``key``, if it is in memory."""
        return self.memory.get(key)

    async def later(self, key: str) -> FinishedLoop | None:
        """The loop of ``key`` from the disk; it is then in memory too."""
        if self.disk is None:
            return None
        loop = await asyncio.get_running_loop().run_in_executor(self._thread, self.disk.get, key)
        if loop is not None:
            self.memory.put(key, loop)
        return loop

    def put(self, key: str, loop: FinishedLoop) -> None:
        """Keep ``loop`` in memory at once, and on the disk soon."""
        self.memory.put(key, loop)
        if self.disk is not None:
            self._thread.submit(self.disk.put, key, loop)

    def close(self) -> None:
        """Wait for what is being written; what waits behind it is left out."""
        self._thread.shutdown(wait=True, cancel_futures=True)
