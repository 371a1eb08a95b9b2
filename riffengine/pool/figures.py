"""PoolFigures: what a pool has done and what it has, at one moment; and the render times by which it decides."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

_WINDOW = 48  # render times of one kind of job
_ENOUGH = 3  # render times before a quantile means anything


@dataclass
class PoolCounts:
    """How often each thing has happened since the pool began."""

    begun: int = 0  # attempts, hedges and retries included
    delivered: int = 0  # loops that a member made and that were handed on
    hits: int = 0  # loops that were handed on without a render
    shared: int = 0  # jobs that joined one that was being rendered already
    hedges: int = 0  # second attempts beside a slow one
    retries: int = 0  # attempts after a failure, a death or a silence
    lost: int = 0  # attempts that ended with their member
    silences: int = 0  # members that said nothing for too long
    disagreements: int = 0  # second answers that differ from the first
    kind_changes: int = 0  # sets that had to change their numeric kind
    wasted_seconds: float = 0.0  # of seats, in attempts whose result nobody took
    worked_seconds: float = 0.0  # of seats, in all attempts


class RenderSeconds:
    """The last render times by number of steps. Pure."""

    def __init__(self) -> None:
        self._recent: dict[int, deque[float]] = {}

    def learn(self, steps: int, seconds: float) -> None:
        """A loop of ``steps`` took ``seconds``."""
        self._recent.setdefault(steps, deque(maxlen=_WINDOW)).append(seconds)

    def quantile(self, steps: int, share: float) -> float:
        """Seconds that this share of the loops of ``steps`` did not exceed; infinite until three are known."""
        recent = self._recent.get(steps, ())
        if len(recent) < _ENOUGH:
            return math.inf
        return sorted(recent)[max(0, math.ceil(share * len(recent)) - 1)]
