"""Clocks: only this module and the device drivers read the system time; all other code gets the time passed in."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of monotonic time."""

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never decreases."""


class SystemClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        """Nanoseconds of ``CLOCK_MONOTONIC``: the same in every process of the machine."""
        return time.monotonic_ns()

    def unix_seconds(self) -> float:
        """Seconds since 1970, for times that must survive a reboot; may jump when the clock is set."""
        return time.time_ns() / 1e9


class AwakeClock:
    """``clock`` without the time in which its reader stood still: a suspended machine, a stopped process.

    At most ``LONGEST_LOOK_NS`` pass between two readings, so it must be read more often than that. Afterwards nobody
    takes the processes that stood still as well for hung.
    """

    LONGEST_LOOK_NS = 1_000_000_000

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read_ns = self._now_ns = clock.now_ns()

    def now_ns(self) -> int:
        """Nanoseconds; never decreases."""
        read_ns = self._clock.now_ns()
        self._now_ns += min(read_ns - self._read_ns, self.LONGEST_LOOK_NS)
        self._read_ns = read_ns
        return self._now_ns


class VirtualClock:
    """A clock that only moves when told to, for tests and simulations."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Nanoseconds as set last."""
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        """Move to ``now_ns``; ``ValueError`` when that is in the past."""
        if now_ns < self._now_ns:
            raise ValueError(f"the clock is at {self._now_ns} ns and cannot go back to {now_ns} ns")
        self._now_ns = now_ns
