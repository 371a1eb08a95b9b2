"""Scaling: how many renderers a pool wants of a cluster, by the runway of its sets. Pure; time is passed in.

A queue is long too late: an actor takes seconds to start, and a set that waits for a loop already repeats itself. The
runway (seconds until a set has nothing new to play) tells it before, while it falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

_FALLS = 2  # in a row: one alone is what a set that asks for its loops in turn looks like


@dataclass(frozen=True)
class ScalingPolicy:
    """From ``least`` to ``most`` renderers; seconds are the pool's time."""

    least: int = 1
    most: int = 8
    window_seconds: float = 4.0  # a runway falls where its least in this time is below that of the time before, twice
    short_seconds: float = 3.0  # a runway that is below this, or will be when a new actor is there, is short
    start_seconds: float = 15.0  # that an actor takes to start, until one has
    plenty_seconds: float = 180.0  # this long without anything near short, one actor goes
    busy_share: float = 0.6  # of the time of those that stay: what they may have to do then


class Runways:
    """The runway of each set as its last job told it, less the time since. Only sets that wait for a loop have one."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[float, float]] = {}

    def tell(self, client: str, runway_seconds: float | None, now: float) -> None:
        """A job of ``client`` said that it had ``runway_seconds``; ``None``: it plays on with what it has."""
        self._told[client] = (math.inf if runway_seconds is None else runway_seconds, now)

    def forget(self, client: str) -> None:
        """``client`` has gone."""
        self._told.pop(client, None)

    def least(self, waiting: Iterable[str], now: float) -> float:
        """The least of the clients that wait for loops; infinite where none does."""
        known = [self._told[client] for client in waiting if client in self._told]
        return min((max(0.0, seconds - (now - then)) for seconds, then in known), default=math.inf)


class Scaling:
    """How many renderers are wanted. ``step`` is called ten times a second."""

    def __init__(self, policy: ScalingPolicy) -> None:
        self.wanted = policy.least
        self._policy = policy
        self._start_seconds = policy.start_seconds
        self._now: float | None = None
        self._window_began = 0.0
        self._least = [math.inf] * (_FALLS + 1)  # runways of the last windows, the present one first
        self._calm_since = 0.0
        self._busy_seconds = 0.0  # of all actors, since then

    def started(self, seconds: float) -> None:
        """An actor took ``seconds`` until it was ready. The slower ones are remembered longer."""
        self._start_seconds = max(seconds, (self._start_seconds + seconds) / 2)

    def step(self, now: float, runway_seconds: float, ready: int, busy: int) -> int:
        """How many are wanted now that ``ready`` are there, ``busy`` of them at work, with this least runway."""
        policy = self._policy
        self._count(now, runway_seconds, busy)
        ahead = self._ahead()
        if ahead < 2 * policy.short_seconds or not ready:  # where none works, none is idle either
            self._calm(now)
        if ahead < policy.short_seconds and ready >= self.wanted:  # those that start are counted on
            self._want(self.wanted + max(1, self.wanted // 2), now)
        elif now - self._calm_since >= policy.plenty_seconds:
            fewer = self.wanted - 1
            if self._busy_seconds <= policy.busy_share * fewer * (now - self._calm_since):
                self._want(fewer, now)
            self._calm(now)
        return self.wanted

    def _count(self, now: float, runway_seconds: float, busy: int) -> None:
        if self._now is None:
            self._window_began = self._calm_since = self._now = now
        self._busy_seconds += busy * (now - self._now)
        self._now = now
        if now - self._window_began >= self._policy.window_seconds:
            self._window_began, self._least = now, [math.inf, *self._least[:-1]]
        self._least[0] = min(self._least[0], runway_seconds)

    def _ahead(self) -> float:
        """The runway that is left when an actor that is asked for now would be ready, if it falls on as it did."""
        if math.isinf(max(self._least)):  # it did not fall: there was a time when nobody waited
            return self._least[0]
        falls = (before - after for after, before in pairwise(self._least))
        return self._least[0] - max(0.0, min(falls)) / self._policy.window_seconds * self._start_seconds

    def _want(self, wanted: int, now: float) -> None:
        self.wanted = min(self._policy.most, max(self._policy.least, wanted))
        self._calm(now)

    def _calm(self, now: float) -> None:
        """Begin to count the calm, and the work in it."""
        self._calm_since, self._busy_seconds = now, 0.0
