"""Paced: an output without a device. The machine's clock pulls the blocks, for recording, streaming and servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from riffengine.clock import Clock


class PacedOutput:
    """A thread that asks for a block whenever the clock says one is due.

    Deadlines are counted from the start (block n is due at n · block / rate), so lateness never adds up; after a stall
    it catches up and no block is left out. ``fill(out, late)`` writes ``(frames, channels) float32``; ``late`` says
    that the block before was not done until its own time was over, which a device would have heard as an underrun.
    """

    def __init__(
        self,
        fill: Callable[[NDArray[np.float32], bool], None],
        sample_rate: int,
        block_frames: int,
        channels: int,
        clock: Clock,
    ) -> None:
        self.name = "paced"
        self.latency_seconds = block_frames / sample_rate
        self._fill = fill
        self._clock = clock
        self._rate = sample_rate
        self._out = np.zeros((block_frames, channels), dtype=np.float32)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="paced-output", daemon=True)

    def start(self) -> None:
        """Begin to pull."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Finish the block that is being made, and end."""
        self._stopping.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        frames = len(self._out)
        start_ns = self._clock.now_ns()
        done, late = 0, False
        while not self._stopping.is_set():
            wait_ns = start_ns + done * frames * 1_000_000_000 // self._rate - self._clock.now_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / 1e9)
            self._fill(self._out, late)
            done += 1
            late = self._clock.now_ns() > start_ns + done * frames * 1_000_000_000 // self._rate
