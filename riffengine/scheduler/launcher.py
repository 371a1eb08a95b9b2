"""Launcher: banks onto the player, loops into banks, finer loops for coarser ones."""

from __future__ import annotations

from riffengine.performance.command import Landing
from riffengine.processes.player_messages import FreeLoop, LaunchBank, PlaceLoop, SetControl, SetGrid, ToPlayer
from riffengine.scheduler.actions import Action, Announce, Log, ToPlayerMessage
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.loop_pool import FinishedLoop
from riffengine.scheduler.morph_bank import BankKey, LandedChange, MorphBank, loop_id, points_of
from riffengine.scheduler.state import SchedulerState


class Launcher:
    """Speaks to the player about banks and loops."""

    def __init__(self, scheduler: SchedulerState) -> None:
        self._scheduler = scheduler
        self._next_bank = 1
        self._awaited: dict[int, tuple[str, MorphBank]] = {}  # launched, and not reported as landed

    def fits(self, group: list[DeckState]) -> bool:
        """Whether the group's targets can sound on the grid as it is, or change it together."""
        bpm = self._scheduler.timeline.latest.bpm
        together = {part.target.key.together for part in group if part.target is not None}
        sounding = any(part.current is not None for part in group)
        # A deck that is silent cannot change the tempo of those that sound; it joins when they have changed.
        # Where somebody else leads, the grid is never theirs to change, and any tempo can be read on it.
        return len(together) <= 1 and (sounding or self._scheduler.led or all(tempo == bpm for tempo, _ in together))

    def commit(self, group: list[DeckState], beat: float, frame: int) -> list[Action]:
        """Launch every target of ``group`` on ``beat``, with a new grid if they have another tempo."""
        scheduler = self._scheduler
        at_frame = scheduler.timeline.frame_of(beat)
        actions: list[Action] = []
        for part in group:
            target = part.target
            if target is None:
                continue
            if target.key.bpm != scheduler.timeline.latest.bpm and not scheduler.led:
                grid = scheduler.timeline.latest.with_tempo(target.key.bpm, at_frame)
                scheduler.timeline.announce(grid)
                actions.append(ToPlayerMessage(SetGrid(grid, at_frame)))
            kept = [p for p in part.promises.values() if p.serial <= target.serial]
            brought = tuple(k for p in kept for k in (LandedChange(p.path, p.value, p.source), *p.brings))
            actions += self.launch(part, target.key, target.serial, at_frame, scheduler.fade_frames, brought)
            if part.jump:
                part.jump = False
                name = f"deck/{part.name}/alpha"
                # Over the length of the crossfade: what fades out must not jump.
                actions.append(
                    ToPlayerMessage(SetControl(name, scheduler.alpha(part), at_frame, scheduler.fade_frames))
                )
            part.target = None
            actions += self._keep_promises(part, target.serial, beat, frame)
        return actions

    def launch(
        self,
        part: DeckState,
        key: BankKey,
        serial: int,
        at_frame: int,
        fade_frames: int,
        kept: tuple[LandedChange, ...] = (),
    ) -> list[Action]:
        """Place all there is of the bank ``key`` and sound it from ``at_frame`` on; ``kept`` are the changes in it."""
        scheduler = self._scheduler
        bank = MorphBank(self._next_bank, key, serial, at_frame, scheduler.timeline.beat_at(at_frame), kept=kept)
        self._next_bank += 1
        self._awaited[bank.number] = (part.name, bank)
        part.source_tempos.learn(key)
        messages: list[ToPlayer] = []
        for alpha, _ in points_of(key, scheduler.policy.alphas):
            loop = scheduler.loops.best(loop_id(key, alpha))
            if loop is not None:
                messages.append(self._place(part, bank, alpha, loop))
        bank.seen_version = scheduler.loops.version
        messages.append(LaunchBank(part.name, bank.number, at_frame, fade_frames, serial))
        if not scheduler.anything_sounds:
            messages += scheduler.mixer_controls.open(at_frame)
        if part.launching is not None:
            part.sounding = part.launching
        part.launching = bank
        scheduler.counters.launches += 1
        return [ToPlayerMessage(message) for message in messages]

    def landed(self, deck: str, number: int) -> MorphBank | None:
        """The bank that the player says has landed, told once; older ones of its deck are not awaited any more."""
        found = self._awaited.get(number)
        for other in [n for n, (name, _) in self._awaited.items() if name == deck and n <= number]:
            del self._awaited[other]
        return None if found is None else found[1]

    def settle(self, frame: int) -> None:
        """What was launched for a frame that has come is what sounds."""
        for part in self._scheduler.decks.values():
            if part.launching is not None and frame >= part.launching.frame:
                part.sounding, part.launching = part.launching, None

    def arrange(self, frame: int) -> list[Action]:
        """New loops into the newest bank of each deck, finer ones in place of coarser, and let go of the coarser."""
        scheduler = self._scheduler
        actions: list[Action] = []
        for part in scheduler.decks.values():
            bank = part.current
            if bank is None or bank.seen_version == scheduler.loops.version:
                continue
            bank.seen_version = scheduler.loops.version
            heard = bank.sounding_at(scheduler.alpha(part))
            for alpha, _ in points_of(bank.key, scheduler.policy.alphas):
                loop = scheduler.loops.best(loop_id(bank.key, alpha))
                if loop is not None and bank.placed.get(alpha) is not loop:
                    actions.append(ToPlayerMessage(self._place(part, bank, alpha, loop)))
            if bank.sounding_at(scheduler.alpha(part)) != heard:
                part.swapped_frame = frame
        for loop in scheduler.loops.superseded():
            if not scheduler.on_stage(loop):
                actions += self.let_go(loop)
        return actions

    def let_go(self, loop: FinishedLoop) -> list[Action]:
        """Give up ``loop``; its slot comes back when the player has answered."""
        return [ToPlayerMessage(FreeLoop(loop.ref.loop))] if self._scheduler.loops.drop(loop) else []

    def mark_heard(self) -> None:
        """Count the loops that sound now for the first time."""
        for part in self._scheduler.decks.values():
            if part.sounding is None:
                continue
            for loop in part.sounding.sounding_at(self._scheduler.alpha(part)):
                if not loop.heard:
                    loop.heard = True
                    self._scheduler.renders.counts.heard += 1

    def _place(self, part: DeckState, bank: MorphBank, alpha: float, loop: FinishedLoop) -> PlaceLoop:
        bank.placed[alpha] = loop
        loop.known_to_player = True
        return PlaceLoop(part.name, bank.number, alpha, loop.ref, None, self._scheduler.fade_frames)

    def _keep_promises(self, part: DeckState, serial: int, beat: float, frame: int) -> list[Action]:
        scheduler = self._scheduler
        actions: list[Action] = []
        for promise in [p for p in part.promises.values() if p.serial <= serial]:
            del part.promises[promise.path]
            if abs((promise.beat if promise.told_beat is None else promise.told_beat) - beat) > 0.01:
                seconds = (scheduler.timeline.frame_of(beat) - frame) / scheduler.facts.sample_rate
                scheduler.counters.landings_moved += 1
                actions.append(Announce(Landing(promise.path, beat, seconds, moved=True), promise.source))
        part.unheard_since = None if part.serial <= serial else frame
        text = f"deck {part.name} lands on beat {beat:g}"
        actions.append(
            Log("launch", text, {"deck": part.name, "beat": beat, "frame": scheduler.timeline.frame_of(beat)})
        )
        return actions
