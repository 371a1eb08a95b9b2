"""Morph: the loops of one bank along alpha, and the gain of each at an alpha. It does not change once made."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from riffengine.playback.loop import Loop, correlation
from riffengine.playback.ramp import Curve, Gain, equal_power


class Morph:
    """Loops in order of alpha with the correlation of each pair of neighbours. At least one loop.

    Only the two neighbours of alpha sound; a single loop sounds at every alpha.
    """

    __slots__ = ("alphas", "correlations", "loops")

    def __init__(self, bank: Mapping[float, Loop]) -> None:
        self.alphas = sorted(bank)
        self.loops = [bank[alpha] for alpha in self.alphas]
        self.correlations = [
            correlation([(left, 1.0)], [(right, 1.0)])
            for left, right in zip(self.loops[:-1], self.loops[1:], strict=True)
        ]

    def weights_at(self, alpha: float) -> list[tuple[Loop, float]]:
        """The one or two loops that sound at ``alpha`` and their gains."""
        weights = []
        for loop, gain in self._between(alpha, alpha, alpha):
            assert isinstance(gain, float)
            if gain != 0.0:
                weights.append((loop, gain))
        return weights

    def weights(self, alpha: Gain) -> list[tuple[Loop, Gain]]:
        """The loops that sound while alpha rests (float) or moves (``(frames,) float64``)."""
        if isinstance(alpha, float):
            return list(self.weights_at(alpha))
        return self._between(alpha, float(alpha.min()), float(alpha.max()))

    def _between(self, alpha: Gain, low: float, high: float) -> list[tuple[Loop, Gain]]:
        last = len(self.alphas) - 1
        start = max(bisect_right(self.alphas, low) - 1, 0)
        end = min(bisect_right(self.alphas, high), last)
        rises: Gain = 1.0
        found: list[tuple[Loop, Gain]] = []
        for index in range(start, end + 1):
            # Before its own alpha a loop rises from its left neighbour, after it falls to its right one.
            if index < end:
                x = _position(alpha, self.alphas[index], self.alphas[index + 1])
                falls, next_rises = equal_power(x, self.correlations[index])
            else:
                falls, next_rises = 1.0, 1.0
            found.append((self.loops[index], rises * falls))
            rises = next_rises
        return found


def _position(alpha: Gain, left: float, right: float) -> Gain:
    """The position of ``alpha`` between two neighbours, 0..1."""
    if isinstance(alpha, float):
        return min(max((alpha - left) / (right - left), 0.0), 1.0)
    position: Curve = ((alpha - left) / (right - left)).clip(0.0, 1.0)
    return position
