"""RollingBuffer: the last minutes of the output in memory, whether or not a recording runs."""

from __future__ import annotations

from collections import deque

import numpy as np

from riffengine.processes.audio import Block

_CHUNK_FRAMES = 8192  # a snapshot of five minutes is then a list of 1615 references, taken in 20 us


class RollingBuffer:
    """Holds the newest ``seconds`` of ``(frames, channels) float32``; 0 holds nothing. 353 kB a second in stereo.

    ``put`` belongs to the audio thread: it copies into memory that is allocated already and, every 8192 frames,
    allocates the next chunk; it never waits. ``last`` may be called from any other thread. Full chunks never change, so
    a reader needs neither a lock nor a copy of them.
    """

    def __init__(self, seconds: float, sample_rate: int, channels: int) -> None:
        self._rate, self._channels = sample_rate, channels
        self._chunks: deque[Block] = deque(maxlen=max(1, -(-round(seconds * sample_rate) // _CHUNK_FRAMES)))
        self._holds = seconds > 0.0
        # One tuple, replaced as a whole: a reader gets a chunk, its filling and the end frame that belong together.
        self._open: tuple[Block, int, int] = (self._new_chunk(), 0, 0)

    def put(self, block: Block) -> None:
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
                chunk, filled = self._new_chunk(), 0
        self._open = (chunk, filled, end)

    @property
    def seconds(self) -> float:
        """The length of what it holds."""
        return (len(self._chunks) * _CHUNK_FRAMES + self._open[1]) / self._rate

    def last(self, seconds: float) -> tuple[list[Block], int]:
        """The newest ``seconds`` (or all there is) in pieces, and the number of frames put before the first piece."""
        while True:
            before = self._open
            chunks = list(self._chunks.copy())  # copy() is one step of the interpreter: no append comes between
            if self._open[2] == before[2]:
                break
        chunk, filled, end = before
        # A block that is being put now may have filled and appended the chunk, but not replaced the tuple yet.
        whole = next((place for place, known in enumerate(chunks) if known is chunk), len(chunks))
        pieces = [*chunks[:whole], chunk[:filled].copy()]
        available = sum(map(len, pieces))
        surplus = available - min(available, round(seconds * self._rate))
        first = end - available + surplus
        while pieces and surplus >= len(pieces[0]):
            surplus -= len(pieces.pop(0))
        if pieces and surplus:
            pieces[0] = pieces[0][surplus:]
        return pieces, first

    def _new_chunk(self) -> Block:
        return np.empty((_CHUNK_FRAMES, self._channels), dtype=np.float32)
