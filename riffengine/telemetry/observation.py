"""Observation: the state of a performance at one moment, frozen, for observers in other threads and processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from riffengine.performance.command import Command, Reply, Value
from riffengine.processes.player_messages import Status
from riffengine.processes.render_messages import PoolReport
from riffengine.processes.web_figures import WebFigures
from riffengine.scheduler.actions import ConductorStatus

Submit = Callable[[Command], Reply]


@dataclass(frozen=True)
class LatencyFigures:
    """Knob-to-ear latency of one control class, ms. ``octaves``: (upper bound in ms, gestures not above it)."""

    count: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    sum_ms: float = 0.0
    octaves: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Pending:
    """A change that has not landed yet: its path, the beat announced for it, and the seconds until then."""

    path: str
    beat: float
    seconds: float


@dataclass(frozen=True)
class Observation:
    """Everything that a dashboard, a health check or a metric shows. ``host_ns`` is monotonic clock time.

    ``player`` is the player's last report, ``None`` before the first. ``values`` is the performance state by path.
    ``activity`` counts the messages received since the start, by surface. ``recording`` is the file being written, ""
    if there is none.
    """

    host_ns: int
    name: str
    conductor: ConductorStatus
    player: Status | None
    sounding: bool
    output: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    latency: Mapping[str, LatencyFigures] = field(default_factory=dict)
    pending: tuple[Pending, ...] = ()
    scenes: tuple[str, ...] = ()
    scene: str = ""
    activity: Mapping[str, int] = field(default_factory=dict)
    recording: str = ""
    recordings_failed: int = 0
    recording_problem: str = ""  # of the last recording, save or cue sheet, until one succeeds
    saves: int = 0
    renderer_pid: int = 0
    player_pid: int = 0
    renderer_deaths: int = 0
    player_deaths: int = 0
    faults: int = 0
    pool: PoolReport | None = None  # ``None`` where one renderer process is used
    web: WebFigures | None = None  # ``None`` where there is no web server


class Observer:
    """An observer of a performance. Every method is called on the event loop's thread and must not block."""

    def opened(self, submit: Submit, stop: Callable[[], None]) -> None:
        """The performance starts. ``submit`` takes commands; ``stop`` fades out, and a second call ends at once."""

    def notified(self, text: str) -> None:
        """A message was shown to the performer."""

    def observed(self, observation: Observation) -> None:
        """The current state, ten times a second."""

    def ending(self) -> None:
        """The fade-out starts."""

    def closed(self, status: int) -> None:
        """The performance has ended; ``status`` is the program's exit status. May block briefly to clean up."""
