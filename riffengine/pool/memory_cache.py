"""MemoryCache: finished loops by content key, least recently used first, bounded in bytes. Pure."""

from __future__ import annotations

from collections import OrderedDict

from riffengine.pool.finished_loop import FinishedLoop


class MemoryCache:
    """Holds at most ``most_bytes`` of samples; 0 keeps nothing. One thread."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._loops: OrderedDict[str, FinishedLoop] = OrderedDict()

    def __len__(self) -> int:
        return len(self._loops)

    def get(self, key: str) -> FinishedLoop | None:
        """The loop of ``key``, now the most recently used; ``None`` when it is not there."""
        loop = self._loops.get(key)
        if loop is not None:
            self._loops.move_to_end(key)
        return loop

    def put(self, key: str, loop: FinishedLoop) -> None:
        """Keep ``loop``; the first one kept for a key stays, and one that is larger than all room is not kept."""
        if key in self._loops or loop.bytes > self.most_bytes:
            return
        self._loops[key] = loop
        self.bytes += loop.bytes
        while self.bytes > self.most_bytes:
            _, dropped = self._loops.popitem(last=False)
            self.bytes -= dropped.bytes

    def drop(self, key: str) -> None:
        """Keep the loop of ``key`` no longer."""
        loop = self._loops.pop(key, None)
        if loop is not None:
            self.bytes -= loop.bytes
