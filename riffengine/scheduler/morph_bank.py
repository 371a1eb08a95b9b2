"""MorphBank: the renditions of one deck along alpha, and the key that determines them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Protocol

from riffengine.performance.chords import parse_chords, transposed
from riffengine.performance.command import Value
from riffengine.performance.state import DeckIntent, PerformanceState
from riffengine.performance.takes import LONGEST_BEATS, parse_takes
from riffengine.performance.walk_form import OFF, WalkForm
from riffengine.processes.player_messages import LoopRef
from riffengine.processes.render_request import MorphEnd, RenderRequest, is_heard
from riffengine.scheduler.loop_pool import FinishedLoop

IDS_KEPT = 512
"""Names of loops and mels. Each keeps its request, 1.5 kB: what is wanted in these minutes, and not in these hours."""


@dataclass(frozen=True)
class BankKey:
    """Everything that determines a bank's renditions: ``base`` is the request for the one at alpha 0, with 0 steps."""

    base: RenderRequest

    def __hash__(self) -> int:
        """That of the request, computed once: keys are looked up at every tick."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.base)

    @property
    def start(self) -> MorphEnd:
        """The end at alpha 0."""
        return self.base.start

    @property
    def end(self) -> MorphEnd:
        """The end at alpha 1."""
        return self.base.end

    @property
    def bpm(self) -> float:
        """The tempo at which it sounds."""
        return self.base.bpm

    @property
    def source_tempo(self) -> float:
        """The tempo at which its mels are rendered, bpm."""
        return self.base.source_tempo

    @property
    def together(self) -> tuple[float, str]:
        """What all sounding decks must share at any time: tempo and key."""
        return self.base.bpm, self.base.key

    def request(self, alpha: float, steps: int, finished: bool = False) -> RenderRequest:
        """The canonical request for the rendition at ``alpha``; ``finished`` is one that shall not comb."""
        return replace(self.base, alpha=alpha, steps=steps, phase_from_ends=finished).canonical()

    def at_source_tempo(self, bpm: float) -> BankKey:
        """The same bank, rendered at ``bpm``."""
        source_bpm = 0.0 if bpm == self.bpm else bpm
        return self if source_bpm == self.base.source_bpm else BankKey(replace(self.base, source_bpm=source_bpm))

    def differs_in_tempo_alone(self, other: BankKey) -> bool:
        """Whether both are the same mels, synthesised at two tempi."""
        mine, others = (replace(key.base, bpm=key.source_tempo, source_bpm=0.0) for key in (self, other))
        return self.bpm != other.bpm and mine == others


class FileHashes(Protocol):
    """What files hold; see ``riffengine.renderer.file_hash``."""

    def look(self, path: str) -> None:
        """Hash the file as it is now; ``AudioFileError`` when it cannot be read."""

    def of(self, path: str) -> str:
        """The hash of the file as it was when it was last looked at."""


class NoFileHashes:
    """For a rehearsal, in which no file is read: a file is known by its name alone."""

    def look(self, path: str) -> None:
        """Does nothing."""

    def of(self, path: str) -> str:
        """No hash."""
        return ""


@dataclass(frozen=True)
class SessionFacts:
    """What is the same for every bank of a session: loop length, sample rate, model family, stems of the model."""

    beats: int
    sample_rate: int
    model: str
    file_hashes: FileHashes = NoFileHashes()  # noqa: RUF009 (it holds nothing)
    stems: tuple[str, ...] = ("mix",)


def walk_form(intent: DeckIntent, session: SessionFacts) -> WalkForm | None:
    """How the deck of ``intent`` walks; ``None`` where it has no memory."""
    if intent.memory == OFF:
        return None
    return WalkForm(intent.memory, intent.tension, intent.prompt, intent.to, session.stems, session.beats)


def bank_key(intent: DeckIntent, state: PerformanceState, session: SessionFacts) -> BankKey:
    """The bank that ``intent`` asks for under the session-wide parameters in ``state``."""
    # Without a sound to start from the strength changes nothing, and at strength 1 that sound: no render because of it.
    init = intent.init if is_heard(intent.init, intent.strength) else ""
    strength = intent.strength if init else 1.0

    def point(prompt: str, seed: int) -> MorphEnd:
        return MorphEnd(prompt, seed, intent.negative, intent.guidance, strength)

    controls: dict[str, Any] = dict(intent.controls)
    start, end = point(intent.prompt, intent.seed), point(intent.to or intent.prompt, intent.to_seed)
    retakes = parse_takes(intent.takes, LONGEST_BEATS)
    form = walk_form(intent, session)
    if form is not None:  # it walks from loop to loop: there is no way along alpha
        end = start
        retakes += form.retakes(intent.walk)
    return BankKey(
        RenderRequest(
            start=start,
            end=end,
            steps=0,
            bpm=state.number("transport/tempo"),
            beats=session.beats,
            sample_rate=session.sample_rate,
            key=state.text("key"),
            init=init,
            init_hash=session.file_hashes.of(init) if init else "",
            model=session.model,
            chords=transposed(parse_chords(intent.chords), controls["transpose"]),  # a transposer moves it all
            retakes=retakes,
            **controls,
        )
    )


@lru_cache(maxsize=IDS_KEPT)
def loop_id(key: BankKey, alpha: float) -> str:
    """A name for what sounds at ``alpha``, whatever the number of denoising steps.

    Banks share motifs: alpha 1 of one bank is alpha 0 of the bank that follows it.
    """
    return key.request(alpha, 0).digest()


@lru_cache(maxsize=64)
def coarse_to_fine(alphas: int) -> tuple[tuple[float, int], ...]:
    """``(alpha, level)`` for a bank of ``2**n + 1`` points: the ends are level 0, the middle 1, the quarters 2 …"""
    points = [(0.0, 0), (1.0, 0)]
    count, level = 1, 1
    while len(points) < alphas:
        points += [((2 * i + 1) / (2 * count), level) for i in range(count)]
        count, level = count * 2, level + 1
    return tuple(points)


def points_of(key: BankKey, alphas: int) -> tuple[tuple[float, int], ...]:
    """The points of the bank; one whose ends are equal has a single point."""
    return ((0.0, 0),) if key.start == key.end else coarse_to_fine(alphas)


def nearest_point(key: BankKey, alpha: float, alphas: int) -> float:
    """The point of the bank nearest to ``alpha``."""
    if key.start == key.end:
        return 0.0
    return round(alpha * (alphas - 1)) / (alphas - 1)


@dataclass(frozen=True)
class LandedChange:
    """A change that a launch brings to sound."""

    path: str
    value: Value
    source: str


@dataclass
class MorphBank:
    """A bank that the player knows. ``frame`` is when it begins to sound, ``serial`` the newest change in it.

    ``alpha_before`` is heard until then if alpha moves with the launch.
    """

    number: int
    key: BankKey
    serial: int
    frame: int
    beat: float
    placed: dict[float, FinishedLoop] = field(default_factory=dict)
    kept: tuple[LandedChange, ...] = ()
    alpha_before: float | None = None
    seen_version: int = -1  # of the loop pool, when it was last arranged

    def carry(self, changes: tuple[LandedChange, ...]) -> None:
        """The launch brings ``changes`` too; each takes the place of an older one of its path."""
        paths = {change.path for change in changes}
        self.kept = (*(change for change in self.kept if change.path not in paths), *changes)

    def sounding_at(self, alpha: float) -> tuple[FinishedLoop, ...]:
        """The one or two loops that are heard with the knob at ``alpha``."""
        if not self.placed:
            return ()
        points = sorted(self.placed)
        right = bisect_left(points, alpha)
        if right < len(points) and points[right] == alpha:
            return (self.placed[alpha],)
        return tuple(self.placed[p] for p in points[max(0, right - 1) : right + 1])

    def nearest_loop(self, alpha: float) -> LoopRef | None:
        """The loop that is heard most with the knob at ``alpha``, ``None`` while none is placed."""
        if not self.placed:
            return None
        return self.placed[min(self.placed, key=lambda point: abs(point - alpha))].ref

    @property
    def reach(self) -> float:
        """The largest alpha that is placed."""
        return max(self.placed, default=0.0)
