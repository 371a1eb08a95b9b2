"""Gain: decibels as linear gain, and which stems their mute and solo let through. Pure."""

from __future__ import annotations

from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import stems_of

SILENT_DB = -60
"""The bottom of every fader is silence."""
LOUDEST_DB = 6
"""The top of every fader."""


def linear_gain(db: float) -> float:
    """Linear gain of ``db`` decibels; 0 at ``SILENT_DB`` and below."""
    return 0.0 if db <= SILENT_DB else float(10.0 ** (db / 20.0))


def stem_audible(state: PerformanceState, deck: str, stem: str) -> bool:
    """Whether mute and solo let ``stem`` of ``deck`` through: solo silences all that are not, mute silences always."""
    at = f"deck/{deck}/stem"
    solos = [name for name in stems_of(state.values, deck) if state[f"{at}/{name}/solo"]]
    return not state[f"{at}/{stem}/mute"] and (not solos or stem in solos)
