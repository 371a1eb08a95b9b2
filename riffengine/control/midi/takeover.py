"""SoftTakeover: what happens when a knob is moved whose position differs from its parameter's.

``none``: the parameter jumps to the knob. ``pickup``: the knob is ignored until it meets the parameter, except in the
middle of a movement that already controlled it. ``scale``: the parameter moves at once, each way in proportion to the
travel that is left.
Source: the published truth table of Mixxx's soft takeover (threshold 3/128, window 50 ms) and Live's Value Scaling.
"""

from __future__ import annotations

from typing import Literal

Takeover = Literal["none", "pickup", "scale"]
THRESHOLD = 3 / 128  # of the travel: a knob that is nearer than this has met the parameter
WINDOW_NS = 50_000_000  # since the last value that was applied; a fast movement jumps over the threshold


class SoftTakeover:
    """One knob on one parameter; positions are shares of the travel, 0..1. Belongs to the event loop."""

    def __init__(self, kind: Takeover) -> None:
        self._kind = kind
        self._before: float | None = None  # the last position of the knob
        self._applied_ns: int | None = None  # when a value was last applied

    def apply(self, knob: float, parameter: float, now_ns: int) -> float | None:
        """The parameter's new position when the knob moves to ``knob`` at ``now_ns``; ``None`` leaves it as it is."""
        before, self._before = self._before, knob
        if self._kind == "none":
            return knob
        if self._kind == "scale":
            return _scaled(before, knob, parameter)
        if before is None or self._ignores(before, knob, parameter, now_ns):
            return None
        self._applied_ns = now_ns
        return knob

    def _ignores(self, before: float, knob: float, parameter: float, now_ns: int) -> bool:
        if abs(parameter - knob) <= THRESHOLD:
            return False
        later = self._applied_ns is None or now_ns - self._applied_ns > WINDOW_NS
        opposite = (parameter - before) * (parameter - knob) < 0
        was_far = abs(parameter - before) > THRESHOLD
        return later or (not opposite and was_far)


def _scaled(before: float | None, knob: float, parameter: float) -> float | None:
    if before is None:  # one value has no direction; at an end of the travel none is needed
        return knob if knob in (0.0, 1.0) else None
    moved = knob - before
    if moved > 0.0:
        return 1.0 if knob >= 1.0 else parameter + (1.0 - parameter) * moved / (1.0 - before)
    if moved < 0.0:
        return 0.0 if knob <= 0.0 else parameter + parameter * moved / before
    return None
