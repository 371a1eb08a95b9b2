"""Silence: for how long another process has said nothing, not counting the time in which this one stood still itself.

A machine that was suspended, or a set that was stopped and goes on, has missed every sign of life of that time; whoever
looks first afterwards must not take the others for dead.
"""

from __future__ import annotations

LONGEST_LOOK_SECONDS = 1.0  # between two looks; what is beyond was spent standing still


class Silence:
    """``seconds`` is called regularly, with monotonic time."""

    def __init__(self, now_ns: int) -> None:
        self._looked_ns = now_ns
        self._silent_ns = 0

    def heard(self, now_ns: int) -> None:
        """The other process has said something."""
        self._looked_ns, self._silent_ns = now_ns, 0

    def seconds(self, now_ns: int) -> float:
        """How long it has been silent."""
        self._silent_ns += min(now_ns - self._looked_ns, round(LONGEST_LOOK_SECONDS * 1e9))
        self._looked_ns = now_ns
        return self._silent_ns / 1e9
