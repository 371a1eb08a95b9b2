"""Observation: how a performance stands at one moment, frozen, for those who watch from other threads or processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from riffengine.performance.command import Command, Reply, Value
from riffengine.processes.player_messages import Status
from riffengine.scheduler.actions import ConductorStatus

Submit = Callable[[Command], Reply]


@dataclass(frozen=True)
class LatencyFigures:
    """Knob-to-ear of one control class in milliseconds. ``octaves``: (upper bound, gestures not above it)."""

    count: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    sum_ms: float = 0.0
    octaves: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Pending:
    """A change that has not landed: its path, the beat it is promised for, and in how many seconds that is."""

    path: str
    beat: float
    seconds: float


@dataclass(frozen=True)
class Observation:
    """Everything a dashboard, a health check or a statistic shows. ``host_ns`` is the monotonic clock's.

    ``player`` is its last report, ``None`` before the first; ``values`` the performance state by path; ``activity`` the
    messages that came in by surface since the start; ``recording`` the file being written, "" for none.
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
    saves: int = 0
    renderer_pid: int = 0
    player_pid: int = 0
    renderer_deaths: int = 0
    player_deaths: int = 0
    faults: int = 0


class Observer:
    """Somebody who looks after a performance. Every call comes on the event loop's thread and must not wait."""

    def opened(self, submit: Submit, stop: Callable[[], None]) -> None:
        """The performance begins: commands go to ``submit``; ``stop`` fades out, and once more ends at once."""

    def said(self, text: str) -> None:
        """Something was told to the performer."""

    def observed(self, observation: Observation) -> None:
        """How it stands, ten times a second."""

    def ending(self) -> None:
        """The fade-out begins."""

    def closed(self, status: int) -> None:
        """It is over; ``status`` is what the program will return. May wait a little for its own end."""
