"""Lead: how many frames a part of the mixer works ahead of the sound that is handed out."""

from __future__ import annotations

RISE = 4
"""A lead that grows does so by four frames a frame: the work of one second is then spread over a third of one."""


class Lead:
    """A number of frames that grows and shrinks along straight lines over absolute frames. Mixer's thread only.

    It shrinks by one frame a frame: the part stands still until the sound has caught up. The value is a function of
    the frame alone, so it does not depend on the size of the blocks.
    """

    def __init__(self) -> None:
        self.target = 0
        self._from, self._start = 0, 0

    def move(self, target: int, frame: int) -> None:
        """Go to ``target`` frames from ``frame`` on."""
        if target != self.target:
            self._from, self._start = self.at(frame), frame
            self.target = target

    @property
    def reached_at(self) -> int:
        """The frame from which on the lead is ``target``."""
        apart = self.target - self._from
        return self._start + (-(-apart // RISE) if apart > 0 else -apart)

    def at(self, frame: int) -> int:
        """The lead at ``frame``."""
        passed = max(0, frame - self._start)
        if self.target >= self._from:
            return min(self.target, self._from + RISE * passed)
        return max(self.target, self._from - passed)
