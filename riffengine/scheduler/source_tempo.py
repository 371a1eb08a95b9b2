"""SourceTempos and RenderedMemory: at which tempo a deck's loops were rendered, and what the renderer still keeps.

The mel of a prompt and seed depends on a tempo only through the words that the model was given; the synthesis stretches
it over any number of frames. So a loop that has been launched keeps its mel when the tempo moves: it is synthesised
again from what the renderer keeps, in a fraction of the time, and swapped in phase. New prompts are rendered at the
present tempo, unless one end of the bank has been heard before: both ends of a bank are rendered at one tempo, and the
bank that a drift comes to begins with the very loop on which the last one ends.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from functools import lru_cache

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.scheduler.morph_bank import IDS_KEPT, BankKey

_POINTS_KEPT = 256
_MELS_KEPT = 64
"""No more than the renderer keeps: a wrong guess costs an estimate, and nothing else."""


class SourceTempos:
    """The tempi at which the points of one deck were rendered. Pure."""

    def __init__(self) -> None:
        self._bpm: OrderedDict[MorphEnd, float] = OrderedDict()

    def settled(self, key: BankKey) -> BankKey:
        """``key`` with the tempo at which its bank is to be rendered."""
        bpm = self._bpm.get(key.start) or self._bpm.get(key.end) or key.bpm
        return key.at_source_tempo(bpm)

    def learn(self, bank: BankKey | RenderRequest) -> None:
        """``bank`` sounds: from now on both its ends count as rendered at its tempo."""
        for point in (bank.start, bank.end):
            self._bpm[point] = bank.source_tempo
            self._bpm.move_to_end(point)
        while len(self._bpm) > _POINTS_KEPT:
            self._bpm.popitem(last=False)


@lru_cache(maxsize=IDS_KEPT)
def mel_id(key: BankKey, alpha: float) -> str:
    """A name for the mel at ``alpha``, whatever the tempo and the number of steps."""
    return BankKey(replace(key.base, bpm=key.source_tempo, source_bpm=0.0, sample_rate=0)).request(alpha, 0).digest()


class RenderedMemory:
    """What the renderer has rendered and most likely still keeps, as far as the engine can know. Pure."""

    def __init__(self) -> None:
        self._steps: OrderedDict[str, int] = OrderedDict()

    def steps(self, key: BankKey, alpha: float) -> int:
        """The denoising steps of the finest mel that is kept of it; 0 when there is none."""
        return self._steps.get(mel_id(key, alpha), 0)

    def learn(self, key: BankKey, alpha: float, steps: int) -> None:
        """It was rendered with ``steps`` steps, or synthesised from the mel of such a render."""
        name = mel_id(key, alpha)
        self._steps[name] = max(steps, self._steps.pop(name, 0))
        while len(self._steps) > _MELS_KEPT:
            self._steps.popitem(last=False)

    def forget(self, key: BankKey | None = None, alpha: float = 0.0) -> None:
        """The renderer process has ended, and its mels with it; or this one could not be made into sound."""
        if key is None:
            self._steps.clear()
        else:
            self._steps.pop(mel_id(key, alpha), None)
