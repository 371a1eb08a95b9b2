"""Drift: moves a deck along alpha by itself and on to the next seed at the end, or with memory from loop to loop.

Pure. Drift makes commands like any other source, so they are in the journal and a set can be played again.
"""

from __future__ import annotations

import math
from dataclasses import replace

from riffengine.performance.command import Command
from riffengine.performance.parameters import MAX_SEED
from riffengine.performance.state import DeckIntent

SOURCE = "walk"
STEP_BEATS = 0.25  # a sixteenth note: short enough to sound continuous when each step is ramped


def next_step_beat(beat: float) -> float:
    """The first sixteenth note strictly after ``beat``."""
    return (math.floor(beat / STEP_BEATS + 1e-6) + 1) * STEP_BEATS


def next_loop_beat(beat: float, loop_beats: int) -> float:
    """The first beat strictly after ``beat`` on which a loop of ``loop_beats`` begins."""
    return float((math.floor(beat / loop_beats + 1e-6) + 1) * loop_beats)


def alpha_per_step(drift: float, loop_beats: int) -> float:
    """Alpha per sixteenth note for ``drift`` alpha per loop of ``loop_beats`` beats."""
    return drift * STEP_BEATS / loop_beats


def step(deck: str, alpha: float, drift: float, loop_beats: int) -> Command:
    """The command that moves ``alpha`` by one step, never beyond 1."""
    # Rounded to nine digits: 0.1 added ten times must give 1 and not 0.9999999999999999.
    return Command(f"deck/{deck}/alpha", min(1.0, round(alpha + alpha_per_step(drift, loop_beats), 9)), SOURCE)


def after_rollover(intent: DeckIntent, skipped: int = 0) -> DeckIntent:
    """The intent of a deck after a rollover: the end of its morph becomes the start of the next one.

    The two prompts are swapped, so an endless drift alternates between them. The next end seed is ``to_seed + 1``: it
    is predictable and needs no random source. ``skipped`` seeds that cannot be rendered are left out.
    """
    return replace(
        intent,
        prompt=intent.to or intent.prompt,
        to=intent.prompt if intent.to else "",
        seed=intent.to_seed,
        to_seed=(intent.to_seed + 1 + skipped) % (MAX_SEED + 1),
        alpha=0.0,
        walk=0,
    )


def rollover(deck: str, intent: DeckIntent, source: str = SOURCE, skipped: int = 0) -> tuple[Command, ...]:
    """The commands, to be applied together, that change ``intent`` into ``after_rollover(intent, skipped)``."""
    goal = after_rollover(intent, skipped)
    commands = [Command(f"deck/{deck}/seed", goal.seed, source), Command(f"deck/{deck}/to_seed", goal.to_seed, source)]
    if goal.prompt != intent.prompt:
        commands.insert(0, Command(f"deck/{deck}/prompt", goal.prompt, source))
        commands.insert(1, Command(f"deck/{deck}/to", goal.to, source))
    if intent.walk:  # the new theme begins with its first loop
        commands.append(Command(f"deck/{deck}/walk", goal.walk, source))
    return (*commands, Command(f"deck/{deck}/alpha", goal.alpha, source))


def after_loop(intent: DeckIntent, ends_theme: bool, skipped: int = 0) -> DeckIntent:
    """The intent of a deck that walks with memory, one loop on; after the last loop of a theme the next seed is one.

    ``skipped`` loops, or themes, that cannot be rendered are left out.
    """
    if not ends_theme:
        return replace(intent, walk=(intent.walk + 1 + skipped) % (MAX_SEED + 1))
    theme = replace(intent, to_seed=(intent.to_seed + skipped) % (MAX_SEED + 1))
    return after_rollover(theme)


def next_loop(deck: str, intent: DeckIntent, ends_theme: bool, skipped: int = 0) -> tuple[Command, ...]:
    """The commands, to be applied together, that change ``intent`` into ``after_loop``."""
    goal = after_loop(intent, ends_theme, skipped)
    names = ("prompt", "to", "seed", "to_seed", "alpha", "walk")
    changed = [name for name in names if getattr(goal, name) != getattr(intent, name)]
    return tuple(Command(f"deck/{deck}/{name}", getattr(goal, name), SOURCE) for name in changed)
