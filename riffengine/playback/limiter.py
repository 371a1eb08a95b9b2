"""Limiter: a brick-wall limiter with 63 frames of look-ahead; it gives the same bits for every size of block.

The gain a peak needs is held over the look-ahead (sliding minimum), recovers along a straight line, and is smoothed by
a box filter of the same length, so it is reached when the peak is. Gains are integers (2^30 is 1), because running sums
and running minima of integers do not depend on where they began.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riffengine.processes.audio import Block

WINDOW = 64
DELAY = WINDOW - 1
"""Frames by which the output of ``process`` lags its input (1.3 ms)."""

CEILING = 10.0 ** (-0.3 / 20.0)
"""−0.3 dBFS."""

_ONE = 1 << 30
_THRESHOLD = CEILING * (1.0 - 2.0**-21)  # room for the last rounding to float32
_RELEASE_SECONDS = 0.2  # from silence to full gain; the box alone (1.3 ms) would distort bass notes
_ABSURD = 1e9


class Limiter:
    """Streaming limiter for ``(frames, channels) float32``, all channels by the same gain. One thread only."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._slope = round(_ONE / (_RELEASE_SECONDS * sample_rate))
        self._delayed = np.zeros((DELAY, channels), dtype=np.float32)  # samples not yet handed out
        self._needed = np.full(DELAY, _ONE, dtype=np.int64)  # gains those samples need
        self._held = np.full(DELAY, _ONE, dtype=np.int64)  # the envelope of samples already handed out
        self._resting = True
        self.damaged_frames = 0

    def process(self, block: Block) -> Block:
        """As many frames as come in, ``DELAY`` frames late, never above ``CEILING``. NaN and Inf become silence."""
        frames = len(block)
        peaks = np.abs(block).max(axis=1) if block.shape[1] > 1 else np.abs(block[:, 0])
        peak = float(peaks.max(initial=0.0))
        if not peak <= _ABSURD:
            bad = ~np.isfinite(block)
            self.damaged_frames += int(bad.any(axis=1).sum())
            block = np.where(bad, np.float32(0), block)
            peaks = np.abs(block).max(axis=1)
            peak = float(peaks.max(initial=0.0))
        delayed = np.concatenate((self._delayed, block))
        self._delayed = delayed[frames:]
        if self._resting and peak <= _THRESHOLD:
            return delayed[:frames]
        gains = self._gains(peaks.astype(np.float64))
        out: Block = delayed[:frames] * gains.astype(np.float32)[:, None]
        return out

    def _gains(self, peaks: NDArray[np.float64]) -> NDArray[np.float64]:
        frames = len(peaks)
        own = np.full(frames, _ONE, dtype=np.int64)
        over = peaks > _THRESHOLD
        own[over] = np.floor(_THRESHOLD / peaks[over] * _ONE).astype(np.int64)
        needed = np.concatenate((self._needed, own))
        # minimum over [n, n + 63], by doubling: 1, 2, 4 … 64
        ahead, span = needed, 1
        while span < WINDOW:
            ahead = np.minimum(ahead[:-span], ahead[span:])
            span *= 2
        # env[n] = min(ahead[n], env[n-1] + slope), as a running minimum of ahead[n] − slope · n
        line = self._slope * np.arange(1, frames + 1, dtype=np.int64)
        envelope = np.minimum.accumulate(np.minimum(ahead - line, self._held[-1])) + line
        held = np.concatenate((self._held, np.minimum(envelope, _ONE)))
        sums = np.concatenate(([0], np.cumsum(held)))
        box = sums[WINDOW:] - sums[:-WINDOW]
        self._needed = needed[frames:]
        self._held = held[frames:]
        self._resting = bool((self._needed == _ONE).all() and (self._held == _ONE).all())
        return box / (WINDOW * _ONE)
