"""Launcher: tells the player which bank to sound when, and puts finished loops into banks, finer for coarser."""

from __future__ import annotations

from riffengine.performance.command import Landing
from riffengine.processes.player_messages import FreeLoop, LaunchBank, PlaceLoop, SetControl, SetGrid, ToPlayer
from riffengine.scheduler.actions import Action, Announce, Log, ToPlayerMessage
from riffengine.scheduler.deck_state import LONG_AGO, DeckState
from riffengine.scheduler.loop_pool import FinishedLoop
from riffengine.scheduler.morph_bank import BankKey, LandedChange, MorphBank, loop_id, points_of
from riffengine.scheduler.state import SchedulerState
from riffengine.transport.beat_grid import rounded


class Launcher:
    """Sends banks and loops to the player."""

    def __init__(self, scheduler: SchedulerState) -> None:
        self._scheduler = scheduler
        self._next_bank = 1
        self._awaited: dict[int, tuple[str, MorphBank]] = {}  # launched, and not reported as landed
        self._relaunched: set[int] = set()  # on a new player, though they had landed before
        self._swapped_frames: dict[str, int] = {}  # by deck: when a loop that sounds was last exchanged

    def fits(self, group: list[DeckState]) -> bool:
        """Whether the group's targets can sound on the grid as it is, or change it together."""
        bpm = self._scheduler.timeline.latest.bpm
        together = {deck.target.key.together for deck in group if deck.target is not None}
        sounding = [deck for deck in self._scheduler.decks.values() if deck.current is not None]
        # A deck that is silent cannot change the tempo of those that sound; it joins when they have changed, or when
        # all have given up what was to bring the tempo: it would be silent for ever.
        # Where an external source sets the tempo, no launch changes the grid, and any tempo can be read on it.
        return len(together) <= 1 and (
            any(deck.current is not None for deck in group)
            or self._scheduler.externally_timed
            or all(tempo == bpm for tempo, _ in together)
            or (bool(sounding) and all(deck.gave_up for deck in sounding))
        )

    def commit(self, group: list[DeckState], beat: float, frame: int) -> list[Action]:
        """Launch every target of ``group`` on ``beat``, with a new grid if they have another tempo."""
        scheduler = self._scheduler
        at_frame = scheduler.timeline.frame_of(beat)
        actions: list[Action] = []
        for deck in group:
            target = deck.target
            if target is None:
                continue
            if target.key.bpm != scheduler.timeline.latest.bpm and not scheduler.externally_timed:
                grid = scheduler.timeline.latest.with_tempo(target.key.bpm, at_frame)
                scheduler.timeline.announce(grid)
                actions.append(ToPlayerMessage(SetGrid(grid, at_frame)))
            kept = [p for p in deck.promises.values() if p.serial <= target.serial]
            brought = tuple(k for p in kept for k in (LandedChange(p.path, p.value, p.source), *p.brings))
            alpha_before = deck.held_alpha if deck.alpha_waits else None
            actions += self.launch(
                deck, target.key, target.serial, at_frame, scheduler.fade_frames, brought, alpha_before
            )
            if deck.release_alpha():
                # Over the length of the crossfade: what fades out must not jump.
                actions.append(
                    ToPlayerMessage(
                        SetControl(deck.alpha_control, scheduler.alpha(deck), at_frame, scheduler.fade_frames)
                    )
                )
            deck.clear_target()
            actions += self._keep_promises(deck, target.serial, beat, frame)
        return actions

    def launch(
        self,
        deck: DeckState,
        key: BankKey,
        serial: int,
        at_frame: int,
        fade_frames: int,
        kept: tuple[LandedChange, ...] = (),
        alpha_before: float | None = None,
    ) -> list[Action]:
        """Place all there is of the bank ``key`` and sound it from ``at_frame`` on; ``kept`` are the changes in it.

        ``alpha_before`` is heard until then if alpha moves with the launch.
        """
        scheduler = self._scheduler
        beat = scheduler.timeline.beat_at(at_frame)
        bank = MorphBank(self._next_bank, key, serial, at_frame, beat, kept=kept, alpha_before=alpha_before)
        self._next_bank += 1
        self._awaited[bank.number] = (deck.name, bank)
        messages: list[ToPlayer] = []
        for alpha, _ in points_of(key, scheduler.policy.alphas):
            loop = scheduler.loops.best(loop_id(key, alpha))
            if loop is not None:
                messages.append(self._place(deck, bank, alpha, loop))
        bank.seen_version = scheduler.loops.version
        messages.append(LaunchBank(deck.name, bank.number, at_frame, fade_frames, serial))
        if not scheduler.anything_sounds:
            messages += scheduler.master_fade.open(at_frame)
        deck.launch(bank)
        scheduler.counters.launches += 1
        return [ToPlayerMessage(message) for message in messages]

    def landed(self, deck: str, number: int) -> MorphBank | None:
        """The bank that the player says has landed, told once; older ones of its deck are not awaited any more.

        One that never sounded, since the next launch came while it waited for crossfades, leaves its changes to it.
        """
        found = self._awaited.pop(number, None)
        if found is None:
            return None
        bank = found[1]
        passed_over = sorted(n for n, (name, _) in self._awaited.items() if name == deck and n < number)
        older = {change.path: change for n in passed_over for change in self._awaited.pop(n)[1].kept}
        newer = {change.path for change in bank.kept}
        bank.kept = (*(change for path, change in older.items() if path not in newer), *bank.kept)
        return bank

    def relaunch(self, frame: int) -> list[Action]:
        """Give a new player every bank that sounds at ``frame`` or is launched, each loop in its place, and alpha."""
        scheduler = self._scheduler
        messages: list[ToPlayer] = []
        for deck in scheduler.decks.values():
            alpha = deck.held_alpha if deck.alpha_waits else scheduler.alpha(deck)
            coming = deck.launching
            moves_at: int | None = None
            if coming is None or coming.frame <= frame or coming.alpha_before is None:
                messages.append(SetControl(deck.alpha_control, alpha, None, 0))
            else:
                moves_at = coming.frame
                messages.append(SetControl(deck.alpha_control, coming.alpha_before, None, 0))
            for bank in (deck.sounding, deck.launching):
                if bank is None:
                    continue
                messages += [self._place(deck, bank, alpha, loop) for alpha, loop in bank.placed.items()]
                at_frame, fade_frames = None, 0
                if bank is deck.launching:
                    at_frame, fade_frames = bank.frame, scheduler.fade_frames
                messages.append(LaunchBank(deck.name, bank.number, at_frame, fade_frames, bank.serial))
                if bank.number not in self._awaited:
                    self._relaunched.add(bank.number)
            if moves_at is not None:
                messages.append(SetControl(deck.alpha_control, alpha, moves_at, scheduler.fade_frames))
        return [ToPlayerMessage(message) for message in messages]

    def was_relaunched(self, number: int) -> bool:
        """Whether bank ``number`` had landed before and sounds again on a new player; answered once."""
        known = number in self._relaunched
        self._relaunched.discard(number)
        return known

    def settle(self, frame: int) -> None:
        """Banks that were launched for a frame that has come are what sounds."""
        for deck in self._scheduler.decks.values():
            deck.settle(frame)

    def swapped_frame(self, deck: DeckState) -> int:
        """When a loop that sounds on ``deck`` was last exchanged; long ago where none ever was."""
        return self._swapped_frames.get(deck.name, LONG_AGO)

    def arrange(self, frame: int) -> list[Action]:
        """New loops into the newest bank of each deck, finer ones in place of coarser, and let go of the coarser."""
        scheduler = self._scheduler
        actions: list[Action] = []
        for deck in scheduler.decks.values():
            bank = deck.current
            if bank is None or bank.seen_version == scheduler.loops.version:
                continue
            bank.seen_version = scheduler.loops.version
            heard = bank.sounding_at(scheduler.alpha(deck))
            for alpha, _ in points_of(bank.key, scheduler.policy.alphas):
                loop = scheduler.loops.best(loop_id(bank.key, alpha))
                if loop is not None and bank.placed.get(alpha) is not loop:
                    actions.append(ToPlayerMessage(self._place(deck, bank, alpha, loop)))
            if bank.sounding_at(scheduler.alpha(deck)) != heard:
                self._swapped_frames[deck.name] = frame
        for loop in scheduler.loops.superseded():
            if not scheduler.in_use(loop):
                actions += self.let_go(loop)
        return actions

    def let_go(self, loop: FinishedLoop) -> list[Action]:
        """Give up ``loop``; its slot comes back when the player has answered."""
        return [ToPlayerMessage(FreeLoop(loop.ref.loop))] if self._scheduler.loops.drop(loop) else []

    def mark_heard(self) -> None:
        """Count the loops that sound now for the first time."""
        for deck in self._scheduler.decks.values():
            if deck.sounding is None:
                continue
            for loop in deck.sounding.sounding_at(self._scheduler.alpha(deck)):
                if not loop.heard:
                    loop.heard = True
                    self._scheduler.renders.counts.heard += 1

    def _place(self, deck: DeckState, bank: MorphBank, alpha: float, loop: FinishedLoop) -> PlaceLoop:
        bank.placed[alpha] = loop
        loop.known_to_player = True
        return PlaceLoop(deck.name, bank.number, alpha, loop.ref, None, self._scheduler.fade_frames)

    def _keep_promises(self, deck: DeckState, serial: int, beat: float, frame: int) -> list[Action]:
        scheduler = self._scheduler
        actions: list[Action] = []
        for promise in deck.keep_promises(serial, frame):
            if abs(promise.last_told - beat) > 0.01:
                seconds = (scheduler.timeline.frame_of(beat) - frame) / scheduler.facts.sample_rate
                scheduler.counters.landings_moved += 1
                actions.append(Announce(Landing(promise.path, beat, seconds, moved=True), promise.source))
        text = f"deck {deck.name} lands on beat {rounded(beat)}"
        actions.append(Log("launch", text, {"beat": beat, "frame": scheduler.timeline.frame_of(beat)}, deck.name))
        return actions
