"""The registry of deck effects: every deck of the mixer has one of each, in this order.

A new effect is a module beside this one, an entry here, and a row for each of its controls in
``riffengine.performance.parameters``.
"""

from __future__ import annotations

from collections.abc import Callable

from riffengine.playback.effects.effect import DeckEffect
from riffengine.playback.effects.filter import DeckFilter

DECK_EFFECTS: tuple[Callable[[int, int], DeckEffect], ...] = (DeckFilter,)
"""Factories: ``factory(sample_rate, channels)`` makes the effect of one deck, with its controls at rest."""


def deck_effects(sample_rate: int, channels: int) -> tuple[DeckEffect, ...]:
    """The effects of one deck, in the order in which they process its sound."""
    return tuple(factory(sample_rate, channels) for factory in DECK_EFFECTS)
