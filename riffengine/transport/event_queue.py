"""EventQueue: entries in order of the time at which they are due, with a limited number for each sender.

Pure: no clock and no I/O; times are nanoseconds of the caller's clock. One thread.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Generic, TypeVar

Item = TypeVar("Item")

MAX_ENTRIES = 8192
MAX_ENTRIES_EACH = 1024


class EventQueue(Generic[Item]):
    """Entries by due time; those due at the same time keep the order in which they were entered."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, str, Item]] = []
        self._shares: Counter[str] = Counter()
        self._order = 0

    def __len__(self) -> int:
        return len(self._entries)

    def room(self, sender: str) -> int:
        """How many more entries ``sender`` may add."""
        return min(MAX_ENTRIES_EACH - self._shares[sender], MAX_ENTRIES - len(self._entries))

    def enter(self, due_ns: int, sender: str, item: Item) -> bool:
        """Keep ``item`` until ``due_ns``; false when ``sender`` has too many entries already."""
        if self.room(sender) <= 0:
            return False
        heapq.heappush(self._entries, (due_ns, self._order, sender, item))
        self._order += 1
        self._shares[sender] += 1
        return True

    def take(self, until_ns: int) -> list[tuple[int, Item]]:
        """Remove and return everything due up to ``until_ns``, with its due time."""
        found = []
        while self._entries and self._entries[0][0] <= until_ns:
            due_ns, _, sender, item = heapq.heappop(self._entries)
            found.append((due_ns, item))
            self._shares[sender] -= 1
            if not self._shares[sender]:
                del self._shares[sender]
        return found
