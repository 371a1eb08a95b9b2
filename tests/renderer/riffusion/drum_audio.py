"""Drum audio for tests: its beats and bar lines are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE, BPM = 44100, 125.0


def kicks(beats: int, lead_in: float) -> NDArray[np.float32]:
    """``beats`` kicks, the first of each bar the loudest, after ``lead_in`` seconds of near silence."""
    period = 60.0 / BPM
    sound = np.random.default_rng(0).normal(0.0, 1e-3, round((lead_in + beats * period) * RATE)).astype(np.float32)
    time = np.arange(round(0.2 * RATE)) / RATE
    for beat in range(beats):
        start = round((lead_in + beat * period) * RATE)
        kick = np.sin(2 * np.pi * 60.0 * time) * np.exp(-time * 20.0) * (0.9 if beat % 4 == 0 else 0.5)
        target = sound[start : start + len(kick)]
        target += kick[: len(target)].astype(np.float32)
    return sound
