"""What the tools answer with: plain dataclasses, from which the agent is told a schema."""

from __future__ import annotations

from dataclasses import dataclass

Value = bool | int | float | str


@dataclass(frozen=True)
class ParameterInfo:
    """A parameter: ``heard`` is the class of its changes, ``allowed`` what it takes, ``value`` the present one."""

    path: str
    kind: str
    heard: str
    help: str
    allowed: str
    value: Value | None


@dataclass(frozen=True)
class Description:
    """``groups`` of parameters and how many each has; ``parameters`` of those asked for, at most 80 of ``count``."""

    groups: dict[str, int]
    parameters: list[ParameterInfo]
    count: int


@dataclass(frozen=True)
class DeckState:
    """``phase`` is how far the deck is with what is wanted, ``heard`` the prompt that is heard now."""

    phase: str
    heard: str
    values: dict[str, Value]


@dataclass(frozen=True)
class EngineState:
    """``landings`` are the changes that are not heard yet, with their beats."""

    set: str
    role: str
    beat: float
    bar: int
    bpm: float
    key: str
    crossfader: float
    panicked: bool
    scene: str
    decks: dict[str, DeckState]
    landings: dict[str, float]
    events: list[str]


@dataclass(frozen=True)
class Change:
    """What became of a change: the value that was set and when it is heard, or why it was ``refused``."""

    path: str
    value: Value | None = None
    heard_on_beat: float | None = None
    heard_in_seconds: float | None = None
    note: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Scenes:
    """The scenes of the set, the present one, and what became of an action."""

    names: list[str]
    present: str
    change: Change | None = None


@dataclass(frozen=True)
class Words:
    """``continuations`` of the last word, and for each ``unknown`` word what may have been meant."""

    continuations: list[str]
    unknown: dict[str, list[str]]


@dataclass(frozen=True)
class Moment:
    """Where the set is."""

    beat: float
    bar: int
    bpm: float


@dataclass(frozen=True)
class Saved:
    """A file that was written."""

    path: str
    bytes: int


@dataclass(frozen=True)
class Shared:
    """A moment as text, and what of it cannot travel."""

    text: str
    notes: list[str]


@dataclass(frozen=True)
class Step:
    """Values that are set together, ``bars`` bars from the next bar line."""

    bars: float
    values: dict[str, Value]


@dataclass(frozen=True)
class StepHeard:
    """When a planned change would be heard, in bars from the next bar line, and how often it was put off till then."""

    path: str
    bars: float
    heard_after_bars: float | None
    put_off: int
    refused: str


@dataclass(frozen=True)
class Rehearsed:
    """What would happen. ``renders`` are those that the plan costs beyond what plays without it, ``render_seconds`` all
    of their time and ``renderer_busy`` its share. ``famines`` are repeats of a loop since nothing new was ready, and
    ``spare_seconds`` is how long the prepared music would last at the least.
    """

    begins_on_beat: float
    changes: list[StepHeard]
    bars: int
    seconds: float
    seconds_a_render: float
    famines: int
    gaps: int
    renders: int
    render_seconds: float
    renderer_busy: float
    spare_seconds: float | None
