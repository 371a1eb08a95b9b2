"""PerformanceState: what the performer wants right now, frozen; every change makes a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from riffengine.performance.command import Value
from riffengine.processes.render_request import RENDER_CONTROLS


@dataclass(frozen=True)
class DeckIntent:
    """What one deck should sound like: a morph from (prompt, seed) to (to, to_seed) with the knob at ``alpha``.

    Every field but ``controls`` is the deck's parameter of that name. ``controls`` are the ``RENDER_CONTROLS``, by
    name.
    """

    prompt: str
    to: str
    seed: int
    to_seed: int
    alpha: float
    negative: str
    guidance: float
    strength: float
    init: str
    drift: float  # alpha per loop by which the deck moves on by itself; 0 stands still
    chords: str  # those in force: the deck's own, or the session's
    takes: str
    memory: str  # what the drift keeps, one of ``walk_form.MEMORY_CHOICES``
    tension: float
    walk: int  # the loop of the walk, where there is memory
    controls: Mapping[str, float]


_KINDS: Mapping[object, Callable[[Any], Any]] = {"str": str, "int": int, "float": float}
_FIELDS = tuple((fact.name, _KINDS[fact.type]) for fact in fields(DeckIntent) if fact.name != "controls")
_RENDER_CONTROLS = tuple((control.name, _KINDS[control.kind]) for control in RENDER_CONTROLS)

INTENT_PARAMETERS: tuple[str, ...] = tuple(name for name, _ in (*_FIELDS, *_RENDER_CONTROLS))
"""The parameters of a deck, by the end of their paths, that an intent is read from."""


@lru_cache(maxsize=16)
def _paths(deck: str) -> tuple[tuple[tuple[str, str, Callable[[Any], Any]], ...], ...]:
    """Name, path and type of every field of an intent of ``deck``, and of every control."""
    return tuple(
        tuple((name, f"deck/{deck}/{name}", kind) for name, kind in names) for names in (_FIELDS, _RENDER_CONTROLS)
    )


@dataclass(frozen=True)
class PerformanceState:
    """The value of every parameter, by path. ``revision`` grows with each change."""

    values: MappingProxyType[str, Value]
    revision: int = 0

    def __getitem__(self, path: str) -> Value:
        """The value at ``path``; ``KeyError`` when the tree has no such parameter."""
        return self.values[path]

    def with_value(self, path: str, value: Value) -> PerformanceState:
        """The state after ``path`` became ``value``. The value must already be valid."""
        return PerformanceState(MappingProxyType(self.values | {path: value}), self.revision + 1)

    def number(self, path: str) -> float:
        """The value at ``path`` as a float."""
        return float(self.values[path])

    def text(self, path: str) -> str:
        """The value at ``path`` as text."""
        return str(self.values[path])

    def deck(self, name: str) -> DeckIntent:
        """Everything that determines what ``name`` renders."""
        values = self.values
        named, controls = ({field: kind(values[path]) for field, path, kind in facts} for facts in _paths(name))
        named["chords"] = named["chords"] or self.text("chords")
        return DeckIntent(**named, controls=controls)
