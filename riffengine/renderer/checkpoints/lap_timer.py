"""LapTimer: measures the seconds that each phase of a render job takes."""

from __future__ import annotations

import time

import torch


class LapTimer:
    """Adds up seconds by phase. Synchronises with a CUDA device at the end of a phase, never inside one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        """Count the time since the last lap as time of ``phase``."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now
