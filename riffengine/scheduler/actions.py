"""What the Conductor asks the engine (or the rehearsal) to do, and the figures it works by. Frozen; no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from riffengine.performance.command import Command, Landing, Reply, Value
from riffengine.processes.player_messages import ToPlayer
from riffengine.processes.render_messages import Cancel, Render
from riffengine.processes.render_request import DEFAULT_LOOP_BEATS
from riffengine.transport.beat_grid import Moment


@dataclass(frozen=True)
class ToRendererMessage:
    """Send ``message`` to the renderer."""

    message: Render | Cancel


@dataclass(frozen=True)
class ToPlayerMessage:
    """Send ``message`` to the player."""

    message: ToPlayer


@dataclass(frozen=True)
class Announce:
    """Tell ``source`` that its change lands on another beat than it was told."""

    landing: Landing
    source: str


@dataclass(frozen=True)
class Applied:
    """A command that no surface sent: the drift, a scene or ``next`` made it. It belongs in the journal."""

    command: Command
    reply: Reply
    moment: Moment
    routine: bool = False  # a plain step of the drift: one comes on every sixteenth note


@dataclass(frozen=True)
class DeckLanded:
    """``deck`` sounds another bank from ``frame`` on, which is on ``beat``; it came ``error_frames`` late.

    The prompts and seeds are those of the bank, which need not be what is wanted by now.
    """

    deck: str
    beat: float
    frame: int
    error_frames: int
    prompt: str
    seed: int
    to: str
    to_seed: int

    @property
    def text(self) -> str:
        """For a person: when it landed."""
        return f"deck {self.deck} landed on beat {self.beat:.3f}, {self.error_frames} frames late"

    @property
    def sentence(self) -> str:
        """For a person: what is heard now."""
        return (
            f"beat {self.beat:8.2f}  deck {self.deck}: {self.prompt!r} seed {self.seed}"
            f" → {self.to!r} seed {self.to_seed}"
        )


@dataclass(frozen=True)
class ChangeLanded:
    """A change that had a landing is heard from ``frame`` on: ``path`` is ``value``; ``source`` had asked for it."""

    deck: str
    beat: float
    frame: int
    path: str
    value: Value
    source: str


@dataclass(frozen=True)
class RenderGivenUp:
    """What ``deck`` works towards cannot be rendered; ``text`` says why and what goes on, for a person."""

    deck: str
    text: str


@dataclass(frozen=True)
class Log:
    """One line for the log: ``text`` is for a person, ``kind`` and ``values`` for programs. It has no other effect.

    Where ``deck`` is named, the line is reported as an event of that deck.
    """

    kind: str
    text: str
    values: Mapping[str, Value] = field(default_factory=dict)
    deck: str = ""


@dataclass(frozen=True)
class RestartRenderer:
    """The renderer hangs: end its process. ``Conductor.renderer_lost`` is then called as for any other death."""

    reason: str


Action = (
    ToRendererMessage
    | ToPlayerMessage
    | Announce
    | Applied
    | DeckLanded
    | ChangeLanded
    | RenderGivenUp
    | Log
    | RestartRenderer
)


@dataclass(frozen=True)
class Policy:
    """The figures the Conductor works by. Seconds are converted to whole frames once."""

    # A player message sent this long before its frame is never late: 20 ms tick + queue + one block of 46 ms.
    lead_seconds: float = 0.1
    settle_seconds: float = 0.15  # a control that has not moved for this long is at rest
    fade_seconds: float = 2048 / 44100  # in phase, so short is enough
    fade_in_seconds: float = 1.0
    panic_seconds: float = 0.02
    control_ramp_seconds: float = 0.01
    alphas: int = 9  # points of a full bank, 2**n + 1
    loop_beats: int = DEFAULT_LOOP_BEATS
    draft_prior_seconds: float = 0.6  # render times until they are measured
    full_prior_seconds: float = 1.0
    synthesis_prior_seconds: float = 0.3  # of a loop at another tempo, without generating it again
    renderer_start_seconds: float = 8.0  # what a landing waits for while no renderer is ready
    hang_seconds: float = 20.0  # a job older than this, and than ten times p95, hangs
    retries: int = 3
    retry_beats: float = 1.0  # doubled with each failure of the same loop


@dataclass(frozen=True)
class DeckStatus:
    """One deck on the status line. ``coverage`` is the share of the bank's points that are placed."""

    deck: str
    prompt: str
    to: str
    alpha: float
    seed: int
    coverage: float
    runway_seconds: float  # infinite while the deck does not drift
    landing_beat: float | None  # of the change that will land next
    sounding: bool


@dataclass(frozen=True)
class ConductorStatus:
    """Everything the status line shows, at one moment."""

    moment: Moment
    decks: tuple[DeckStatus, ...]
    renderer_ready: bool
    draft_p50_seconds: float
    draft_p95_seconds: float
    full_p50_seconds: float
    full_p95_seconds: float
    full_measured: bool  # else the two times of a full render are assumed
    jobs_started: int
    jobs_delivered: int
    jobs_heard: int
    jobs_cancelled: int
    jobs_failed: int
    jobs_lost: int
    famines: int
    launches: int
    landings_moved: int
    landing_error_frames_max: int
    slots_free: int
    panicked: bool
