"""The plan: every rendition that would be useful now, the most urgent first. Pure functions.

The plan is always made from what is wanted now, never changed. So newer intent supersedes older by itself, and nothing
has to be undone when a renderer dies: what is still wanted and not finished is rendered next.
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
    RUNWAY = 1  # the drift goes there
    COVER = 2  # ends and middle: with these alpha can be turned
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

    @cached_property  # needed at every tick, and a digest costs 30 µs
    def loop_id(self) -> str:
        """What it sounds like, whatever the number of steps."""
        return loop_id(self.key, self.alpha)


@dataclass(frozen=True)
class DeckNeeds:
    """What one deck needs to have rendered, as far as the plan must know."""

    deck: str
    knob: float
    direction: int  # in which alpha moves: -1, 0, 1
    launch: BankKey | None = None  # the bank that a change waits for, if it is not ready
    launch_alpha: float = 0.0
    launch_rank: float = 0.0
    bank: BankKey | None = None  # the bank to fill
    ahead: BankKey | None = None  # the bank the drift will roll over to
    later: tuple[BankKey, ...] = ()  # the banks after it, where each is one loop


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
        """Steps of the first version of a loop: no draft where part of it is kept, or that would be heard to change."""
        return self.full_steps if key.base.retakes else self.urgent


def make_plan(needs: Iterable[DeckNeeds], quality: RenderQuality) -> list[PlannedRender]:
    """The renders that all decks need in the order of urgency; those that are finished already are included."""
    planned: list[PlannedRender] = []
    for need in needs:
        if need.launch is not None:
            rank = (need.launch_rank,)
            planned.append(
                PlannedRender(
                    Purpose.LAUNCH, rank, need.deck, need.launch, need.launch_alpha, quality.first(need.launch)
                )
            )
        if need.bank is not None:
            planned += _fill(need, need.bank, quality)
        if need.ahead is not None:
            planned += _ahead(need, need.ahead, quality)
        planned += [
            PlannedRender(Purpose.RUNWAY, (2.0, float(place)), need.deck, key, 0.0, quality.first(key))
            for place, key in enumerate(need.later)
        ]
    return sorted(planned, key=lambda render: (render.purpose, render.rank))


def _fill(need: DeckNeeds, key: BankKey, quality: RenderQuality) -> list[PlannedRender]:
    planned = []
    nearest = nearest_point(key, need.knob, quality.alphas)
    near = 1.0 / (quality.alphas - 1)
    for alpha, level in points_of(key, quality.alphas):
        behind = float((alpha - need.knob) * need.direction < 0)
        rank = (float(level), behind, abs(alpha - need.knob))
        cover = level <= 1 or alpha == nearest
        if cover:
            first = Purpose.RUNWAY if need.ahead is not None and alpha == 1.0 else Purpose.COVER
            planned.append(PlannedRender(first, rank, need.deck, key, alpha, quality.first(key)))
        finer = Purpose.REFINE if cover else Purpose.FILL
        # A finished loop waits for both ends: as jobs of their own they can be overtaken, and are timed rightly.
        if level == 0 or abs(alpha - need.knob) < near:
            finer = Purpose.REFINE_HEARD
        planned.append(PlannedRender(finer, rank, need.deck, key, alpha, quality.full_steps))
    return planned


def _ahead(need: DeckNeeds, key: BankKey, quality: RenderQuality) -> list[PlannedRender]:
    # Its alpha 0 is the end of the bank that sounds, so only the far end and the middle are new.
    return [
        PlannedRender(Purpose.RUNWAY, (1.0, 0.0, 1.0), need.deck, key, 0.0, quality.first(key)),
        PlannedRender(Purpose.RUNWAY, (1.0, 0.0, 2.0), need.deck, key, 1.0, quality.first(key)),
        PlannedRender(Purpose.COVER, (2.0, 0.0, 1.0), need.deck, key, 0.5, quality.first(key)),
        PlannedRender(Purpose.REFINE, (9.0, 0.0, 1.0), need.deck, key, 1.0, quality.full_steps),
    ]
