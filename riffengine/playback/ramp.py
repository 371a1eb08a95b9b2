"""Ramp: one control value over absolute frames, and the power law of every crossfade.

All arithmetic here is addition, multiplication and square root, which IEEE 754 rounds the same way one value at a time
or many at once. So a block of 4096 frames and 64 blocks of 64 give the same bits; ``np.sin`` would not promise it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
Gain = float | Curve
"""A gain over one segment: a float while it rests, ``(frames,) float64`` while it moves."""

_COUNT: Curve = np.arange(8192, dtype=np.float64)


def frame_count(frames: int) -> Curve:
    """``(frames,) float64``: 0, 1, 2 …; a view of a shared table, not to be written to."""
    global _COUNT  # the table only ever grows
    if frames > len(_COUNT):
        _COUNT = np.arange(2 * frames, dtype=np.float64)
    return _COUNT[:frames]


class Ramp:
    """A value that moves along a straight line between two absolute frames and rests otherwise.

    Not thread-safe: the mixer's thread alone uses it. ``end_frame`` is ``None`` at rest.
    """

    __slots__ = ("_frames", "_from", "_start", "_to", "end_frame")

    def __init__(self, value: float) -> None:
        self._from = value
        self._to = value
        self._start = 0
        self._frames = 0
        self.end_frame: int | None = None

    @property
    def target(self) -> float:
        """Where the value rests or will rest."""
        return self._to

    @property
    def start_frame(self) -> int:
        """The frame on which the last move began."""
        return self._start

    @property
    def rest_frame(self) -> int:
        """The frame from which on the value is ``target``."""
        return self._start + self._frames

    def move(self, value: float, frame: int, frames: int) -> None:
        """Go from wherever the value is at ``frame`` to ``value`` in ``frames``; no jump unless ``frames`` is 0."""
        self._from = self.at(frame)
        self._to = value
        self._start = frame
        self._frames = max(0, frames)
        self.end_frame = frame + frames if frames > 0 and self._from != value else None

    def settle(self, frame: int) -> None:
        """Rest when ``frame`` is at or past the end of the move."""
        if self.end_frame is not None and frame >= self.end_frame:
            self.end_frame = None

    def at(self, frame: int) -> float:
        """The value at ``frame``."""
        if self.end_frame is None or frame >= self.end_frame:
            return self._to
        return self._from + (self._to - self._from) * ((frame - self._start) / self._frames)

    def over(self, frame: int, frames: int) -> Gain:
        """The value over ``frames`` from ``frame``, which must not reach past ``end_frame``."""
        if self.end_frame is None:
            return self._to
        progress = (frame_count(frames) + (frame - self._start)) / self._frames
        return self._from + (self._to - self._from) * progress


def equal_power(x: Gain, correlation: float) -> tuple[Gain, Gain]:
    """Gains of the outgoing and the incoming signal at position ``x`` (0..1) of a crossfade.

    ``(cos t, sin t) / sqrt(1 + r sin 2t)`` with ``r`` the correlation of the two signals (0..1): the power of the sum
    is constant whether they are strangers (r = 0, −3 dB each in the middle) or the same (r = 1, −6 dB each).
    ``sin² t = x²(3 − 2x)`` stands for ``sin²(πx/2)``, never more than 0.011 away.
    """
    if isinstance(x, float):
        rising = x * x * (3.0 - 2.0 * x)
        falling = max(1.0 - rising, 0.0)
        outgoing, incoming = math.sqrt(falling), math.sqrt(rising)
        if correlation == 0.0:
            return outgoing, incoming
        norm = math.sqrt(1.0 + correlation * (2.0 * (outgoing * incoming)))
        return outgoing / norm, incoming / norm
    rise = x * x * (3.0 - 2.0 * x)
    fall = np.maximum(1.0 - rise, 0.0)
    out, into = np.sqrt(fall), np.sqrt(rise)
    if correlation == 0.0:
        return out, into
    norms = np.sqrt(1.0 + correlation * (2.0 * (out * into)))
    return out / norms, into / norms
