"""Backoff: how soon what has ended is started again, wherever something is kept running. Pure; time is passed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """How often and how soon a process is started again.

    ``pauses_seconds`` before each new start in a row, the last one for all that follow; a process that lived for
    ``healthy_seconds`` begins the row again. More than ``most_deaths`` within ``within_seconds`` are too many; a
    start that fails does not count, since the system may have room again.
    """

    pauses_seconds: tuple[float, ...] = (0.0, 0.5, 2.0, 5.0)
    healthy_seconds: float = 20.0
    most_deaths: int | None = None
    within_seconds: float = 30.0


class Backoff:
    """How long to wait before the next start: the pauses of ``policy`` in a row, begun again after a long life.

    What takes long to be ready says ``started`` when it is: the time until then says nothing about its health.
    """

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._in_a_row = 0
        self._began_ns: int | None = None  # its last start, if it has not ended since

    def started(self, now_ns: int) -> None:
        """A start was attempted, or what was started is ready."""
        self._began_ns = now_ns

    def pause(self, now_ns: int) -> float:
        """Seconds until the next start, of what could not be started or has died at ``now_ns``."""
        if self._began_ns is not None and (now_ns - self._began_ns) / 1e9 > self._policy.healthy_seconds:
            self._in_a_row = 0
        self._began_ns = None
        pauses = self._policy.pauses_seconds
        self._in_a_row += 1
        return pauses[min(self._in_a_row, len(pauses)) - 1]
