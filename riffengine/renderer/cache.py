"""LruCache: a dict of bounded size that drops the entry which was used longest ago. One thread at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LruCache(Generic[Key, Value]):
    """Keeps the ``size`` most recently used entries."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: OrderedDict[Key, Value] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        """Whether ``key`` is present; does not count as a use."""
        return key in self._entries

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """The value of ``key``, marked as used now, or ``None``."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: Key, value: Value) -> Value:
        """Store ``value`` as the most recently used entry and return it."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self.size:
            self._entries.popitem(last=False)
        return value

    def clear(self) -> None:
        """Remove every entry."""
        self._entries.clear()
