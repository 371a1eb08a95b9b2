"""DawOutput: an output whose blocks are asked for by our plugin in a DAW, through shared memory."""

from __future__ import annotations

import os
import threading
import time

from riffengine.clock import Clock, SystemClock
from riffengine.errors import DeviceError
from riffengine.output.daw_feeder import DawFeeder
from riffengine.output.host_mix import HostMix
from riffengine.output.output import OutputSettings
from riffengine.processes.audio import Fill

LEAD_FRAMES_REALTIME, LEAD_FRAMES = 768, 2048
"""Frames by which rings are filled ahead, with and without real-time priority; more is taken where that is too few."""

_ROLLING_SECONDS, _STANDING_SECONDS = 0.001, 0.003  # between two looks at the rings


class DawOutput:
    """A thread that keeps the rings of all instances of the plugin filled; without one, time goes on by the clock.

    Nothing wakes it: the plugin's audio thread makes no system call. It looks at the rings once in a millisecond while
    a host rolls, and every three while none does.
    """

    def __init__(self, mix: HostMix, fill: Fill, settings: OutputSettings, clock: Clock) -> None:
        self.name = "plugin in a DAW"
        lead_frames = LEAD_FRAMES_REALTIME if _is_realtime() else LEAD_FRAMES
        self.latency_seconds = lead_frames / settings.sample_rate
        self.input_latency_seconds: float | None = None
        width = settings.channels * (2 if settings.cue else 1)
        self._feeder = DawFeeder(mix, fill, width, settings.block_frames, lead_frames)
        self._mix, self._clock = mix, clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="daw-output", daemon=True)

    def start(self) -> None:
        """Begin to fill."""
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
        while not self._stopping.is_set():
            rolling = False
            try:
                rolling = self._feeder.turn(self._clock.now_ns())
            except Exception as error:  # noqa: BLE001 - whatever fails, the next turn may succeed; it is reported
                self._mix.failure = f"{type(error).__name__}: {error}"
            time.sleep(_ROLLING_SECONDS if rolling else _STANDING_SECONDS)


def _is_realtime() -> bool:
    return hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR)


def open_output(settings: OutputSettings, fill: Fill, retry: bool) -> DawOutput:
    """The ``Opener`` of the output ``daw``."""
    if settings.host is None:
        raise DeviceError("the output daw needs a player that was started with it; choose it by --output daw")
    return DawOutput(settings.host, fill, settings, SystemClock())
