"""The plan: every rendition that would be good to have now, the most urgent first. Pure functions.

The plan is made anew from what is wanted, never patched. So newer intent supersedes older by itself, and nothing has
to be undone when a renderer dies: what is still wanted and not there is simply the next thing to render.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from riffengine.scheduler.morph_bank import BankKey, loop_id, nearest_point, points_of

KNOB_STEPS = 16
"""Places on alpha that the plan tells apart: finer than its order depends on."""


class Purpose(IntEnum):
    """Why a rendition is wanted, the most urgent first."""

    LAUNCH = 0  # a change waits for it
    RUNWAY = 1  # the walk is going there
    COVER = 2  # ends and middle: from here on the knob answers
    REFINE_HEARD = 3  # the finer version of what sounds now, after that of the ends, with whose phases it begins
    FILL = 4  # finer alphas, at full steps at once
    REFINE = 5  # the finer version of what does not sound


@dataclass(frozen=True)
class PlannedRender:
    """One rendition that is wanted at ``steps`` denoising steps or more."""

    purpose: Purpose
    rank: tuple[float, ...]  # order within the purpose, smallest first
    deck: str
    key: BankKey
    alpha: float
    steps: int

    @cached_property  # asked for at every tick, and a digest costs 30 µs
    def loop_id(self) -> str:
        """What it sounds like, whatever the number of steps."""
        return loop_id(self.key, self.alpha)


@dataclass(frozen=True)
class DeckNeeds:
    """What one deck would have rendered, as far as the plan needs to know."""

    deck: str
    knob: float
    direction: int  # of the knob's travel: -1, 0, 1
    launch: BankKey | None = None  # the bank that a change waits for, if it is not ready
    launch_alpha: float = 0.0
    launch_rank: float = 0.0
    bank: BankKey | None = None  # the bank to fill
    ahead: BankKey | None = None  # the bank the walk will roll over to


@dataclass(frozen=True)
class RenderQuality:
    """Denoising steps of drafts and of finished loops, and the points of a full bank."""

    draft_steps: int
    full_steps: int
    alphas: int

    @property
    def urgent(self) -> int:
        """Steps of what is urgent: never more than a finished loop has."""
        return min(self.draft_steps, self.full_steps)

    def first(self, key: BankKey) -> int:
        """Steps of the first version of a loop: no draft where something is kept, for it would be heard to change."""
        return self.full_steps if key.redreams else self.urgent


def make_plan(asks: Iterable[DeckNeeds], quality: RenderQuality) -> list[PlannedRender]:
    """All wishes of all decks in the order in which they should be rendered; wishes that are met are included."""
    wishes: list[PlannedRender] = []
    for ask in asks:
        if ask.launch is not None:
            rank = (ask.launch_rank,)
            wishes.append(
                PlannedRender(Purpose.LAUNCH, rank, ask.deck, ask.launch, ask.launch_alpha, quality.first(ask.launch))
            )
        if ask.bank is not None:
            wishes += _fill(ask, ask.bank, quality)
        if ask.ahead is not None:
            wishes += _ahead(ask, ask.ahead, quality)
    return sorted(wishes, key=lambda wish: (wish.purpose, wish.rank))


def _fill(ask: DeckNeeds, key: BankKey, quality: RenderQuality) -> list[PlannedRender]:
    wishes = []
    nearest = nearest_point(key, ask.knob, quality.alphas)
    near = 1.0 / (quality.alphas - 1)
    for alpha, level in points_of(key, quality.alphas):
        behind = float((alpha - ask.knob) * ask.direction < 0)
        rank = (float(level), behind, abs(alpha - ask.knob))
        cover = level <= 1 or alpha == nearest
        if cover:
            first = Purpose.RUNWAY if ask.ahead is not None and alpha == 1.0 else Purpose.COVER
            wishes.append(PlannedRender(first, rank, ask.deck, key, alpha, quality.first(key)))
        finer = Purpose.REFINE if cover else Purpose.FILL
        # A finished loop waits for both ends: as jobs of their own they can be overtaken, and are timed rightly.
        if level == 0 or abs(alpha - ask.knob) < near:
            finer = Purpose.REFINE_HEARD
        wishes.append(PlannedRender(finer, rank, ask.deck, key, alpha, quality.full_steps))
    return wishes


def _ahead(ask: DeckNeeds, key: BankKey, quality: RenderQuality) -> list[PlannedRender]:
    # Its alpha 0 is the end of the bank that sounds, so only the far end and the middle are new.
    return [
        PlannedRender(Purpose.RUNWAY, (1.0, 0.0, 1.0), ask.deck, key, 0.0, quality.first(key)),
        PlannedRender(Purpose.RUNWAY, (1.0, 0.0, 2.0), ask.deck, key, 1.0, quality.first(key)),
        PlannedRender(Purpose.COVER, (2.0, 0.0, 1.0), ask.deck, key, 0.5, quality.first(key)),
        PlannedRender(Purpose.REFINE, (9.0, 0.0, 1.0), ask.deck, key, 1.0, quality.full_steps),
    ]
