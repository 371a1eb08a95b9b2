"""PerformanceState: what the performer wants right now, frozen; every change makes a new one."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from riffengine.performance.command import Value


@dataclass(frozen=True)
class DeckIntent:
    """What one deck should sound like: a morph from (prompt, seed) to (to, to_seed) with the knob at ``alpha``."""

    prompt: str
    to: str
    seed: int
    to_seed: int
    alpha: float
    negative: str
    guidance: float
    strength: float
    init: str
    drift: float  # alpha per loop that the deck walks by itself; 0 stands still
    density: float = 0.0
    brightness: float = 0.0
    energy: float = 0.0
    transpose: int = 0
    chords: str = ""  # those that rule: the deck's own, or the session's
    takes: str = ""


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
        at = f"deck/{name}"
        return DeckIntent(
            prompt=self.text(f"{at}/prompt"),
            to=self.text(f"{at}/to"),
            seed=int(self.values[f"{at}/seed"]),
            to_seed=int(self.values[f"{at}/to_seed"]),
            alpha=self.number(f"{at}/alpha"),
            negative=self.text(f"{at}/negative"),
            guidance=self.number(f"{at}/guidance"),
            strength=self.number(f"{at}/strength"),
            init=self.text(f"{at}/init"),
            drift=self.number(f"{at}/drift"),
            density=self.number(f"{at}/density"),
            brightness=self.number(f"{at}/brightness"),
            energy=self.number(f"{at}/energy"),
            transpose=int(self.values[f"{at}/transpose"]),
            chords=self.text(f"{at}/chords") or self.text("chords"),
            takes=self.text(f"{at}/takes"),
        )
