"""DeckState: what one deck sounds, what it works towards, and which landings it has promised.

Other modules read every field; only the methods of this module write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from riffengine.performance import takes
from riffengine.performance.command import Value
from riffengine.processes.parameter_path import ParameterPath
from riffengine.processes.render_request import RenderRequest
from riffengine.scheduler.loop_pool import FinishedLoop
from riffengine.scheduler.morph_bank import BankKey, LandedChange, MorphBank
from riffengine.scheduler.source_tempo import SourceTempos

LONG_AGO = -(10**9)  # a frame


@dataclass
class Promise:
    """The beat on which a change was said to land."""

    path: str
    source: str
    serial: int
    beat: float
    value: Value = ""
    brings: tuple[LandedChange, ...] = ()  # what else the change made, such as the seeds behind ``next``
    told_beat: float | None = None  # while no renderer is at work: the beat that its sender was told last
    overdue_from: float | None = None  # the beat told last, where its render is late and the landing moves all the time

    @property
    def last_told(self) -> float:
        """The beat that its sender knows."""
        if self.told_beat is not None:
            return self.told_beat
        return self.beat if self.overdue_from is None else self.overdue_from


@dataclass
class Target:
    """The bank a deck is working towards: rendered at ``alpha`` first, launched on ``due_beat``."""

    key: BankKey
    serial: int
    alpha: float
    due_beat: float
    ready: bool = False


@dataclass
class DeckState:
    """One deck of the scheduler. ``serial`` counts the changes of what it should sound."""

    name: str
    want: BankKey
    serial: int = 0
    sounding: MorphBank | None = None
    launching: MorphBank | None = None
    target: Target | None = None
    promises: dict[str, Promise] = field(default_factory=dict)
    changed_frame: int = LONG_AGO
    unheard_since: int | None = None  # frame of the oldest change that has not landed
    gesture_rendered: bool = False  # a render has begun since the control began to move
    refused: BankKey | None = None  # could not be rendered; not tried again until something changes
    alpha_direction: int = 0  # of the last move of alpha: -1, 0, 1
    alpha_waits: bool = False  # alpha moves with the next launch
    held_alpha: float = 0.0  # what is heard while alpha waits
    lands_with_others: bool = False  # its last change came with those of other decks
    last_take: int = 0  # the highest number of a take so far
    source_tempos: SourceTempos = field(default_factory=SourceTempos)

    # --- questions --------------------------------------------------------------------------------------------------

    @property
    def alpha_control(self) -> ParameterPath:
        """The control of the mixer that is alpha of this deck."""
        return ParameterPath("alpha", self.name)

    @property
    def current(self) -> MorphBank | None:
        """The newest bank the player was told to sound."""
        return self.launching or self.sounding

    @property
    def settled(self) -> bool:
        """Whether the newest launch is what is wanted."""
        return self.current is not None and self.current.key == self.want

    @property
    def gave_up(self) -> bool:
        """Whether what is wanted could not be rendered."""
        return self.want == self.refused

    def moving(self, frame: int, settle_frames: int) -> bool:
        """Whether a control of this deck is still being moved."""
        return frame - self.changed_frame < settle_frames

    def sounding_loops(self, alpha: float) -> list[FinishedLoop]:
        """The loops that are or will be heard at ``alpha``."""
        banks = (self.sounding, self.launching)
        return [loop for bank in banks if bank is not None for loop in bank.sounding_at(alpha)]

    # --- what is wanted ---------------------------------------------------------------------------------------------

    def set_want(self, want: BankKey) -> None:
        """Set what is wanted before anything sounds, or where a drift has arrived: no change to answer."""
        self.want = want

    def retarget(self, want: BankKey, frame: int, settle_frames: int, with_others: bool = False) -> None:
        """A change at ``frame`` must be rendered; ``with_others`` lands on one frame with that of other decks."""
        if not self.moving(frame, settle_frames):
            self.gesture_rendered = False
        self.want = want
        self.serial += 1
        self.changed_frame = frame
        self.refused = None
        self.lands_with_others = with_others
        if self.unheard_since is None:
            self.unheard_since = frame

    def move_alpha(self, before: float, travel: float) -> None:
        """Alpha moved from ``before`` by ``travel``."""
        if not self.alpha_waits:
            self.held_alpha = before
        self.alpha_direction = (travel > 0) - (travel < 0) or self.alpha_direction

    def hold_alpha_for_launch(self) -> None:
        """Alpha came with a change that must be rendered: it moves when that is launched."""
        self.alpha_waits = True

    def release_alpha(self) -> bool:
        """Whether alpha waited for a launch; it does no more."""
        waited, self.alpha_waits = self.alpha_waits, False
        return waited

    def next_take(self, values: Mapping[str, Value], stems: tuple[str, ...], loop_beats: int) -> str:
        """The text of ``takes`` after ``stems`` were generated again with a number that was never used before.

        ``OutOfRange`` where everything is frozen. Not even an undo brings a number back.
        """
        number = max(self.last_take, takes.last_number(values, self.name)) + 1
        text = takes.again(values, self.name, stems, number, loop_beats)
        self.last_take = number
        return text

    # --- the target -------------------------------------------------------------------------------------------------

    def set_target(self, target: Target) -> None:
        """Work towards ``target``: its render begins."""
        self.target = target
        self.gesture_rendered = True

    def clear_target(self) -> None:
        """Work towards nothing."""
        self.target = None

    def forget_change(self) -> None:
        """What was wanted is wanted no more, or sounds already: no target and no promise is left."""
        self.target = None
        self.unheard_since = None
        self.promises.clear()

    def refuse(self, target: Target, frame: int) -> None:
        """``target`` could not be rendered and is not tried again until something changes.

        What was changed since stays wanted, and promised.
        """
        self.refused, self.target = target.key, None
        self.keep_promises(target.serial, frame)

    # --- promises ---------------------------------------------------------------------------------------------------

    def promise(self, promise: Promise) -> None:
        """Remember which landing a sender was told."""
        self.promises[promise.path] = promise

    def withdraw(self, path: str) -> None:
        """What was promised of ``path`` will not come: it has gone back to what it was."""
        self.promises.pop(path, None)

    def keep_promises(self, serial: int, frame: int) -> list[Promise]:
        """The promises that a launch with the changes up to ``serial`` keeps; they are no longer open."""
        kept = [promise for promise in self.promises.values() if promise.serial <= serial]
        for promise in kept:
            del self.promises[promise.path]
        self.unheard_since = None if self.serial <= serial else frame
        return kept

    # --- banks ------------------------------------------------------------------------------------------------------

    def launch(self, bank: MorphBank) -> None:
        """The player was told to sound ``bank`` from its frame on."""
        if self.launching is not None:
            self.sounding = self.launching
        self.launching = bank
        self.source_tempos.learn(bank.key)

    def settle(self, frame: int) -> None:
        """A bank that was launched for a frame that has come is what sounds."""
        if self.launching is not None and frame >= self.launching.frame:
            self.sounding, self.launching = self.launching, None

    def learn_source_tempo(self, request: RenderRequest) -> None:
        """A loop that was there before the set was rendered as ``request``."""
        self.source_tempos.learn(request)
