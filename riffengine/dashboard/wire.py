"""What travels between the engine and its dashboard: frozen, picklable, over one socket pair of one program."""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.performance.command import Command, Reply
from riffengine.telemetry.observation import Observation

# --- engine → dashboard ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """A line for the performer."""

    text: str


@dataclass(frozen=True)
class Answered:
    """What became of a command of the dashboard."""

    reply: Reply


@dataclass(frozen=True)
class Fading:
    """The fade-out has begun."""


# --- dashboard → engine ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quit:
    """Fade out and end; the second time at once."""


ToDashboard = Observation | Said | Answered | Fading
FromDashboard = Command | Quit
