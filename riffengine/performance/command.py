"""Command and Reply: how every control surface and script changes the performance."""

from __future__ import annotations

from dataclasses import dataclass

Value = float | int | str | bool

AGENT_SOURCE = "mcp:"
"""What the source of an agent's commands begins with."""

INPUT_SOURCE = "input"
"""Source of the ``init`` that follows when bars of the sound input were asked for."""

FOLLOW_SOURCE = "follow"
"""Source of what a deck takes over from the sound input by itself."""


@dataclass(frozen=True)
class Command:
    """Set the parameter at ``path`` (for example ``deck/a/prompt``) to ``value``.

    ``source`` names the sender (``osc:127.0.0.1:9001``, ``midi:nanoKONTROL2``, ``walk``, ``preset``).
    ``stamp_ns`` is the monotonic time at which the gesture arrived, 0 when unknown.
    """

    path: str
    value: Value
    source: str = ""
    stamp_ns: int = 0


@dataclass(frozen=True)
class Landing:
    """When a change will be heard: on ``beat``, in ``seconds`` from now; ``seconds`` is about 0 for immediate ones."""

    path: str
    beat: float
    seconds: float
    moved: bool = False  # true when an earlier reply named another beat


@dataclass(frozen=True)
class Accepted:
    """The command was applied as ``value`` (clipped to the range when ``clipped``)."""

    command: Command
    value: Value
    landing: Landing | None = None
    clipped: bool = False
    note: str = ""


@dataclass(frozen=True)
class Rejected:
    """Nothing was changed; ``reason`` says what was wrong, what is allowed and what to do."""

    command: Command
    reason: str


Reply = Accepted | Rejected
