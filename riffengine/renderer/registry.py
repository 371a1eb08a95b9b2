"""The table of model families, and which of them is behind the name that a preset gives its model. No torch."""

from __future__ import annotations

from riffengine.renderer.bundled.descriptor import BundledDescriptor
from riffengine.renderer.family import Family, FamilyDescriptor, ModelShape
from riffengine.renderer.riffusion.descriptor import RiffusionDescriptor
from riffengine.renderer.waveform.descriptor import WaveformDescriptor

FAMILIES: tuple[FamilyDescriptor, ...] = (BundledDescriptor(), WaveformDescriptor(), RiffusionDescriptor())
"""A new family is a line here. The first that owns a model has it; the last owns whatever no other does."""


def family_of(model: str) -> FamilyDescriptor:
    """The family that ``model`` belongs to."""
    return next(family for family in FAMILIES if family.owns(model))


def model_shape(model: str) -> ModelShape:
    """The stems and channels of the loops of ``model``, known before its renderer is ready."""
    return family_of(model).shape(model)


def known_stems() -> tuple[str, ...]:
    """The stems of all families, each once: what a controller map may name without knowing the model."""
    return tuple(dict.fromkeys(stem for family in FAMILIES for stem in family.stems))


def load_family(model: str) -> Family:
    """``model``, its weights loaded; ``ModelError`` when it cannot be loaded. Imports torch."""
    return family_of(model).load(model)
