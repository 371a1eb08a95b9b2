"""The messages between the engine and its dashboard: frozen and pickled, over a socket pair."""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.performance.command import Command, Reply
from riffengine.telemetry.observation import Observation

# --- engine → dashboard ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notice:
    """A line of text for the performer."""

    text: str


@dataclass(frozen=True)
class CommandReply:
    """The engine's reply to a command of the dashboard."""

    reply: Reply


@dataclass(frozen=True)
class FadeOutStarted:
    """The fade-out has started."""


# --- dashboard → engine ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StopRequested:
    """The performer wants to fade out and end; a second message ends at once."""


ToDashboard = Observation | Notice | CommandReply | FadeOutStarted
FromDashboard = Command | StopRequested
