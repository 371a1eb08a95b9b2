"""What a model family is to the rest of the engine: a descriptor that needs no torch, and the loaded model behind it.

A new family is a folder beside ``bundled/`` and ``riffusion/`` with a subclass of ``FamilyDescriptor`` in a module that
imports no torch, one line in ``registry.FAMILIES``, and the folder's name in the import contracts of pyproject.toml.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import ModelError
from riffengine.notes.loop_notes import LoopNote
from riffengine.processes.render_messages import RenderCost
from riffengine.processes.render_request import RenderRequest

Check = Callable[[], None]

NAME_DIGITS = 16
"""Of a digest of weights, where these are named: for a person, in a journal and in an address of a moment."""


@dataclass(frozen=True)
class Rendition:
    """A rendered loop with everything it was made from.

    ``audio`` ``(stems, frames, channels) float32``, exactly ``request.beats`` beats long, its end meeting its start;
    ``mel`` ``(frames, bands) float32`` of the mix; ``score`` ``(steps, columns) float32`` at sounding pitch, or
    ``None`` where the family knows no notes. ``notes`` are what an instrument would play along, by their onset; none
    where the family knows no notes. ``remarks`` are for the performer, such as that memory ran out.
    """

    request: RenderRequest
    audio: NDArray[np.float32]
    mel: NDArray[np.float32]
    score: NDArray[np.float32] | None
    loudness_lufs: float
    peak: float
    cost: RenderCost = field(default_factory=RenderCost)
    unknown_words: tuple[str, ...] = ()
    notes: tuple[LoopNote, ...] = ()
    remarks: tuple[str, ...] = ()


class Family(Protocol):
    """A loaded model: requests in, renditions out. In the renderer process, or offline."""

    name: str
    stems: tuple[str, ...]
    channels: int
    vocabulary: tuple[str, ...]
    weights_digest: str  # SHA-256 of the weights and of how they are sampled, 64 hex digits

    def render(self, request: RenderRequest, check: Check) -> Rendition:
        """Render one loop; ``check`` is called between denoising steps and may raise ``RenderCancelled``."""


@dataclass(frozen=True)
class ModelShape:
    """What the loops of a model look like: their stems in order, and the channels of each."""

    stems: tuple[str, ...] = ("mix",)
    channels: int = 2


class Vocabulary(Protocol):
    """The words that a family's models know, for those who type prompts."""

    def by_role(self) -> Mapping[str, tuple[str, ...]]:
        """Every word, in groups such as ``genre`` or ``instrument``."""

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """The words of ``prompt`` that are not known, in lower case, in order, each once."""

    def suggest(self, word: str) -> tuple[str, ...]:
        """At most three known words that ``word`` may have meant, best first."""


class FamilyDescriptor(ABC):
    """What is known of a model family without loading a model. No torch: every process may ask it.

    ``model`` is always what a preset or ``--model`` says: a name, a path, or either with options.
    """

    name: str
    stems: tuple[str, ...] = ("mix",)
    """Every stem that its models may have; controller maps may name these, whatever model a set plays."""

    starts_from_songs = False
    """Whether a loop can start from any beats of a song, so that ``render --whole`` can restyle all of it."""

    @abstractmethod
    def owns(self, model: str) -> bool:
        """Whether ``model`` names one of this family; the only place where that is decided."""

    @abstractmethod
    def shape(self, model: str) -> ModelShape:
        """What its loops look like, known before it is loaded. Never raises: loading reports what is wrong."""

    @abstractmethod
    def load(self, model: str) -> Family:
        """The model, its weights loaded; ``ModelError`` when it cannot be. Imports torch."""

    def weights_digest(self, model: str) -> str:
        """The first ``NAME_DIGITS`` of a family's ``weights_digest``; "" where that is not known in advance."""
        return ""

    def vocabulary(self, model: str) -> Vocabulary | None:
        """The words that ``model`` knows; ``None`` where any word may mean something."""
        return None

    def check(self, model: str) -> None:
        """``ModelError`` when ``model`` is not understood or its files are not there; nothing is loaded."""
        return

    def facts(self, model: str) -> Mapping[str, object]:
        """What ``model`` is, for those who ask: it is loaded, and ``ModelError`` says what is wrong. Imports torch."""
        loaded = self.load(model)
        return {"family": self.name, "stems": " ".join(loaded.stems), "channels": loaded.channels}

    def with_memory_limit(self, model: str, size: str) -> str:
        """``model`` with ``size`` (such as ``4GiB``) of the GPU's memory; ``ModelError`` where it takes no limit."""
        raise ModelError(f"--vram is for checkpoints on a GPU; {model} plays on the CPU: leave --vram out")
