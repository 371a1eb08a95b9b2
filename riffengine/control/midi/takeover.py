"""Takeover: what a knob does that does not stand where its parameter does.

``none`` jumps. ``pickup`` waits until the knob comes to the parameter: a knob that is away from it is ignored, except
in the middle of a movement that already had it. ``scale`` moves at once, each way in proportion to the travel left.
Source: the published truth table of Mixxx's soft takeover (threshold 3/128, window 50 ms) and Live's Value Scaling.
"""

from __future__ import annotations

from typing import Literal

Takeover = Literal["none", "pickup", "scale"]
THRESHOLD = 3 / 128  # of the travel: nearer than this is where the parameter is
WINDOW_NS = 50_000_000  # since the last value that counted; a fast move leaps over the threshold


class Hold:
    """One knob on one parameter; positions are shares of the travel, 0..1. Belongs to the event loop."""

    def __init__(self, kind: Takeover) -> None:
        self._kind = kind
        self._before: float | None = None  # where the knob stood last
        self._counted_ns: int | None = None  # when a value last counted

    def take(self, knob: float, parameter: float, now_ns: int) -> float | None:
        """Where the parameter goes when the knob comes to ``knob`` at ``now_ns``; ``None`` leaves it alone."""
        before, self._before = self._before, knob
        if self._kind == "none":
            return knob
        if self._kind == "scale":
            return _scaled(before, knob, parameter)
        if before is None or self._ignores(before, knob, parameter, now_ns):
            return None
        self._counted_ns = now_ns
        return knob

    def _ignores(self, before: float, knob: float, parameter: float, now_ns: int) -> bool:
        if abs(parameter - knob) <= THRESHOLD:
            return False
        later = self._counted_ns is None or now_ns - self._counted_ns > WINDOW_NS
        opposite = (parameter - before) * (parameter - knob) < 0
        was_far = abs(parameter - before) > THRESHOLD
        return later or (not opposite and was_far)


def _scaled(before: float | None, knob: float, parameter: float) -> float | None:
    if before is None:  # one value has no direction; at an end of the travel it needs none
        return knob if knob in (0.0, 1.0) else None
    moved = knob - before
    if moved > 0.0:
        return 1.0 if knob >= 1.0 else parameter + (1.0 - parameter) * moved / (1.0 - before)
    if moved < 0.0:
        return 0.0 if knob <= 0.0 else parameter + parameter * moved / before
    return None
