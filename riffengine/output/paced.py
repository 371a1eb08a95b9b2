"""PacedOutput: an output without a device. The machine's clock pulls the blocks, for recording and servers."""

from __future__ import annotations

import threading
import time

import numpy as np

from riffengine.clock import Clock, SystemClock
from riffengine.output.output import OutputSettings
from riffengine.processes.audio import Fill


class PacedOutput:
    """A thread that asks for a block whenever the clock says one is due.

    Deadlines are counted from the start (block n is due at n · block / rate), so delays do not add up; after a stall it
    catches up and leaves no block out. ``fill(out, late)`` writes ``(frames, channels) float32``; ``late`` says that
    the block before was finished after its own time was over, which would have been an underrun on a device.
    """

    def __init__(self, fill: Fill, sample_rate: int, block_frames: int, channels: int, clock: Clock) -> None:
        self.name = "paced"
        self.latency_seconds = block_frames / sample_rate
        self.input_latency_seconds: float | None = None
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
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Finish the current block, and end."""
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


def open_output(settings: OutputSettings, fill: Fill, retry: bool) -> PacedOutput:
    """The ``Opener`` of the output ``paced``; it always succeeds."""
    return PacedOutput(fill, settings.sample_rate, settings.block_frames, settings.channels, SystemClock())
