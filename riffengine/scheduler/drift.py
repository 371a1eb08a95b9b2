"""DriftStepper: the sixteenth notes of decks that drift, and the rollover from one bank into the next."""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.performance import drift
from riffengine.performance.command import Command
from riffengine.performance.parameters import MAX_SEED
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.actions import Action, Applied, Log, ToPlayerMessage
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.launcher import Launcher
from riffengine.scheduler.morph_bank import BankKey, LandedChange, bank_key, loop_id
from riffengine.scheduler.render_plan import KNOB_STEPS
from riffengine.scheduler.state import SchedulerState


@dataclass
class _Ahead:
    """What follows the bank ``want``, after ``skipped`` seeds that would not render."""

    want: BankKey
    skipped: int
    key: BankKey
    goal: str  # the motif in which it ends


class DriftStepper:
    """Moves alpha by commands of its own, each sent ahead of the sixteenth note on which it begins to sound."""

    def __init__(self, scheduler: SchedulerState, launching: Launcher) -> None:
        self._scheduler = scheduler
        self._launching = launching
        self._ahead: dict[str, _Ahead] = {}  # by deck
        self.eventful = False  # the last ``step`` did more than move alpha between two points of a bank

    def step(self, frame: int) -> list[Action]:
        """Every sixteenth note that is due within the lead."""
        scheduler = self._scheduler
        actions: list[Action] = []
        self.eventful = False
        for part in scheduler.decks.values():
            if scheduler.drift(part) <= 0.0 or part.current is None:
                part.step_beat = None
                continue
            skipped = self._skip_poison(part)
            self.eventful = self.eventful or bool(skipped)
            actions += skipped
            if part.step_beat is None:
                part.step_beat = drift.next_step_beat(scheduler.timeline.beat_at(frame + scheduler.lead_frames))
            while (at_frame := scheduler.timeline.frame_of(part.step_beat)) - scheduler.lead_frames <= frame:
                actions += self._one_step(part, part.step_beat, at_frame, frame)
                part.step_beat += drift.STEP_BEATS
        return actions

    def next_wakeup(self) -> list[int]:
        """Frames at which the next sixteenth notes are due."""
        scheduler = self._scheduler
        return [
            scheduler.timeline.frame_of(part.step_beat) - scheduler.lead_frames
            for part in scheduler.decks.values()
            if part.step_beat is not None
        ]

    def ahead(self, part: DeckState) -> BankKey:
        """The bank that follows the one the part wants."""
        return self._next(part).key

    def _next(self, part: DeckState, skipped: int = 0) -> _Ahead:
        known = self._ahead.get(part.name)
        if known is None or known.want is not part.want or skipped:  # alpha, which moves all the time, is not in it
            intent = drift.after_rollover(self._scheduler.state.deck(part.name), skipped)
            # Dreamt at the same tempo, so that it begins with the very loop on which the wanted one ends.
            key = bank_key(intent, self._scheduler.state, self._scheduler.facts).dreamt_at(part.want.tempo_dreamt)
            known = self._ahead[part.name] = _Ahead(part.want, skipped, key, loop_id(key, 1.0))
        return known

    def _skip_poison(self, part: DeckState) -> list[Action]:
        """Where the bank ahead ends in a loop that will not render, the seed after it is taken."""
        if not self._scheduler.renders.poison:
            return []
        scheduler, known = self._scheduler, self._next(part)
        if not scheduler.renders.poisoned(known.goal, scheduler.fineness.first(known.key)):
            return []
        seed = known.key.end.seed
        self._next(part, known.skipped + 1)
        text = f"deck {part.name}: seed {seed} will not render; the walk takes the next one"
        return [Log("seed skipped", text, {"deck": part.name, "seed": seed})]

    def _one_step(self, part: DeckState, beat: float, at_frame: int, frame: int) -> list[Action]:
        scheduler = self._scheduler
        if part.jump:  # alpha is about to change with a launch; the walk goes on from there
            return []
        actions: list[Action] = []
        before = scheduler.alpha(part)
        if before >= 1.0:
            self.eventful = True
            actions = self._roll_over(part, at_frame, frame)
            if scheduler.alpha(part) >= 1.0:
                return actions
        command = drift.step(part.name, scheduler.alpha(part), scheduler.drift(part), scheduler.facts.beats)
        actions.append(self._apply(command, at_frame, routine=True))
        self.eventful = self.eventful or _place(before, scheduler) != _place(scheduler.alpha(part), scheduler)
        ramp_frames = scheduler.timeline.frame_of(beat + drift.STEP_BEATS) - at_frame
        actions.append(ToPlayerMessage(SetControl(command.path, float(command.value), at_frame, ramp_frames)))
        part.sent_step_frame = at_frame
        return actions

    def _roll_over(self, part: DeckState, at_frame: int, frame: int) -> list[Action]:
        """Into the next bank without a sound, if it is there; otherwise alpha is held at 1."""
        scheduler, bank = self._scheduler, part.current
        busy = part.target is not None or (part.launching is not None and part.launching.frame >= at_frame)
        if bank is None or busy:
            return []
        if scheduler.renders.poisoned(loop_id(part.want, 1.0), scheduler.fineness.first(part.want)):
            return self._turn_aside(part, at_frame, frame)
        if not part.settled:
            return []
        ahead = self._next(part).key
        border, goal = scheduler.loops.best(loop_id(ahead, 0.0)), scheduler.loops.best(loop_id(ahead, 1.0))
        if border is None or goal is None:
            if part.holding:
                return []
            part.holding = True
            scheduler.counters.famines += 1
            return [Log("famine", f"deck {part.name} waits at alpha 1 for its next seed", {"deck": part.name})]
        end = bank.placed.get(0.0 if bank.key.start == bank.key.end else 1.0)
        if end is not border or frame - part.swapped_frame < scheduler.fade_frames:
            return []  # a finer loop is being faded in: one more sixteenth note, or the border would be heard
        part.holding = False
        commands = drift.rollover(part.name, scheduler.state.deck(part.name), skipped=self._next(part).skipped)
        kept = tuple(LandedChange(c.path, c.value, c.source) for c in commands if not c.path.endswith("/alpha"))
        actions: list[Action] = [self._apply(command, at_frame) for command in commands]
        part.want = scheduler.wanted_key(part)
        # Both banks sound the very same loop here, so there is nothing to fade (equal power would even be 3 dB louder).
        actions += self._launching.launch(part, part.want, part.serial, at_frame, 0, kept)
        actions.append(ToPlayerMessage(SetControl(f"deck/{part.name}/alpha", 0.0, at_frame, 0)))
        return actions

    def _turn_aside(self, part: DeckState, at_frame: int, frame: int) -> list[Action]:
        """The end of the wanted bank itself will not render: walk to the seed after it."""
        scheduler = self._scheduler
        seed = scheduler.state.deck(part.name).to_seed
        command = Command(f"deck/{part.name}/to_seed", (seed + 1) % (MAX_SEED + 1), drift.SOURCE)
        applied = self._apply(command, at_frame)
        part.retarget(scheduler.wanted_key(part), frame, scheduler.settle_frames)
        text = f"deck {part.name}: seed {seed} will not render; the walk takes the next one"
        return [applied, Log("seed skipped", text, {"deck": part.name, "seed": seed})]

    def _apply(self, command: Command, at_frame: int, routine: bool = False) -> Applied:
        reply = self._scheduler.apply(command)
        return Applied(command, reply, self._scheduler.timeline.moment(at_frame), routine)


def _place(alpha: float, scheduler: SchedulerState) -> tuple[int, int, bool]:
    """Between which points of a bank ``alpha`` is, and where for the plan: while this stays, nothing else changes."""
    points = alpha * (scheduler.policy.alphas - 1)
    return round(alpha * KNOB_STEPS), int(points), points == int(points)
