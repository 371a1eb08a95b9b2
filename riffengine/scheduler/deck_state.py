"""DeckState: what one deck sounds, what it is about to sound, and what it has promised."""

from __future__ import annotations

from dataclasses import dataclass, field

from riffengine.performance.command import Value
from riffengine.scheduler.loop_pool import FinishedLoop
from riffengine.scheduler.morph_bank import BankKey, LandedChange, MorphBank
from riffengine.scheduler.source_tempo import SourceTempos


@dataclass
class Promise:
    """The beat on which a change was said to land."""

    path: str
    source: str
    serial: int
    beat: float
    value: Value = ""
    brings: tuple[LandedChange, ...] = ()  # what else the change made, such as the seeds behind ``next``
    told_beat: float | None = None  # while it waits for a renderer: what its sender was told last


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
    """One deck. ``serial`` counts the changes of what it wants; ``jump`` says that alpha moves with the next launch."""

    name: str
    want: BankKey
    serial: int = 0
    sounding: MorphBank | None = None
    launching: MorphBank | None = None
    target: Target | None = None
    promises: dict[str, Promise] = field(default_factory=dict)
    changed_frame: int = -(10**9)
    unheard_since: int | None = None  # frame of the oldest change that has not landed
    gesture_rendered: bool = False  # a render was begun since the hand began to move
    refused: BankKey | None = None  # would not render; not tried again until something changes
    direction: int = 0
    jump: bool = False
    bound: bool = False  # its last change came with those of other decks, and lands with them
    step_beat: float | None = None  # the walk's next sixteenth note
    sent_step_frame: int = -1  # the last frame for which the walk has already sent an alpha
    holding: bool = False  # the walk waits at alpha 1 for the next bank
    last_take: int = 0  # the highest number of a take so far
    source_tempos: SourceTempos = field(default_factory=SourceTempos)
    swapped_frame: int = -(10**9)  # when a sounding loop was last exchanged

    @property
    def current(self) -> MorphBank | None:
        """The newest bank the player was told to sound."""
        return self.launching or self.sounding

    @property
    def settled(self) -> bool:
        """Whether what was last launched is what is wanted."""
        return self.current is not None and self.current.key == self.want

    def moving(self, frame: int, settle_frames: int) -> bool:
        """Whether the hand is still changing this deck."""
        return frame - self.changed_frame < settle_frames

    def retarget(self, want: BankKey, frame: int, settle_frames: int) -> None:
        """Something that must be rendered was changed."""
        if not self.moving(frame, settle_frames):
            self.gesture_rendered = False
        self.want = want
        self.serial += 1
        self.changed_frame = frame
        self.refused = None
        if self.unheard_since is None:
            self.unheard_since = frame

    def sounding_loops(self, alpha: float) -> list[FinishedLoop]:
        """The loops that are or will be heard with the knob at ``alpha``."""
        banks = (self.sounding, self.launching)
        return [loop for bank in banks if bank is not None for loop in bank.sounding_at(alpha)]
