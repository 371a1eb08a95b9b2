"""Shares: what each client of a pool has used of late, and by that and by urgency the order of what waits. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from riffengine.pool.jobs import Work

_OVER_SHARE = 1.2  # of the mean use of those who wait: whoever has used more comes after them


class Shares:
    """The seat seconds of each client; halved every ``half_life_seconds``. Times are the pool's, in seconds."""

    def __init__(self, half_life_seconds: float) -> None:
        self._half_life_seconds = half_life_seconds
        self._used: dict[str, tuple[float, float]] = {}  # seat seconds, and when they were counted

    def of(self, client: str, now: float) -> float:
        """Seat seconds that ``client`` has used of late."""
        used, counted = self._used.get(client, (0.0, now))
        return float(used * 0.5 ** ((now - counted) / self._half_life_seconds))

    def add(self, client: str, seat_seconds: float, now: float) -> None:
        """``client`` got a loop that took ``seat_seconds``."""
        self._used[client] = (self.of(client, now) + seat_seconds, now)

    def forget(self, client: str) -> None:
        """``client`` has ended."""
        self._used.pop(client, None)

    def in_order(self, works: Iterable[Work], now: float) -> list[Work]:
        """``works``, each with an order or more, in the order in which they shall begin.

        What has a deadline comes first, the earliest before the others, but after that of clients who have used less;
        then drafts, then what is left, by use.
        """
        works = list(works)
        if len(works) < 2:
            return works
        uses = {client: self.of(client, now) for work in works for client, _ in work.orders}
        mean = sum(uses.values()) / len(uses)

        def urgency(work: Work) -> tuple[float, ...]:
            use = min(uses[client] for client, _ in work.orders)
            deadline, steps = work.deadline, float(work.request.steps)
            if deadline is not None:
                return (0.0, float(use > _OVER_SHARE * mean), deadline, steps, use, work.number)
            return (1.0, steps, use, work.number)

        return sorted(works, key=urgency)
