"""Ramp: one control value over absolute frames; with it the power law of every crossfade.

All arithmetic here is addition, multiplication and square root, which IEEE 754 rounds the same way one value at a time
or many at once. So a block of 4096 frames and 64 blocks of 64 give the same bits; ``np.sin`` does not promise that.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass
from operator import itemgetter

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

    Moves that are known ahead may be given ahead (``move_later``). Not thread-safe: used by the mixer's thread only.
    ``end_frame`` is ``None`` at rest with no move to come.
    """

    __slots__ = ("_frames", "_from", "_later", "_start", "_stop", "_to", "end_frame")

    def __init__(self, value: float) -> None:
        self._from = value
        self._to = value
        self._start = 0
        self._frames = 0
        self._stop: int | None = None  # the end of the move that has begun
        self._later: list[tuple[int, float, int]] = []  # frame, value, frames
        self.end_frame: int | None = None

    @property
    def target(self) -> float:
        """Where the value rests or will rest, by a move that has begun."""
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
        """Go from the value at ``frame`` to ``value`` in ``frames``; no jump unless ``frames`` is 0."""
        self._start_move(frame, value, frames)
        self._update_end()

    def move_later(self, value: float, frame: int, frames: int) -> None:
        """Like ``move``, for a frame still to come; moves on one frame begin in the order they were given."""
        insort(self._later, (frame, value, frames), key=itemgetter(0))
        self._update_end()

    def settle(self, frame: int) -> None:
        """Begin the moves that are due by ``frame``; rest when all are over by then."""
        if self.end_frame is None:
            return
        while self._later and self._later[0][0] <= frame:
            self._start_move(*self._later.pop(0))
        if self._stop is not None and frame >= self._stop:
            self._stop = None
        self._update_end()

    def at(self, frame: int) -> float:
        """The value at ``frame``, which must not lie after a move still to come."""
        if self._stop is None or frame >= self._stop:
            return self._to
        return self._from + (self._to - self._from) * ((frame - self._start) / self._frames)

    def over(self, frame: int, frames: int) -> Gain:
        """The value over ``frames`` from ``frame``, which must not reach past ``end_frame``."""
        if self.end_frame is None:
            return self._to
        end = frame + frames
        if (self._later and self._later[0][0] < end) or (self._stop is not None and self._stop < end):
            return self._over_several(frame, frames)
        return self._line(frame, frames) if self._stop is not None else self._to

    def _line(self, frame: int, frames: int) -> Curve:
        progress = (frame_count(frames) + (frame - self._start)) / self._frames
        return self._from + (self._to - self._from) * progress

    def _over_several(self, frame: int, frames: int) -> Curve:
        """The curve where moves begin within it; every value is that of its own straight line."""
        curve = np.empty(frames)
        now, done = self._current_move(), 0
        bounds = [begin - frame for begin, _, _ in self._later if begin < frame + frames]
        for until, upcoming in zip([*bounds, frames], [*self._later[: len(bounds)], None], strict=True):
            rests = done if now._stop is None else min(max(now._stop - frame, done), until)
            if rests > done:
                curve[done:rests] = now._line(frame + done, rests - done)
            curve[rests:until] = now._to
            done = until
            if upcoming is not None:
                now._start_move(*upcoming)
        return curve

    def _current_move(self) -> Ramp:
        """A ramp with the same current move and none to come."""
        ramp = Ramp(self._from)
        ramp._to, ramp._start, ramp._frames, ramp._stop = self._to, self._start, self._frames, self._stop
        return ramp

    def _start_move(self, frame: int, value: float, frames: int) -> None:
        self._from = self.at(frame)
        self._to = value
        self._start = frame
        self._frames = max(0, frames)
        self._stop = frame + frames if frames > 0 and self._from != value else None

    def _update_end(self) -> None:
        if not self._later:
            self.end_frame = self._stop
            return
        # At least one frame: a jump still to come must begin, too.
        self.end_frame = max(self._stop or 0, *(begin + max(1, frames) for begin, _, frames in self._later))


@dataclass(frozen=True)
class Control:
    """A ramp that messages move, and the range their values are clipped to."""

    ramp: Ramp
    low: float = 0.0
    high: float = 1.0


def equal_power(x: Gain, correlation: float) -> tuple[Gain, Gain]:
    """Gains of the outgoing and the incoming signal at position ``x`` (0..1) of a crossfade.

    ``(cos t, sin t) / sqrt(1 + r sin 2t)`` with ``r`` the correlation of the two signals (0..1): the power of the sum
    is constant whether they are unrelated (r = 0, −3 dB each in the middle) or equal (r = 1, −6 dB each).
    ``sin² t = x²(3 − 2x)`` approximates ``sin²(πx/2)`` to within 0.011.
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
