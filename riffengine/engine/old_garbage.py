"""OldGarbage: frees what Python would keep for hours, once a minute, in a millisecond.

Python searches all objects for cyclic garbage only after some seventy thousand more were made than freed, which takes a
set hours. Only that search also gives up the freed tuples that are kept for new ones, up to 2000 of every length, 5 MB:
they grew by 200 kB a minute under three random hands of ten gestures a second each.
"""

from __future__ import annotations

import gc

from riffengine.clock import Clock

EVERY_SECONDS = 60.0


class OldGarbage:
    """The garbage of a performance. The event loop's thread; the collector is that of the whole process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_ns = 0

    def begin(self) -> None:
        """What there is now stays until ``end``: to search it too would delay a gesture by 10 ms and more."""
        gc.collect()
        gc.freeze()
        self._next_ns = self._clock.now_ns() + round(EVERY_SECONDS * 1e9)

    def check(self) -> None:
        """Free what has become garbage, if it is time."""
        if self._clock.now_ns() >= self._next_ns:
            self._next_ns = self._clock.now_ns() + round(EVERY_SECONDS * 1e9)
            gc.collect()

    def end(self) -> None:
        """What the set leaves behind is garbage again: a program may play several."""
        gc.unfreeze()
