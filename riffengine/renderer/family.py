"""Rendition, and the protocol that every model family follows. In the renderer process only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riffengine.notes.loop_notes import LoopNote
from riffengine.processes.render_messages import RenderCost
from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.bundled.score_notes import loop_notes

Check = Callable[[], None]


@dataclass(frozen=True)
class Rendition:
    """A rendered loop with everything it was made from.

    ``audio`` ``(stems, frames, channels) float32``, exactly ``request.beats`` beats long, its end meeting its start;
    ``mel`` ``(frames, bands) float32`` of the mix; ``score`` ``(steps, columns) float32`` at sounding pitch, or
    ``None`` where the family knows no notes. ``remarks`` are for the performer, such as that memory ran out.
    """

    request: RenderRequest
    audio: NDArray[np.float32]
    mel: NDArray[np.float32]
    score: NDArray[np.float32] | None
    loudness_lufs: float
    peak: float
    cost: RenderCost
    unknown_words: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[LoopNote, ...]:
        """What an instrument would play along; none where the family knows no notes."""
        return () if self.score is None else loop_notes(self.score)


class Family(Protocol):
    """A model family behind the renderer: the scheduler knows no more of it than this."""

    name: str
    stems: tuple[str, ...]
    channels: int
    vocabulary: tuple[str, ...]
    weights_digest: str

    def render(self, request: RenderRequest, check: Check) -> Rendition:
        """Render one loop; ``check`` is called between denoising steps and may raise ``RenderCancelled``."""
