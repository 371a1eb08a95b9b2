"""PoolPolicy: the figures by which a pool decides."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PoolPolicy:
    """The figures the dispatcher works by. Seconds are the pool's time."""

    sign_seconds: float = 1.0  # between two signs that a loop waits
    silent_seconds: float = 4.0  # a member at work reports every second; this long without a word, it gets no more
    end_seconds: float = 20.0  # this long without a word or an answer to a stop, it is ended
    tries: int = 3  # members that may fail with one loop before the client is told
    losses: int = 3  # members that may die with one loop before the client is told
    least_hedge_seconds: float = 0.05
    patience: float = 2.0  # times p95, before a second attempt at what nobody waits for
    far: float = 3.0  # times p95: a deadline so far away does not hurry yet
    use_half_life_seconds: float = 30.0
    bare_seconds: float = 5.0  # without a seat of a numeric kind: its clients go over to another that has one
