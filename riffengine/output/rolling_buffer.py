"""RollingBuffer: the last minutes of the output in memory, whether or not anything is being recorded."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

_CHUNK_FRAMES = 8192  # a snapshot of five minutes is then a list of 1615 references, taken in 20 us

Samples = NDArray[np.float32]


class RollingBuffer:
    """Holds the newest ``seconds`` of ``(frames, channels) float32``; 0 holds nothing. 353 kB a second in stereo.

    ``put`` belongs to the audio thread: it copies into memory that is there already or, every 8192 frames, allocates
    the next chunk; it never waits. ``last`` may be called from any other thread. Chunks that are full never change, so
    who holds them needs no lock and no second copy.
    """

    def __init__(self, seconds: float, sample_rate: int, channels: int) -> None:
        self._rate, self._channels = sample_rate, channels
        self._chunks: deque[Samples] = deque(maxlen=max(1, -(-round(seconds * sample_rate) // _CHUNK_FRAMES)))
        self._holds = seconds > 0.0
        # One tuple, replaced as a whole: a reader sees the chunk, its filling and the end frame of one moment.
        self._open: tuple[Samples, int, int] = (self._blank(), 0, 0)

    def put(self, block: Samples) -> None:
        """Append ``block``."""
        chunk, filled, end = self._open
        if not self._holds:
            return
        done = 0
        while done < len(block):
            room = min(len(block) - done, _CHUNK_FRAMES - filled)
            chunk[filled : filled + room] = block[done : done + room]
            done, filled, end = done + room, filled + room, end + room
            if filled == _CHUNK_FRAMES:
                self._chunks.append(chunk)
                chunk, filled = self._blank(), 0
        self._open = (chunk, filled, end)

    @property
    def seconds(self) -> float:
        """How much there is."""
        return (len(self._chunks) * _CHUNK_FRAMES + self._open[1]) / self._rate

    def last(self, seconds: float) -> tuple[list[Samples], int]:
        """The newest ``seconds`` (or what there is) in pieces, and the number of frames put before their first."""
        while True:
            before = self._open
            chunks = list(self._chunks.copy())  # copy() is one step of the interpreter: no append comes between
            if self._open[2] == before[2]:
                break
        chunk, filled, end = before
        # A block that is being put now may have filled the chunk, and appended it, before telling of it.
        whole = next((place for place, known in enumerate(chunks) if known is chunk), len(chunks))
        pieces = [*chunks[:whole], chunk[:filled].copy()]
        there = sum(map(len, pieces))
        surplus = there - min(there, round(seconds * self._rate))
        first = end - there + surplus
        while pieces and surplus >= len(pieces[0]):
            surplus -= len(pieces.pop(0))
        if pieces and surplus:
            pieces[0] = pieces[0][surplus:]
        return pieces, first

    def _blank(self) -> Samples:
        return np.empty((_CHUNK_FRAMES, self._channels), dtype=np.float32)
