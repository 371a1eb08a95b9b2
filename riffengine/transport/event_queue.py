"""EventQueue: what is to happen at a given time, in order of time, with a bounded share for each who asks.

Pure: no clock and no I/O; times are nanoseconds of whatever clock the caller lives by. One thread.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Generic, TypeVar

Item = TypeVar("Item")

MAX_ENTRIES = 8192
MAX_ENTRIES_EACH = 1024


class EventQueue(Generic[Item]):
    """Entries that fall due. What is due at the same time comes in the order in which it was entered."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, str, Item]] = []
        self._shares: Counter[str] = Counter()
        self._order = 0

    def __len__(self) -> int:
        return len(self._entries)

    def room(self, who: str) -> int:
        """How many more entries ``who`` may make."""
        return min(MAX_ENTRIES_EACH - self._shares[who], MAX_ENTRIES - len(self._entries))

    def enter(self, due_ns: int, who: str, item: Item) -> bool:
        """Keep ``item`` until ``due_ns``; false when ``who`` has entered too much already."""
        if self.room(who) <= 0:
            return False
        heapq.heappush(self._entries, (due_ns, self._order, who, item))
        self._order += 1
        self._shares[who] += 1
        return True

    def take(self, until_ns: int) -> list[tuple[int, Item]]:
        """Everything that falls due up to ``until_ns``, with its time; it is no longer kept."""
        found = []
        while self._entries and self._entries[0][0] <= until_ns:
            due_ns, _, who, item = heapq.heappop(self._entries)
            found.append((due_ns, item))
            self._shares[who] -= 1
            if not self._shares[who]:
                del self._shares[who]
        return found
