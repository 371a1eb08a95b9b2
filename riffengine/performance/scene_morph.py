"""SceneMorph: how the state moves from what is wanted now to a scene, over some bars, on the beat grid. Pure, frozen.

What a performer has to know: faders travel; a deck whose knob rests at an end (and does not drift) morphs into the
scene's prompt and seed; all else changes at once on arrival, and then everything is as it was stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from riffengine.performance.command import Command, Value
from riffengine.performance.parameter_tree import ControlClass, ParameterTree
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.scenes import Scene
from riffengine.performance.state import INTENT_PARAMETERS, PerformanceState
from riffengine.processes.parameter_path import decks_of, parse_path
from riffengine.transport.beat_grid import BEATS_PER_BAR

_ENDS = ("prompt", "to", "seed", "to_seed")
_SHARED = tuple(name for name in INTENT_PARAMETERS if name not in (*_ENDS, "alpha", "drift"))  # of both ends of a bank
_BANK = (*_ENDS, *_SHARED)  # what a bank depends on


@dataclass(frozen=True)
class Move:
    """One parameter's way: ``start`` at ``from_beat``, ``goal`` at ``to_beat``, a straight line between."""

    start: float
    goal: float
    from_beat: float
    to_beat: float

    def at(self, beat: float) -> float:
        """The value at ``beat``; exactly ``goal`` from the end on."""
        if beat >= self.to_beat:
            return self.goal
        share = max(0.0, (beat - self.from_beat) / (self.to_beat - self.from_beat))
        return self.start + share * (self.goal - self.start)


@dataclass(frozen=True)
class SceneMorph:
    """On the way to ``scene``, which is reached on ``end_beat``. ``waiting`` decks have not begun to sound their
    morph: their knob must not turn before it has landed."""

    scene: Scene
    source: str
    end_beat: float
    moves: Mapping[str, Move]
    waiting: frozenset[str] = frozenset()

    def commands(self, beat: float) -> tuple[Command, ...]:
        """Where every parameter on its way is to be at ``beat``."""
        return tuple(Command(path, move.at(beat), self.source) for path, move in self.moves.items())

    def without(self, path: str) -> SceneMorph:
        """A performer has moved ``path``: the morph leaves it alone until the scene is reached."""
        moves = {known: move for known, move in self.moves.items() if known != path}
        return replace(self, moves=moves, waiting=self.waiting - {parse_path(path).deck})

    def shifted(self, beats: float) -> SceneMorph:
        """The same way, ``beats`` later; earlier where negative."""
        moves = {
            path: replace(move, from_beat=move.from_beat + beats, to_beat=move.to_beat + beats)
            for path, move in self.moves.items()
        }
        return replace(self, end_beat=self.end_beat + beats, moves=moves)

    def begun(self, deck: str, beat: float) -> SceneMorph:
        """The morph of ``deck`` has landed: its knob travels from ``beat`` on."""
        move = Move(0.0, 1.0, beat, max(self.end_beat, beat + 0.25))
        return replace(self, moves={**self.moves, f"deck/{deck}/alpha": move}, waiting=self.waiting - {deck})


def arrival_beat(beat: float, bars: float) -> float:
    """The bar line nearest to ``bars`` bars after ``beat``, and at least one beat away."""
    line = round((beat + bars * BEATS_PER_BAR) / BEATS_PER_BAR) * BEATS_PER_BAR
    return float(line if line >= beat + 1.0 else line + BEATS_PER_BAR)


def plan_scene_morph(
    scene: Scene, state: PerformanceState, tree: ParameterTree, beat: float, bars: float, source: str
) -> tuple[SceneMorph, tuple[Command, ...]]:
    """The glide from ``state`` to ``scene``, and the commands that open it, to be applied together."""
    end = arrival_beat(beat, bars)
    opening: list[Command] = []
    waiting: set[str] = set()
    held: set[str] = set()  # decks whose knob does not travel
    for deck in decks_of(scene.values):
        if f"deck/{deck}/prompt" not in state.values:
            continue
        if state.number(f"deck/{deck}/drift") > 0.0:
            held.add(deck)
        elif any(_goal(scene, state, deck, word) != state[f"deck/{deck}/{word}"] for word in _BANK):
            held.add(deck)
            commands = _morph(scene, state, deck, source)
            opening += commands
            waiting |= {deck} if commands else set()
    moves = {
        path: Move(state.number(path), float(goal), beat, end)
        for path, goal in scene.values.items()
        if path in tree
        and tree[path].kind == "float"
        and tree[path].control in (ControlClass.IMMEDIATE, ControlClass.MORPH)
        and parse_path(path).control != "drift"
        and not (handler_of(path) is Handler.ALPHA and parse_path(path).deck in held)
        and state[path] != goal
    }
    return SceneMorph(scene, source, end, moves, frozenset(waiting)), tuple(opening)


def _morph(scene: Scene, state: PerformanceState, deck: str, source: str) -> list[Command]:
    """What makes the far end of ``deck`` the near end of the scene's; nothing when that could be heard at once."""
    intent = state.deck(deck)
    if any(_goal(scene, state, deck, word) != state[f"deck/{deck}/{word}"] for word in _SHARED):
        return []
    values: dict[str, Value] = {}
    if intent.alpha == 1.0:  # what sounds is the far end: it becomes the near one, which nobody hears
        values = {"prompt": intent.to or intent.prompt, "seed": intent.to_seed, "alpha": 0.0}
    elif intent.alpha != 0.0:
        return []
    values |= {"to": _goal(scene, state, deck, "prompt"), "to_seed": _goal(scene, state, deck, "seed")}
    return [Command(f"deck/{deck}/{name}", value, source) for name, value in values.items()]


def _goal(scene: Scene, state: PerformanceState, deck: str, word: str) -> Value:
    path = f"deck/{deck}/{word}"
    return scene.values.get(path, state[path])
