"""Composes and renders the loops that the bundled model learns from: theory → parts → performance → audio."""

from tools.train.compose.composition import Composition, compose

__all__ = ["Composition", "compose"]
