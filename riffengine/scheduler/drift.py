"""DriftStepper: moves alpha of decks that drift, a sixteenth note at a time, and rolls over into the next bank.

Decks with memory do not move alpha: their ``WalkStepper`` goes from loop to loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.performance import drift
from riffengine.performance.command import Command
from riffengine.performance.parameter_tree import Checked
from riffengine.performance.parameters import MAX_SEED
from riffengine.performance.routing import Handler, handler_of
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.actions import Action, Applied, Log, ToPlayerMessage
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.launcher import Launcher
from riffengine.scheduler.morph_bank import BankKey, LandedChange, bank_key, loop_id
from riffengine.scheduler.render_plan import KNOB_STEPS
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.walk import WalkStepper


@dataclass
class _NextBank:
    """What follows the bank ``want``, after ``skipped`` seeds that could not be rendered."""

    want: BankKey
    skipped: int
    key: BankKey
    goal: str  # the id of the loop in which it ends


@dataclass
class _DriftPosition:
    """Where the drift of one deck is."""

    next_beat: float | None = None  # of the next sixteenth note, or loop; None while it does not drift
    walks: bool = False  # with memory, by when ``next_beat`` was set
    sent_frame: int = -1  # the last frame for which an alpha has been sent
    waiting: bool = False  # at alpha 1, for the next bank


class DriftStepper:
    """Moves alpha by commands of its own, each sent ahead of the sixteenth note on which it begins to sound."""

    def __init__(self, scheduler: SchedulerState, launcher: Launcher) -> None:
        self._scheduler = scheduler
        self._launcher = launcher
        self._walk = WalkStepper(scheduler, launcher)
        self._positions = {name: _DriftPosition() for name in scheduler.decks}
        self._next_banks: dict[str, _NextBank] = {}  # by deck
        self.eventful = False  # the last ``step`` did more than move alpha between two points of a bank

    def step(self, frame: int) -> list[Action]:
        """Send every sixteenth note, or loop, that is due within the lead."""
        scheduler = self._scheduler
        actions: list[Action] = []
        self.eventful = False
        for deck in scheduler.decks.values():
            position = self._positions[deck.name]
            if scheduler.drift(deck) <= 0.0 or deck.current is None:
                position.next_beat = None
                continue
            if self.walks(deck):
                walked = self._walk_on(deck, position, frame)
                self.eventful = self.eventful or bool(walked)
                actions += walked
                continue
            skipped = self._skip_bad_seed(deck)
            self.eventful = self.eventful or bool(skipped)
            actions += skipped
            if position.next_beat is None or position.walks:
                position.walks = False
                position.next_beat = drift.next_step_beat(scheduler.timeline.beat_at(frame + scheduler.lead_frames))
            while (at_frame := scheduler.timeline.frame_of(position.next_beat)) - scheduler.lead_frames <= frame:
                actions += self._one_step(deck, position.next_beat, at_frame, frame)
                position.next_beat += drift.STEP_BEATS
        return actions

    def _walk_on(self, deck: DeckState, position: _DriftPosition, frame: int) -> list[Action]:
        """Go on to the next loop where one ends within the lead."""
        timeline, lead_frames = self._scheduler.timeline, self._scheduler.lead_frames
        loop_beats = self._scheduler.facts.beats
        actions = self._walk.skip_bad_loop(deck)
        if position.next_beat is None or not position.walks:
            position.walks = True
            position.next_beat = drift.next_loop_beat(timeline.beat_at(frame + lead_frames), loop_beats)
        while (at_frame := timeline.frame_of(position.next_beat)) - lead_frames <= frame:
            actions += self._walk.step(deck, at_frame)
            position.next_beat += loop_beats
        return actions

    def restart(self) -> None:
        """Begin again at the next sixteenth note after the beat has jumped."""
        for position in self._positions.values():
            position.next_beat = None

    def sent_frame(self, deck: DeckState) -> int:
        """The last frame for which an alpha of ``deck`` has been sent, -1 for none."""
        return self._positions[deck.name].sent_frame

    def next_wakeup(self) -> list[int]:
        """Frames at which the next sixteenth notes, or loops, are due."""
        scheduler = self._scheduler
        return [
            scheduler.timeline.frame_of(position.next_beat) - scheduler.lead_frames
            for position in self._positions.values()
            if position.next_beat is not None
        ]

    def walks(self, deck: DeckState) -> bool:
        """Whether ``deck`` goes from loop to loop, and not along alpha."""
        return self._walk.walks(deck)

    def ahead(self, deck: DeckState) -> BankKey:
        """The bank that follows the one ``deck`` wants."""
        return self._walk.ahead(deck)[0] if self.walks(deck) else self._next(deck).key

    def later(self, deck: DeckState) -> tuple[BankKey, ...]:
        """The banks after the one ahead, where ``deck`` goes from loop to loop."""
        return self._walk.ahead(deck)[1:] if self.walks(deck) else ()

    def loops_ahead(self, deck: DeckState) -> int:
        """How many loops are rendered ahead, where ``deck`` goes from loop to loop."""
        return self._walk.loops_ahead(deck)

    def _next(self, deck: DeckState, skipped: int = 0) -> _NextBank:
        known = self._next_banks.get(deck.name)
        if known is None or known.want is not deck.want or skipped:  # alpha, which moves all the time, is not in it
            intent = drift.after_rollover(self._scheduler.state.deck(deck.name), skipped)
            # Generated at the same tempo, so that it begins with the very loop on which the wanted one ends.
            key = bank_key(intent, self._scheduler.state, self._scheduler.facts).at_source_tempo(deck.want.source_tempo)
            known = self._next_banks[deck.name] = _NextBank(deck.want, skipped, key, loop_id(key, 1.0))
        return known

    def _skip_bad_seed(self, deck: DeckState) -> list[Action]:
        """Take the seed after it where the bank ahead ends in a loop that cannot be rendered."""
        if not self._scheduler.renders.any_unrenderable:
            return []
        scheduler, known = self._scheduler, self._next(deck)
        if not scheduler.renders.unrenderable(known.goal, scheduler.quality.first(known.key)):
            return []
        seed = known.key.end.seed
        self._next(deck, known.skipped + 1)
        return [_seed_skipped(deck, seed)]

    def _one_step(self, deck: DeckState, beat: float, at_frame: int, frame: int) -> list[Action]:
        scheduler = self._scheduler
        if deck.alpha_waits:  # alpha is about to change with a launch; the drift goes on from there
            return []
        actions: list[Action] = []
        before = scheduler.alpha(deck)
        if before >= 1.0:
            self.eventful = True
            actions = self._roll_over(deck, at_frame, frame)
            if scheduler.alpha(deck) >= 1.0:
                return actions
        command = drift.step(deck.name, scheduler.alpha(deck), scheduler.drift(deck), scheduler.facts.beats)
        actions.append(self._apply(command, at_frame, routine=True))
        self.eventful = self.eventful or _place(before, scheduler) != _place(scheduler.alpha(deck), scheduler)
        ramp_frames = scheduler.timeline.frame_of(beat + drift.STEP_BEATS) - at_frame
        actions.append(ToPlayerMessage(SetControl(deck.alpha_control, float(command.value), at_frame, ramp_frames)))
        self._positions[deck.name].sent_frame = at_frame
        return actions

    def _roll_over(self, deck: DeckState, at_frame: int, frame: int) -> list[Action]:
        """Launch the next bank, which nobody hears, if it is there; otherwise alpha stays at 1."""
        scheduler, bank, position = self._scheduler, deck.current, self._positions[deck.name]
        busy = deck.target is not None or (deck.launching is not None and deck.launching.frame >= at_frame)
        if bank is None or busy:
            return []
        if scheduler.renders.unrenderable(loop_id(deck.want, 1.0), scheduler.quality.first(deck.want)):
            return self._turn_aside(deck, at_frame, frame)
        if not deck.settled:
            return []
        ahead = self._next(deck).key
        border, goal = scheduler.loops.best(loop_id(ahead, 0.0)), scheduler.loops.best(loop_id(ahead, 1.0))
        if border is None or goal is None:
            if position.waiting:
                return []
            position.waiting = True
            scheduler.counters.famines += 1
            return [Log("famine", f"deck {deck.name} waits at alpha 1 for its next seed", deck=deck.name)]
        end = bank.placed.get(0.0 if bank.key.start == bank.key.end else 1.0)
        if end is not border or frame - self._launcher.swapped_frame(deck) < scheduler.fade_frames:
            return []  # a finer loop is being faded in: one more sixteenth note, or the border would be heard
        position.waiting = False
        commands = drift.rollover(deck.name, scheduler.state.deck(deck.name), skipped=self._next(deck).skipped)
        kept = tuple(
            LandedChange(c.path, c.value, c.source) for c in commands if handler_of(c.path) is not Handler.ALPHA
        )
        alpha_before = scheduler.alpha(deck)
        actions: list[Action] = [self._apply(command, at_frame) for command in commands]
        deck.set_want(scheduler.wanted_key(deck))
        # Both banks sound the very same loop here, so there is nothing to fade (equal power would even be 3 dB louder).
        actions += self._launcher.launch(deck, deck.want, deck.serial, at_frame, 0, kept, alpha_before)
        actions.append(ToPlayerMessage(SetControl(deck.alpha_control, 0.0, at_frame, 0)))
        return actions

    def _turn_aside(self, deck: DeckState, at_frame: int, frame: int) -> list[Action]:
        """Drift to the seed after it where the end of the wanted bank itself cannot be rendered."""
        scheduler = self._scheduler
        seed = scheduler.state.deck(deck.name).to_seed
        command = Command(f"deck/{deck.name}/to_seed", (seed + 1) % (MAX_SEED + 1), drift.SOURCE)
        applied = self._apply(command, at_frame)
        deck.retarget(scheduler.wanted_key(deck), frame, scheduler.settle_frames, deck.lands_with_others)
        return [applied, _seed_skipped(deck, seed)]

    def _apply(self, command: Command, at_frame: int, routine: bool = False) -> Applied:
        reply = self._scheduler.apply(Checked.valid(command))
        return Applied(command, reply, self._scheduler.timeline.moment(at_frame), routine)


def _seed_skipped(deck: DeckState, seed: int) -> Log:
    text = f"deck {deck.name}: seed {seed} cannot be rendered; the drift continues with the next one"
    return Log("seed skipped", text, {"seed": seed}, deck.name)


def _place(alpha: float, scheduler: SchedulerState) -> tuple[int, int, bool]:
    """Between which points of a bank ``alpha`` is, and where for the plan: while this stays, nothing else changes."""
    points = alpha * (scheduler.policy.alphas - 1)
    return round(alpha * KNOB_STEPS), int(points), points == int(points)
