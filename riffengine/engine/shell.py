"""Shell: what the parts of the engine may ask of the whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from riffengine.scheduler.actions import Action


class Shell(Protocol):
    """The engine, as its parts see it. One thread, the event loop's."""

    @property
    def stopping(self) -> bool:
        """Whether the performance is coming to its end."""

    @property
    def hurried(self) -> bool:
        """Whether the end must not wait for the fade."""

    def frame(self) -> int:
        """The first frame on which a message could still act."""

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Do what the Conductor decided."""

    def say(self, text: str) -> None:
        """Tell the performer, above the status line."""

    def fail(self, reason: str) -> None:
        """End the performance with a failure; the first reason is the one that is told."""
