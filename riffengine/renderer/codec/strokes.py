"""Strokes: gives the strokes of drums the steep beginning that the windows of the codec blur.

Where the envelopes that were read from a mel image rise by some dB within a few milliseconds, there is a stroke. In
each zone the noise before it is held down, and what comes between its beginning and its peak is raised to the peak.
The envelopes alone decide where: chance peaks of a steady noise would be taken for strokes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SLOPE_SECONDS = 0.0022  # the rise of an envelope is taken over twice this time
_APART_SECONDS = 0.015  # of two strokes of a zone
_BEFORE_SECONDS, _AFTER_SECONDS = 0.025, 0.010  # where a stroke is compared with what was before
_LEAST_RISE_DB = 6.0
_RANGE_DB = 24.0  # quieter strokes than the loudest of the zone by more than this are left as they are
_PEAK_SECONDS = -0.006, 0.010  # where the peak of the sound is looked for, around the steepest place
_HELD_SECONDS = 0.020  # before a stroke
_SETTLED_SECONDS = 0.008  # before a stroke, where it does not sound yet
_TOGETHER_SECONDS = 0.008  # strokes of several zones within this time are one, and begin together
_LEAST_SHARE = 0.08  # of the peak; the noise before a stroke is held at this, or at its own level
_MOST_GAIN = 2.0
_LEAST_GAIN = 0.05
_SILENT = 1e-9

Values = NDArray[np.float32]


@dataclass(frozen=True)
class _Stroke:
    """A stroke in one zone, in cells: where it begins (half of its peak) and where the peak is; both may wrap."""

    zone: int
    begins: int
    peak: int
    level: float  # at the peak
    before: float  # the level before it


def stroke_gains(envelopes_db: Values, levels: Values, cell_seconds: float) -> Values:
    """Gains ``(zones, cells)`` that make the strokes of a loop steep.

    ``envelopes_db`` ``(zones, cells)`` are predicted, ``levels`` ``(zones, cells)`` are those of the sound itself;
    both are circular. A loop without strokes gets ones.
    """
    found = [
        stroke
        for zone in range(len(levels))
        for stroke in _strokes_of(zone, envelopes_db[zone], levels[zone], cell_seconds)
    ]
    gains = np.ones_like(levels)
    together, cells = _TOGETHER_SECONDS / cell_seconds, levels.shape[1]
    for stroke in found:
        apart = [(other.begins - stroke.begins + cells // 2) % cells - cells // 2 for other in found]
        same = [(other.level, later) for other, later in zip(found, apart, strict=True) if abs(later) <= together]
        begins = stroke.begins + max(same)[1]
        places, gain = _gain_of(stroke, begins, levels[stroke.zone], round(_HELD_SECONDS / cell_seconds))
        gains[stroke.zone, places] *= gain
    return gains.clip(_LEAST_GAIN, _MOST_GAIN)


def _strokes_of(zone: int, envelope_db: Values, level: Values, cell_seconds: float) -> list[_Stroke]:
    def cells(seconds: float) -> int:
        return round(seconds / cell_seconds)

    def around(values: Values, place: int, first: float, last: float) -> Values:
        return values[np.arange(place + cells(first), place + cells(last)) % len(values)]

    slope = np.roll(envelope_db, -cells(_SLOPE_SECONDS)) - np.roll(envelope_db, cells(_SLOPE_SECONDS))
    quietest = float(envelope_db.max()) - _RANGE_DB
    found = []
    for place in _peaks(slope, cells(_APART_SECONDS)):
        loud = float(around(envelope_db, place, 0.0, _AFTER_SECONDS).max())
        soft = float(around(envelope_db, place, -_BEFORE_SECONDS, -_SLOPE_SECONDS).min())
        if loud - soft < _LEAST_RISE_DB or loud < quietest:
            continue
        near = around(level, place, *_PEAK_SECONDS)
        peak = int(near.argmax())
        if not near[peak] > _SILENT:
            continue
        below = np.flatnonzero(near[:peak] < 0.5 * near[peak])
        begins = int(below[-1]) + 1 if len(below) else -cells(_PEAK_SECONDS[0])
        first = place + cells(_PEAK_SECONDS[0])
        before = around(level, first + begins, -_HELD_SECONDS, -_SETTLED_SECONDS).mean()
        found.append(_Stroke(zone, first + begins, first + peak, float(near[peak]), float(before)))
    return found


def _peaks(slope: Values, apart: int) -> list[int]:
    """Where a slope is the greatest of all within ``apart`` cells, and rises."""
    wrapped = np.concatenate([slope[-apart:], slope, slope[:apart]])
    highest = np.lib.stride_tricks.sliding_window_view(wrapped, 2 * apart + 1).max(axis=1)
    first = slope > np.roll(slope, 1)  # of several that are equal
    return [int(place) for place in np.flatnonzero((slope == highest) & first & (slope > _LEAST_RISE_DB / 2))]


def _gain_of(stroke: _Stroke, begins: int, level: Values, held: int) -> tuple[NDArray[np.int64], Values]:
    """The cells that a stroke changes, and their gains: held down before ``begins``, at the peak's level from there."""
    places = np.arange(min(stroke.peak, begins) - held, max(stroke.peak, begins + 1) + 1)
    here = level[places % len(level)] + 1e-9
    low = max(_LEAST_SHARE * stroke.level, stroke.before)
    held_down, raised = np.minimum(low / here, 1.0), np.clip(stroke.level / here, 1.0, _MOST_GAIN)
    gains = np.where(places < begins, held_down, raised)
    for place, share in ((begins - 1, 0.25), (begins, 0.75)):  # the rise itself, in equal steps of dB
        between = stroke.level * (low / stroke.level) ** (1.0 - share)
        gains[place - places[0]] = min(between / here[place - places[0]], _MOST_GAIN)
    return places % len(level), gains.astype(np.float32)
