"""Audio: the array types, channel count and sample rates that the processes agree on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Sound in memory: ``(stems, frames, channels) float32`` for a loop, ``(frames, channels)`` for one of its stems."""

Block = NDArray[np.float32]
"""One run of output or of a bus: ``(frames, channels) float32``, written in place where a docstring says so."""

Fill = Callable[[Block, bool], None]
"""``fill(out, starved)`` writes the next block to ``out``; ``starved`` reports an underrun before it."""

CHANNELS = 2
"""Channels of the master and of every loop that the engine plays; mono loops are played in both."""

SAMPLE_RATES = (44100, 48000)
"""What loops are rendered at and devices are opened at, Hz."""

SENDS = ("1", "2")
"""The names of the send buses: what decks send to them goes through plugins and back into the master."""
