"""The wall clock. Only this module and the device drivers may ask what time it is."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of monotonic time."""

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never goes back."""


class SystemClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        """Nanoseconds of ``CLOCK_MONOTONIC``: the same in every process of the machine."""
        return time.monotonic_ns()

    def unix_seconds(self) -> float:
        """Seconds since 1970, for what outlives a start of the machine; may jump when the clock is set."""
        return time.time_ns() / 1e9


class VirtualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Nanoseconds as last set."""
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        """Move to ``now_ns``; moving back is refused."""
        if now_ns < self._now_ns:
            raise ValueError(f"the clock stands at {self._now_ns} ns and cannot go back to {now_ns} ns")
        self._now_ns = now_ns
