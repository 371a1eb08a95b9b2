"""The messages between the engine and the web server's process. Frozen, picklable, no behaviour.

Mappings are plain dictionaries: a mapping proxy cannot be pickled. What surfaces are notified of (``LandingMoved``,
``ParameterLanded``, ``EngineEvent``) crosses the pipe as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from riffengine.control.surface import EngineEvent, LandingMoved, ParameterLanded
from riffengine.performance.command import Command, Landing, Reply, Value
from riffengine.performance.parameter_tree import Parameter
from riffengine.processes.player_messages import LoopRef
from riffengine.processes.web_figures import WebFigures
from riffengine.transport.beat_grid import BeatGrid

# --- engine → web ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WholeState:
    """The value of every parameter, after a start of the web server or when it had not read for a while."""

    values: Mapping[str, Value]


@dataclass(frozen=True)
class Parameters:
    """All parameters, after those of a plugin have joined the tree or left it; their values follow."""

    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class Changes:
    """The newest values of the parameters that changed since the last message."""

    values: Mapping[str, Value]


@dataclass(frozen=True)
class Answered:
    """The reply to ``Submit`` of the same ``number``."""

    number: int
    reply: Reply


@dataclass(frozen=True)
class Promised:
    """A change of ``source`` got a landing; every page shows it, whoever sent it."""

    landing: Landing
    value: Value
    source: str


@dataclass(frozen=True)
class DeckFigures:
    """How far a deck is with what is wanted of it (``performance.progress.Phase``), and which prompts are heard.

    ``loop`` is the loop that is heard most; from ``coming_frame`` on it is ``coming``.
    """

    phase: str
    sounding: Mapping[str, str]
    loop: LoopRef | None = None
    coming: LoopRef | None = None
    coming_frame: int = 0


@dataclass(frozen=True)
class Figures:
    """What a page shows besides the parameters, some times a second. ``frame`` is the engine's present frame.

    ``files`` are those that decks start from, or would by a scene or an undo: drawings among them are kept.
    """

    frame: int
    grid: BeatGrid
    decks: Mapping[str, DeckFigures]
    scenes: tuple[str, ...]
    scene: str
    panicked: bool
    facts: Mapping[str, Value]
    files: frozenset[str] = frozenset()


ToWeb = WholeState | Parameters | Changes | Answered | Promised | Figures | LandingMoved | ParameterLanded | EngineEvent

# --- web → engine ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """The server listens on ``port``; ``url`` is the page's address, ``note`` is for the performer alone."""

    url: str
    port: int
    note: str = ""


@dataclass(frozen=True)
class Refused:
    """The server cannot run; ``reason`` is for a person. Its end follows.

    ``for_good``: another start would meet the same, unless somebody changes something.
    """

    reason: str
    for_good: bool


@dataclass(frozen=True)
class Alive:
    """A sign of life, once a second; ``figures`` lacks what the engine knows itself: process and deaths."""

    figures: WebFigures


@dataclass(frozen=True)
class Told:
    """Something that the performer should know, such as a stream that an Icecast server has refused."""

    text: str


@dataclass(frozen=True)
class Submit:
    """Apply ``command``; ``Answered`` with ``number`` follows."""

    number: int
    command: Command


FromWeb = Opened | Refused | Alive | Told | Submit
