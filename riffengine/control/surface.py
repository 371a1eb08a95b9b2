"""Surface: the interface between the engine and everything that a performer plays by: OSC, MIDI, a web page.

Surface to engine: a surface is opened with a ``SurfaceContext``; it submits commands and reads values through it.
Engine to surface: the engine calls the methods of ``Surface`` when something changes. A surface overrides those that
it can show. All calls, in both directions, are made on the event loop's thread and must not block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from riffengine.clock import Clock
from riffengine.performance.command import Command, Landing, Reply, Value
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.progress import PerformanceProgress
from riffengine.performance.state import PerformanceState
from riffengine.processes.loop_store import StoreName
from riffengine.processes.player_messages import ToHost
from riffengine.transport.beat_grid import BeatGrid, Moment

# --- from the surface to the engine ----------------------------------------------------------------------------------


class Schedule(Protocol):
    """Keeps a command until its time has come."""

    def __call__(self, command: Command, unix_seconds: float, on_reply: Callable[[Reply], None]) -> Landing | None:
        """When ``command`` will act; its reply goes to ``on_reply`` then. ``None`` when ``unix_seconds`` has passed.

        ``ControlError`` when the command cannot be kept.
        """


Prepare = Callable[[Command, Callable[[], object]], bool]
"""Calls the function, which submits the command, at once or when the file that it names is open; whether at once."""


def at_once(command: Command, submit: Callable[[], object]) -> bool:
    """The ``Prepare`` of a place without files."""
    submit()
    return True


@dataclass(frozen=True)
class SurfaceContext:
    """What the engine offers a surface."""

    tree: ParameterTree  # every parameter with its path, type, range and help
    clock: Clock  # monotonic time, for ``Command.stamp_ns``
    submit: Callable[[Command], Reply]  # applies a command now
    state: Callable[[], PerformanceState]  # the present value of every parameter
    progress: Callable[[], PerformanceProgress] = PerformanceProgress  # what is queued, rendered and playing
    status: Callable[[], Mapping[str, Value]] = dict  # figures for a display, by name
    prepare: Prepare = at_once  # has the file that a command names opened, without waiting for it
    files_in_use: Callable[[], frozenset[str]] = frozenset  # that decks start from, or would by a scene or an undo
    schedule: Schedule | None = None  # keeps a command until a time; without it every command acts at once
    now: Callable[[], tuple[int, BeatGrid]] | None = None  # the present frame, and the grid that rules
    tap: str = ""  # the shared memory in which the player leaves its output; "" where there is none
    loops: StoreName | None = None  # the shared memory that holds the loops
    say: Callable[[str], None] = lambda text: None  # shows a message on the performer's screen
    to_host: Callable[[ToHost], None] = lambda message: None  # tells the player of the instances of a DAW's plugin
    report: Callable[[str, str], None] = lambda path, text: None  # the same, and an event of ``path`` for all surfaces


# --- from the engine to the surface ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class CommandReplied:
    """A command was answered at ``moment``. ``revision`` is the state's after it.

    ``routine``: one of the small steps of a drift, of which the journal keeps the command and not the reply.
    """

    moment: Moment
    reply: Reply
    revision: int = 0
    routine: bool = False


@dataclass(frozen=True)
class LandingMoved:
    """A promised landing moved; ``source`` is the sender that it was promised to."""

    moment: Moment
    landing: Landing
    source: str


@dataclass(frozen=True)
class ParameterLanded:
    """``path`` is heard as ``value`` from ``moment`` on, which may lie a little ahead; ``source`` asked for it."""

    moment: Moment
    path: str
    value: Value
    source: str


@dataclass(frozen=True)
class EngineEvent:
    """Something that no performer asked for, such as a renderer that ended. ``text`` is for a person."""

    moment: Moment
    path: str
    text: str


class Surface:
    """Something that a performer touches or looks at."""

    @property
    def received(self) -> int | None:
        """How many messages came in since it was opened; ``None`` where nothing comes in."""
        return None

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``; any surface may have set it."""

    def parameters_changed(self) -> None:
        """The parameters of a plugin have joined the tree, or have left it."""

    def replied(self, event: CommandReplied) -> None:
        """A command of any surface was answered, also one that changed nothing."""

    def landing_moved(self, event: LandingMoved) -> None:
        """A promised landing moved to another beat."""

    def landed(self, event: ParameterLanded) -> None:
        """A change that had to be rendered is heard."""

    def event(self, event: EngineEvent) -> None:
        """Something happened that no performer asked for."""

    def close(self) -> None:
        """Stop receiving, and release ports and devices."""
