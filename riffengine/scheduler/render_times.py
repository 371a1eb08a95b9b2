"""RenderTimes: how long a render takes here, learnt from the last ones."""

from __future__ import annotations

import math
from collections import deque

_WINDOW = 48  # renders; at 0.5 s each, what the machine did in the last half minute
_PRIOR_UNTIL = 6  # measured renders after which the prior is forgotten


class RenderTimes:
    """A sliding window of render times in seconds, with a prior until enough are known."""

    def __init__(self, prior_seconds: float) -> None:
        self._prior_seconds = prior_seconds
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._sorted: list[float] = [prior_seconds]
        self._p95 = prior_seconds  # asked for at every tick

    def add(self, seconds: float) -> None:
        """Learn one render time."""
        self._recent.append(seconds)
        known = list(self._recent)
        if len(known) < _PRIOR_UNTIL:
            known.append(self._prior_seconds)
        self._sorted = sorted(known)
        self._p95 = self._quantile(0.95)

    @property
    def p50(self) -> float:
        """Median seconds."""
        return self._quantile(0.5)

    @property
    def p95(self) -> float:
        """Seconds that 95 of 100 renders do not exceed: what a landing is promised by."""
        return self._p95

    def _quantile(self, share: float) -> float:
        return self._sorted[max(0, math.ceil(share * len(self._sorted)) - 1)]
