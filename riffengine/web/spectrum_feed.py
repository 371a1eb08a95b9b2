"""SpectrumFeed: the spectrogram of the output to every page that watches, computed once while anybody watches."""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable

import numpy as np

from riffengine.processes.audio_tap import AudioTap
from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.feeds import Listener
from riffengine.web.spectrum import BANDS, COLUMNS_PER_BEAT, WINDOW, columns_at

_POLL_SECONDS = 0.03  # two columns at 120 bpm
_MOST_COLUMNS = 64  # in one message
_PAST_SECONDS = 5.0  # that the first one who watches gets at once; the tap holds 5.9
_KEPT = 16  # messages for those who come later
_MOST_WAITING = 128
_HEADER = struct.Struct("<HHId")
"""Bands, columns, zero, number of the first column: see ``docs/web_protocol.md``."""


class SpectrumFeed:
    """Computes columns of what is in ``tap`` on the present ``grid``. The server's event loop."""

    def __init__(self, tap: AudioTap, grid: Callable[[], BeatGrid], stalled_seconds: float) -> None:
        self._tap, self._grid, self._stalled_seconds = tap, grid, stalled_seconds
        self._watchers: set[Listener] = set()
        self._kept: deque[bytes] = deque(maxlen=_KEPT)
        self._next: int | None = None  # the number of the next column
        self._some_watch = asyncio.Event()

    def __len__(self) -> int:
        return len(self._watchers)

    @contextlib.asynccontextmanager
    async def watcher(self) -> AsyncIterator[Listener]:
        """A new watcher, who gets the last seconds and every column from now on, and leaves at the end of the block."""
        listener = Listener(_MOST_WAITING, self._stalled_seconds)
        for message in self._kept:
            listener.put(message)
        self._watchers.add(listener)
        self._some_watch.set()
        try:
            yield listener
        finally:
            listener.end()
            self._watchers.discard(listener)

    async def run(self) -> None:
        """Feed the watchers for ever."""
        while True:
            if not self._watchers:
                self._kept.clear()
                self._next = None
                self._some_watch.clear()
                await self._some_watch.wait()
            while (message := self._compute()) is not None:
                self._kept.append(message)
                for watcher in self._watchers:
                    watcher.put(message)
                await asyncio.sleep(0)
            await asyncio.sleep(_POLL_SECONDS)

    def _compute(self) -> bytes | None:
        """The next message, ``None`` while no whole column has been played."""
        tap, grid = self._tap, self._grid()
        newest = math.floor(grid.beat_at(tap.end - WINDOW // 2) * COLUMNS_PER_BEAT)
        oldest = math.ceil(grid.beat_at(tap.end - _PAST_SECONDS * tap.sample_rate) * COLUMNS_PER_BEAT)
        if self._next is None or not oldest <= self._next <= newest + COLUMNS_PER_BEAT:
            self._next = max(0, oldest)  # the first time, after a pause of the server, or after a jump of the beat
        count = min(newest + 1 - self._next, _MOST_COLUMNS)
        if count <= 0:
            return None
        first, self._next = self._next, self._next + count
        frames = np.array([grid.frame_at((first + n) / COLUMNS_PER_BEAT) for n in range(count)], np.int64)
        begin = int(frames[0]) - WINDOW // 2
        tapped = tap.read(begin, int(frames[-1]) - begin + WINDOW // 2)
        mono = tapped.samples.mean(axis=1) if len(tapped.samples) else np.zeros(1, np.float32)
        columns = columns_at(mono, np.clip(frames - tapped.frame, 0, len(mono)), tap.sample_rate)
        return _HEADER.pack(BANDS, count, 0, first) + columns.tobytes()
