"""The walk: a deck with drift travels along alpha by itself, and takes the next seed when it arrives.

Pure. The walk speaks in commands, like every other hand, so the journal holds it and a set can be played again.
"""

from __future__ import annotations

import math
from dataclasses import replace

from riffengine.performance.command import Command
from riffengine.performance.parameters import MAX_SEED
from riffengine.performance.state import DeckIntent

SOURCE = "walk"
STEP_BEATS = 0.25  # a sixteenth note: fine enough to be heard as a glide when each step is ramped


def next_step_beat(beat: float) -> float:
    """The first sixteenth note strictly after ``beat``."""
    return (math.floor(beat / STEP_BEATS + 1e-6) + 1) * STEP_BEATS


def stride(drift: float, loop_beats: int) -> float:
    """Alpha per sixteenth note for ``drift`` alpha per loop of ``loop_beats`` beats."""
    return drift * STEP_BEATS / loop_beats


def step(deck: str, alpha: float, drift: float, loop_beats: int) -> Command:
    """The command that moves ``alpha`` on by one sixteenth note, never past 1."""
    # Nine digits: 0.1 added ten times must reach 1 and not 0.9999999999999999.
    return Command(f"deck/{deck}/alpha", min(1.0, round(alpha + stride(drift, loop_beats), 9)), SOURCE)


def after_rollover(intent: DeckIntent, skipped: int = 0) -> DeckIntent:
    """What a deck wants once the end of its morph has become the start of the next one.

    The two prompts change places, so an endless walk goes to and fro between them instead of staying with the second;
    the next seed is ``to_seed + 1``: a set can be followed on paper, and no random source is needed. ``skipped`` seeds
    that would not render are left out.
    """
    return replace(
        intent,
        prompt=intent.to or intent.prompt,
        to=intent.prompt if intent.to else "",
        seed=intent.to_seed,
        to_seed=(intent.to_seed + 1 + skipped) % (MAX_SEED + 1),
        alpha=0.0,
    )


def rollover(deck: str, intent: DeckIntent, source: str = SOURCE, skipped: int = 0) -> tuple[Command, ...]:
    """The commands, to be applied together, that take ``intent`` to ``after_rollover(intent, skipped)``."""
    goal = after_rollover(intent, skipped)
    commands = [Command(f"deck/{deck}/seed", goal.seed, source), Command(f"deck/{deck}/to_seed", goal.to_seed, source)]
    if goal.prompt != intent.prompt:
        commands.insert(0, Command(f"deck/{deck}/prompt", goal.prompt, source))
        commands.insert(1, Command(f"deck/{deck}/to", goal.to, source))
    return (*commands, Command(f"deck/{deck}/alpha", goal.alpha, source))
