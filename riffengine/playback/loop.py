"""Loop and LoopTable: the finished loops that the player may read, and how similar any two of them are.

The control thread compares a loop with all others when it is admitted; the audio thread only looks the numbers up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from riffengine.processes.audio import Samples
from riffengine.processes.player_messages import LoopRef

_SKETCH_POINTS = 8192  # r of noise errs by 1/sqrt(8192) = 0.011, 0.05 dB of level in the middle of a crossfade
_LOUDEST = 1000.0  # +60 dBFS: above this a loop is damaged, not loud
_GOLDEN = 0.6180339887498949


@lru_cache(maxsize=16)
def _instants(frames: int) -> NDArray[np.int64]:
    """The frames of a loop at which it is compared with others."""
    phases = (np.arange(_SKETCH_POINTS) * _GOLDEN) % 1.0
    return (phases * frames).astype(np.int64)


class Loop:
    """A loop that can be read. ``samples`` is ``(stems, frames, channels) float32``."""

    __slots__ = ("_products", "_sketch", "energy", "ref", "samples")

    def __init__(self, ref: LoopRef, samples: Samples) -> None:
        self.ref = ref
        self.samples = samples
        # The same 8192 musical instants in every loop, spread without a period (golden ratio), all stems summed.
        instants = _instants(ref.frames)
        self._sketch: NDArray[np.float64] = np.zeros(_SKETCH_POINTS)
        for stem in samples:  # one by one: a sum over two axes at once takes three times as long
            for channel in range(samples.shape[2]):
                self._sketch += stem[instants, channel]
        self.energy = float((self._sketch * self._sketch).sum())
        self._products: dict[int, float] = {}  # with other loops, by their numbers

    def product(self, other: Loop) -> float:
        """The inner product of the two loops' sketches; over the root of both energies it is their correlation."""
        if other is self:
            return self.energy
        known = self._products.get(other.ref.loop)
        if known is None:
            known = other._products.get(self.ref.loop)
        if known is None:
            known = float(np.sum(self._sketch * other._sketch))
            self._products[other.ref.loop] = known
        return known


def correlation(one: Sequence[tuple[Loop, float]], other: Sequence[tuple[Loop, float]]) -> float:
    """How similar two weighted mixes of loops are: 0 (unrelated, opposite or silent) to 1 (equal)."""
    cross = sum(w * v * a.product(b) for a, w in one for b, v in other)
    power_one = sum(w * v * a.product(b) for a, w in one for b, v in one)
    power_other = sum(w * v * a.product(b) for a, w in other for b, v in other)
    if cross <= 0.0 or power_one <= 0.0 or power_other <= 0.0:
        return 0.0
    return min(1.0, cross / math.sqrt(power_one * power_other))


class LoopTable:
    """Every loop the player may read, by its session-wide number.

    The control thread calls ``admit`` before the message that needs the loop; the audio thread calls all else.
    """

    def __init__(self, samples: Callable[[LoopRef], Samples], channels: int, compare_ahead: bool = True) -> None:
        self._samples = samples
        self._compare_ahead = compare_ahead
        self._channels = channels
        self._loops: dict[int, Loop] = {}
        self._refused: dict[int, int] = {}
        self.unusable = 0

    def admit(self, ref: LoopRef) -> Loop | None:
        """Attach a loop and compare it with the others; ``None`` (counted) when it cannot be played.

        Refused: not finite or louder than +60 dBFS, another shape than ``ref`` says, or a wrong number of channels.
        """
        loop = self._loops.get(ref.loop)
        if loop is not None:
            return loop
        if ref.loop in self._refused:  # checked before; the audio thread must not do it again
            return None
        samples = self._samples(ref)
        shape = (len(ref.stems), ref.frames, ref.channels)
        fits = samples.shape == shape and min(shape) > 0 and ref.beats > 0 and ref.channels in (1, self._channels)
        # A comparison with NaN is false, so one test finds NaN, Inf and absurd levels.
        if not fits or not (float(samples.max()) <= _LOUDEST and float(samples.min()) >= -_LOUDEST):
            self._refused[ref.loop] = ref.slot
            self.unusable += 1
            return None
        loop = Loop(ref, samples)
        if self._compare_ahead:
            for other in list(self._loops.values()):
                loop.product(other)
        self._loops[ref.loop] = loop
        return loop

    def get(self, loop: int) -> Loop | None:
        """The loop with this number, if it was admitted."""
        return self._loops.get(loop)

    def refused_slot(self, loop: int) -> int | None:
        """The slot of a refused loop, returned once: nothing ever read it, so it can be freed at once."""
        return self._refused.pop(loop, None)

    def drop(self, loop: int) -> None:
        """Forget a loop that nothing reads."""
        self._loops.pop(loop, None)

    def __len__(self) -> int:
        return len(self._loops)
