"""Ring: the last second and more of a signal by absolute frames."""

from __future__ import annotations

import numpy as np

from riffengine.processes.audio import Block

FRAMES = 1 << 16
"""1.37 s at 48 kHz: the longest lead of one insert, one second and two device blocks, fits."""

_MASK = FRAMES - 1


class Ring:
    """Keeps ``FRAMES`` frames of ``channels`` float32; memory is taken when it is first written. One thread."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._data = np.zeros((FRAMES, channels), dtype=np.float32)

    def write(self, frame: int, sound: Block) -> None:
        """Keep ``sound`` ``(frames, channels)``, which begins at ``frame``."""
        start, frames = frame & _MASK, len(sound)
        first = min(frames, FRAMES - start)
        self._data[start : start + first] = sound[:first]
        if first < frames:
            self._data[: frames - first] = sound[first:]

    def read(self, frame: int, out: Block) -> None:
        """Copy what begins at ``frame`` to ``out``."""
        start, frames = frame & _MASK, len(out)
        first = min(frames, FRAMES - start)
        out[:first] = self._data[start : start + first]
        if first < frames:
            out[first:] = self._data[: frames - first]
