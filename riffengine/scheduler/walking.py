"""Walking: the sixteenth notes of decks that drift, and the rollover from one bank into the next."""

from __future__ import annotations

from riffengine.performance import walk
from riffengine.performance.command import Command
from riffengine.playback.messages import SetControl
from riffengine.scheduler.actions import Action, Applied, Log, ToPlayerMessage
from riffengine.scheduler.bank import BankKey, bank_key, motif
from riffengine.scheduler.launching import Launching
from riffengine.scheduler.part import Part
from riffengine.scheduler.stage import Stage


class Walking:
    """Moves alpha by commands of its own, each sent ahead of the sixteenth note on which it begins to sound."""

    def __init__(self, stage: Stage, launching: Launching) -> None:
        self._stage = stage
        self._launching = launching
        self._ahead: dict[str, tuple[BankKey, BankKey]] = {}  # by deck: a wanted bank and the one after it

    def step(self, frame: int) -> list[Action]:
        """Every sixteenth note that is due within the lead."""
        stage = self._stage
        actions: list[Action] = []
        for part in stage.parts.values():
            if stage.drift(part) <= 0.0 or part.current is None:
                part.step_beat = None
                continue
            if part.step_beat is None:
                part.step_beat = walk.next_step_beat(stage.timeline.beat_at(frame + stage.lead_frames))
            while (at_frame := stage.timeline.frame_of(part.step_beat)) - stage.lead_frames <= frame:
                actions += self._one_step(part, part.step_beat, at_frame, frame)
                part.step_beat += walk.STEP_BEATS
        return actions

    def next_wakeup(self) -> list[int]:
        """Frames at which the next sixteenth notes are due."""
        stage = self._stage
        return [
            stage.timeline.frame_of(part.step_beat) - stage.lead_frames
            for part in stage.parts.values()
            if part.step_beat is not None
        ]

    def ahead(self, part: Part) -> BankKey:
        """The bank that follows the one the part wants."""
        known = self._ahead.get(part.name)
        if known is None or known[0] is not part.want:  # alpha, which moves all the time, is not in it
            intent = walk.after_rollover(self._stage.state.deck(part.name))
            known = self._ahead[part.name] = (part.want, bank_key(intent, self._stage.state, self._stage.facts))
        return known[1]

    def _one_step(self, part: Part, beat: float, at_frame: int, frame: int) -> list[Action]:
        stage = self._stage
        if part.jump:  # alpha is about to change with a launch; the walk goes on from there
            return []
        actions: list[Action] = []
        if stage.alpha(part) >= 1.0:
            actions = self._roll_over(part, at_frame, frame)
            if stage.alpha(part) >= 1.0:
                return actions
        command = walk.step(part.name, stage.alpha(part), stage.drift(part), stage.facts.beats)
        actions.append(self._apply(command, at_frame))
        ramp_frames = stage.timeline.frame_of(beat + walk.STEP_BEATS) - at_frame
        actions.append(ToPlayerMessage(SetControl(command.path, float(command.value), at_frame, ramp_frames)))
        part.sent_step_frame = at_frame
        return actions

    def _roll_over(self, part: Part, at_frame: int, frame: int) -> list[Action]:
        """Into the next bank without a sound, if it is there; otherwise alpha is held at 1."""
        stage, bank = self._stage, part.current
        busy = part.target is not None or (part.launching is not None and part.launching.frame >= at_frame)
        if bank is None or not part.settled or busy:
            return []
        ahead = self.ahead(part)
        border, goal = stage.shelf.best(motif(ahead, 0.0)), stage.shelf.best(motif(ahead, 1.0))
        if border is None or goal is None:
            if part.holding:
                return []
            part.holding = True
            stage.counters.famines += 1
            return [Log("famine", f"deck {part.name} waits at alpha 1 for its next seed", {"deck": part.name})]
        end = bank.placed.get(0.0 if bank.key.start == bank.key.end else 1.0)
        if end is not border or frame - part.swapped_frame < stage.fade_frames:
            return []  # a finer loop is being faded in: one more sixteenth note, or the border would be heard
        part.holding = False
        commands = walk.rollover(part.name, stage.state.deck(part.name))
        actions: list[Action] = [self._apply(command, at_frame) for command in commands]
        part.want = stage.wanted_key(part)
        # Both banks sound the very same loop here, so there is nothing to fade (equal power would even be 3 dB louder).
        actions += self._launching.launch(part, part.want, part.serial, at_frame, 0)
        actions.append(ToPlayerMessage(SetControl(f"deck/{part.name}/alpha", 0.0, at_frame, 0)))
        return actions

    def _apply(self, command: Command, at_frame: int) -> Applied:
        reply = self._stage.apply(command)
        return Applied(command, reply, self._stage.timeline.moment(at_frame))
