"""AudioCallback: the work of the audio thread for every block: sound out, reports, counters. Nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from riffengine.clock import Clock
from riffengine.output.recorder import Recorder
from riffengine.playback.mixer import Mixer
from riffengine.processes.audio import Block
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.player_messages import FromPlayer, Status

_LOAD_SMOOTHING = 0.05  # the last 20 blocks or so


class AudioCallback:
    """Connects an output to the mixer.

    ``fill`` runs in the audio thread and never waits, logs or raises; ``outbox`` and ``status`` belong to the control
    thread. The deque ``outbox`` passes reports between the two: appending and popping are atomic. ``before`` is called
    before each block, in the audio thread: an output whose host has a timeline of its own places the music there.
    ``ring`` gets what ``hear`` is given.
    """

    def __init__(
        self,
        mixer: Mixer,
        recorder: Recorder | None,
        clock: Clock,
        continues: tuple[int, int] | None = None,
        tap: AudioTap | None = None,
        before: Callable[[], None] | None = None,
        ring: AudioTap | None = None,
    ) -> None:
        self.outbox: deque[tuple[FromPlayer, int]] = deque()
        self.underruns = 0
        self.failures = 0
        self.last_failure: str | None = None
        self._mixer = mixer
        self._recorder = recorder
        self._tap = tap
        self._clock = clock
        self._peak = 0.0
        self._load = 0.0
        self._continues = continues
        self._before = before
        self._ring = ring
        self._last_block = continues or (mixer.frame, clock.now_ns())

    def hear(self, block: Block) -> None:
        """Leave a block of input ``(frames, 1 or 2) float32`` at the frame that is pulled next. The audio thread."""
        if self._ring is not None:
            self._ring.write(self._mixer.frame, block, self._clock.now_ns())

    def fill(self, out: Block, starved: bool) -> None:
        """Write the next block to ``out`` ``(frames, channels) float32``; ``starved`` reports an underrun before it."""
        began = self._clock.now_ns()
        if self._continues is not None:
            self._continue_at(began, *self._continues)
        before = self._mixer.frame
        try:
            if starved:
                self.underruns += 1
            if self._before is not None:
                self._before()
                before = self._mixer.frame
            block = self._mixer.pull(len(out))
            out[:] = block[:, : out.shape[1]]  # an output without a second pair of channels drops the cue bus
            self._peak = max(self._peak, float(np.abs(block[:, : self._mixer.channels]).max()))
            for report in self._mixer.reports():
                self.outbox.append((report, self._clock.now_ns()))
        except Exception as error:  # noqa: BLE001 - whatever fails, the output must get its block; counted and reported
            out[:] = 0.0
            self._mixer.skip(before + len(out))
            self.failures += 1
            self.last_failure = f"{type(error).__name__}: {error}"
        if self._recorder is not None:
            self._recorder.put(out[:, : self._mixer.channels])
        if self._tap is not None:
            self._tap.write(before, out[:, : self._mixer.channels], began)
        ended = self._clock.now_ns()
        load = (ended - began) * self._mixer.sample_rate / (len(out) * 1e9)
        self._load += _LOAD_SMOOTHING * (load - self._load)
        self._last_block = (self._mixer.frame, ended)

    def _continue_at(self, now_ns: int, frame: int, host_ns: int) -> None:
        """Begin at the frame that the replaced player would have reached: it was to pull ``frame`` at ``host_ns``."""
        self._continues = None
        frame += max(0, now_ns - host_ns) * self._mixer.sample_rate // 1_000_000_000
        self._mixer.begin_at(frame)
        if self._recorder is not None:
            self._recorder.begin_at(frame)

    def status(self) -> Status:
        """Frame, counters and load so far; the peak is the largest since the last call."""
        frame, host_ns = self._last_block
        peak, self._peak = self._peak, 0.0
        counters = self._mixer.counters
        return Status(frame, host_ns, self.underruns, counters.late_messages, peak, self._load, counters.plugin_gaps)
