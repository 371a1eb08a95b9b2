"""Dreams: the tempo at which what a deck sounds was dreamt, so that another tempo of it needs no new dream.

A dream (the mel of a prompt and seed) has no tempo in it but by what it was told; the synthesis stretches it over any
number of frames. So what has been launched once stays what it is when the tempo moves: it is synthesised anew from the
dream that the renderer keeps, in a fraction of the time, and swapped in phase. New prompts are dreamt at the tempo of
the day, unless one end of the bank has been heard before: both ends of a bank are dreamt at one tempo, and the bank
that a walk comes to begins with the very loop on which the last one ends.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from functools import lru_cache

from riffengine.processes.render_request import Point, RenderRequest
from riffengine.scheduler.morph_bank import BankKey

_POINTS_KEPT = 256
_DREAMS_KEPT = 64
"""No more than the renderer keeps: a wrong guess costs an estimate, and nothing else."""


class SourceTempos:
    """Tempi at which the points of one deck were dreamt. Pure."""

    def __init__(self) -> None:
        self._bpm: OrderedDict[Point, float] = OrderedDict()

    def settled(self, key: BankKey) -> BankKey:
        """``key`` with the tempo at which its bank is to be dreamt."""
        bpm = self._bpm.get(key.start) or self._bpm.get(key.end) or key.bpm
        return key.at_source_tempo(bpm)

    def learn(self, bank: BankKey | RenderRequest) -> None:
        """``bank`` sounds: both its ends are dreams of one tempo from now on."""
        for point in (bank.start, bank.end):
            self._bpm[point] = bank.source_tempo
            self._bpm.move_to_end(point)
        while len(self._bpm) > _POINTS_KEPT:
            self._bpm.popitem(last=False)


@lru_cache(maxsize=8192)
def dream(key: BankKey, alpha: float) -> str:
    """A name for what is dreamt at ``alpha``, whatever the tempo and the number of steps."""
    return BankKey(replace(key.base, bpm=key.source_tempo, source_bpm=0.0, sample_rate=0)).request(alpha, 0).digest()


class RenderedMemory:
    """What the renderer has dreamt and most likely still keeps: the engine's picture of it. Pure."""

    def __init__(self) -> None:
        self._steps: OrderedDict[str, int] = OrderedDict()

    def steps(self, key: BankKey, alpha: float) -> int:
        """The denoising steps of the finest dream that is kept of it; 0 when there is none."""
        return self._steps.get(dream(key, alpha), 0)

    def learn(self, key: BankKey, alpha: float, steps: int) -> None:
        """It was dreamt with ``steps`` steps, or synthesised from that dream."""
        name = dream(key, alpha)
        self._steps[name] = max(steps, self._steps.pop(name, 0))
        while len(self._steps) > _DREAMS_KEPT:
            self._steps.popitem(last=False)

    def forget(self, key: BankKey | None = None, alpha: float = 0.0) -> None:
        """The renderer has gone, and its dreams with it; or this one would not become sound."""
        if key is None:
            self._steps.clear()
        else:
            self._steps.pop(dream(key, alpha), None)
