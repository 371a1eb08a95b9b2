"""CueBus: a second pair of channels for headphones, where decks are heard before their faders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from riffengine.playback.limiter import Limiter
from riffengine.playback.ramp import Gain, Ramp, equal_power
from riffengine.processes.audio import Block


class CueBus:
    """What only the performer hears. ``mix`` is 0 for the cued decks … 1 for the master, equal power between.

    Used by the mixer's thread only.
    """

    def __init__(self, decks: Sequence[str], sample_rate: int, channels: int) -> None:
        self.gain = Ramp(1.0)
        self.mix = Ramp(0.0)
        self.switches = {name: Ramp(0.0) for name in decks}
        self.ramps = [self.gain, self.mix, *self.switches.values()]
        self.limiter = Limiter(sample_rate, channels)

    def share(self, deck: str, frame: int, frames: int) -> Gain:
        """The gain of ``deck`` on the cue bus."""
        return self.switches[deck].over(frame, frames)

    def blend(self, cued: Block, master: Block, frame: int, fade: Gain) -> None:
        """Turn ``cued`` ``(frames, channels) float32`` into the headphones' sound; ``master`` is already faded."""
        frames = len(cued)
        own, other = equal_power(self.mix.over(frame, frames), 0.0)
        gain = self.gain.over(frame, frames)
        cued *= _column(own * gain * fade)
        cued += master * _column(other * gain)


def _column(gain: Gain) -> np.float32 | Block:
    return np.float32(gain) if isinstance(gain, float) else gain.astype(np.float32)[:, None]
