"""Crossfader: one fader between two sides; each deck is on the left, on the right, or bypasses it."""

from __future__ import annotations

from collections.abc import Sequence

from riffengine.playback.ramp import Gain, Ramp, equal_power

LEFT, RIGHT, THRU = range(3)


class Crossfader:
    """Equal power between the sides. The first of several decks begins on the left, the second on the right.

    ``position`` is 0 (left) … 1 (right). Used by the mixer's thread only.
    """

    def __init__(self, decks: Sequence[str]) -> None:
        self.position = Ramp(0.0)
        self._sides = {
            name: tuple(Ramp(float(place == (min(number, THRU) if len(decks) > 1 else THRU))) for place in range(3))
            for number, name in enumerate(decks)
        }
        self.ramps = [self.position, *(ramp for sides in self._sides.values() for ramp in sides)]

    def assign(self, deck: str, side: int, frame: int, frames: int) -> bool:
        """Move ``deck`` to ``side`` within ``frames`` from ``frame``; ``False`` when there is no such side."""
        if side not in (LEFT, RIGHT, THRU):
            return False
        for place, ramp in enumerate(self._sides[deck]):
            ramp.move(float(place == side), frame, frames)
        return True

    def gain(self, deck: str, frame: int, frames: int) -> Gain:
        """The gain that the fader gives ``deck`` over ``frames`` from ``frame``."""
        left, right, thru = (ramp.over(frame, frames) for ramp in self._sides[deck])
        if isinstance(thru, float) and thru == 1.0:
            return 1.0
        falling, rising = equal_power(self.position.over(frame, frames), 0.0)
        if isinstance(left, float) and isinstance(right, float):  # at rest one of them is 1
            return falling if left == 1.0 else rising
        return left * falling + right * rising + thru
