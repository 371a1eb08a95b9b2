"""RenderRequest: everything that determines a loop, and what comes back across the process border.

No torch here: the scheduler imports this module.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Point:
    """One end of a morph: what is dreamt, from which noise, and how strongly."""

    prompt: str
    seed: int
    negative: str = ""
    guidance: float = 2.0
    strength: float = 1.0  # share of the denoising that is redone when there is an ``init``; 1 forgets it


@dataclass(frozen=True)
class RenderRequest:
    """Everything that determines a loop: equal requests give equal samples on the same machine.

    ``alpha`` 0 is ``start``, 1 is ``end``. ``steps`` counts denoising steps. ``key`` is a tonic and mode such as
    ``"A minor"``, or ``""`` for C major or A minor as it comes. ``init`` names audio to start from, ``""`` for none.
    """

    start: Point
    end: Point
    alpha: float = 0.0
    steps: int = 8
    bpm: float = 120.0
    beats: int = 8
    sample_rate: int = 44100
    key: str = ""
    init: str = ""
    model: str = "bundled"

    def canonical(self) -> RenderRequest:
        """The same loop written one way: an end that alpha does not reach is replaced by the one it sits on."""
        if self.alpha <= 0.0:
            return replace(self, end=self.start, alpha=0.0)
        if self.alpha >= 1.0:
            return replace(self, start=self.end, alpha=0.0)
        if self.start == self.end:
            return replace(self, alpha=0.0)
        return self

    def digest(self) -> str:
        """Sixteen hex digits that name the canonical request."""
        text = repr(self.canonical())
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class RenderCost:
    """Wall seconds by part, as measured in the renderer process."""

    text: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0
    phase: float = 0.0

    @property
    def total(self) -> float:
        """Seconds for the whole loop."""
        return float(sum(getattr(self, f.name) for f in fields(self)))


# --- engine → renderer ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Render:
    """Render ``request`` and write its samples into ``slot`` of the loop store."""

    job: int
    request: RenderRequest
    slot: int


@dataclass(frozen=True)
class Cancel:
    """Drop ``job`` if it has not begun; stop it between two denoising steps if it has."""

    job: int


@dataclass(frozen=True)
class Shutdown:
    """End the renderer process when the job in hand is done."""


# --- renderer → engine ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """The model is loaded and warm. ``stems`` and ``vocabulary`` are what this family declares."""

    model: str
    stems: tuple[str, ...]
    channels: int
    vocabulary: tuple[str, ...]
    load_seconds: float
    weights_digest: str


@dataclass(frozen=True)
class Delivery:
    """A finished rendition lies in ``slot``: ``(stems, frames, channels) float32``, exactly ``beats`` beats long.

    ``loudness_lufs`` is the integrated loudness of the mix after levelling, ``peak`` its largest absolute sample.
    """

    job: int
    slot: int
    request: RenderRequest
    frames: int
    channels: int
    stems: tuple[str, ...]
    loudness_lufs: float
    peak: float
    cost: RenderCost
    unknown_words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cancelled:
    """``job`` was dropped on request; its slot was not (or only partly) written."""

    job: int


@dataclass(frozen=True)
class Failed:
    """``job`` could not be rendered; ``reason`` is for a person."""

    job: int
    reason: str
    hopeless: bool = False  # trying again cannot help: the file behind ``init`` is no sound


ToRenderer = Render | Cancel | Shutdown
FromRenderer = Ready | Delivery | Cancelled | Failed
