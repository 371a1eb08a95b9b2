"""DeckEffect: what the mixer asks of an effect on the sound of one deck."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from riffengine.playback.ramp import Control
from riffengine.processes.audio import Block


class DeckEffect(Protocol):
    """An effect on one deck, before its gain, mute and crossfader; the cue bus hears it too. Mixer's thread only.

    The mixer cuts its blocks into pieces and calls ``runs`` once at the start of each, then ``process`` where it was
    true. The pieces depend on the size of the blocks, so the samples must not depend on the pieces: compute from
    absolute frames, and start or stop only on frames that ``cut`` names.
    """

    @property
    def controls(self) -> Mapping[str, Control]:
        """The controls by the end of their path: ``echo/time`` is ``deck/<d>/echo/time``. The mixer moves them."""

    def runs(self, frame: int) -> bool:
        """Whether the piece that begins at ``frame`` must pass through ``process``, that is, would be changed by it."""

    def cut(self, frame: int) -> int | None:
        """The next frame after ``frame`` on which ``runs`` may change by itself, ``None`` while it cannot."""

    def twin(self) -> DeckEffect:
        """Another one that the same controls move, for a part of the deck's sound; it begins without a memory."""

    def process(self, sound: Block, frame: int) -> None:
        """Change ``sound`` ``(frames, channels) float32``, which begins at ``frame``, in place."""
