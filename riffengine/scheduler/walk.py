"""WalkStepper: takes decks that drift with memory from loop to loop, each launched where the one before it ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile

from riffengine.performance import drift
from riffengine.performance.parameter_tree import Checked
from riffengine.performance.state import DeckIntent, PerformanceState
from riffengine.performance.walk_form import OFF, WalkForm
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.actions import Action, Applied, Log, ToPlayerMessage
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.launcher import Launcher
from riffengine.scheduler.morph_bank import BankKey, LandedChange, bank_key, loop_id, walk_form
from riffengine.scheduler.state import SchedulerState

LOOPS_AHEAD = 3
"""Loops that are rendered ahead: with 4 seconds each they outlast the restart of a renderer."""


@dataclass
class _NextLoops:
    """What follows the loop ``want`` of ``intent``, after ``skipped`` loops that could not be rendered.

    The first of ``keys`` is ``description``. ``state`` is the last one in which ``intent`` was seen.
    """

    want: BankKey
    intent: DeckIntent
    state: PerformanceState
    skipped: int
    ends_theme: bool
    keys: tuple[BankKey, ...]
    description: str


class WalkStepper:
    """Decides the next loop of each deck that walks, and launches it if it is rendered; if not, the loop repeats."""

    def __init__(self, scheduler: SchedulerState, launcher: Launcher) -> None:
        self._scheduler = scheduler
        self._launcher = launcher
        self._next_loops: dict[str, _NextLoops] = {}  # by deck
        self._waiting: set[str] = set()  # decks whose next loop was not there in time

    def walks(self, deck: DeckState) -> bool:
        """Whether the drift of ``deck`` has memory."""
        return self._scheduler.state.values[f"deck/{deck.name}/memory"] != OFF

    def ahead(self, deck: DeckState) -> tuple[BankKey, ...]:
        """The banks of the loops that follow the one ``deck`` wants, in their order."""
        return self._next(deck).keys

    def loops_ahead(self, deck: DeckState) -> int:
        """How many of them are rendered, up to the first that is not."""
        loops = self._scheduler.loops
        there = (loops.best(loop_id(key, 0.0)) is not None for key in self.ahead(deck))
        return sum(1 for _ in takewhile(bool, there))

    def skip_bad_loop(self, deck: DeckState) -> list[Action]:
        """Leave the loop ahead out where it cannot be rendered."""
        scheduler = self._scheduler
        if not scheduler.renders.any_unrenderable:
            return []
        known = self._next(deck)
        key = known.keys[0]
        if not scheduler.renders.unrenderable(loop_id(key, 0.0), scheduler.quality.first(key)):
            return []
        text = f"deck {deck.name}: a loop of the walk cannot be rendered and is left out ({known.description})"
        self._next(deck, known.skipped + 1)
        return [Log("loop skipped", text, {}, deck.name)]

    def step(self, deck: DeckState, at_frame: int) -> list[Action]:
        """Launch the next loop on ``at_frame``, where a loop begins, unless a change is on its way to ``deck``."""
        scheduler = self._scheduler
        busy = deck.target is not None or (deck.launching is not None and deck.launching.frame >= at_frame)
        if busy or deck.alpha_waits or not (deck.settled or deck.gave_up):
            return []
        ahead = self._next(deck)
        if not self.loops_ahead(deck):
            if deck.name in self._waiting:
                return []
            self._waiting.add(deck.name)
            scheduler.counters.famines += 1
            return [Log("famine", f"deck {deck.name} repeats its loop until the next one is rendered", deck=deck.name)]
        self._waiting.discard(deck.name)
        intent = scheduler.state.deck(deck.name)
        commands = drift.next_loop(deck.name, intent, ahead.ends_theme, ahead.skipped)
        moment = scheduler.timeline.moment(at_frame)
        alpha_before = scheduler.alpha(deck)
        actions: list[Action] = [Applied(c, scheduler.apply(Checked.valid(c)), moment) for c in commands]
        deck.set_want(scheduler.wanted_key(deck))
        kept = tuple(LandedChange(c.path, c.value, c.source) for c in commands)
        fade_frames, alpha = scheduler.fade_frames, scheduler.alpha(deck)
        turned = alpha != alpha_before  # a new theme begins at alpha 0, which is heard once there is no memory any more
        actions += self._launcher.launch(
            deck, deck.want, deck.serial, at_frame, fade_frames, kept, alpha_before if turned else None
        )
        if turned:
            actions.append(ToPlayerMessage(SetControl(deck.alpha_control, alpha, at_frame, fade_frames)))
        loop = scheduler.state.deck(deck.name).walk
        text = f"deck {deck.name}: {ahead.description}"
        return [*actions, Log("walk", text, {"loop": loop, "beat": moment.beat}, deck.name)]

    def _next(self, deck: DeckState, skipped: int = 0) -> _NextLoops:
        scheduler, known = self._scheduler, self._next_loops.get(deck.name)
        state = scheduler.state
        if known is not None and known.state is state and known.want is deck.want and not skipped:
            return known
        intent = state.deck(deck.name)
        # Two loops may sound alike and be followed by others: the bank that is wanted does not say where the walk is.
        if known is not None and known.want is deck.want and known.intent == intent and not skipped:
            known.state = state
        else:
            keys, description = [], ""
            ends_theme = any(self._ends_theme(replace(intent, walk=intent.walk + step)) for step in range(skipped + 1))
            goal = drift.after_loop(intent, ends_theme, skipped)
            for _ in range(LOOPS_AHEAD):
                keys.append(deck.source_tempos.settled(bank_key(goal, scheduler.state, scheduler.facts)))
                description = description or self._form(goal).description(goal.walk)
                goal = drift.after_loop(goal, self._ends_theme(goal))
            known = _NextLoops(deck.want, intent, state, skipped, ends_theme, tuple(keys), description)
            self._next_loops[deck.name] = known
        return known

    def _ends_theme(self, intent: DeckIntent) -> bool:
        return self._form(intent).ends_theme(intent.walk)

    def _form(self, intent: DeckIntent) -> WalkForm:
        form = walk_form(intent, self._scheduler.facts)
        assert form is not None, "only a deck with memory walks"
        return form
