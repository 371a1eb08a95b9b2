"""JournalSurface: writes what the surfaces are notified of into the journal of the set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from riffengine.control.surface import CommandReplied, EngineEvent, LandingMoved, ParameterLanded, Surface
from riffengine.performance.command import Accepted
from riffengine.performance.journal import Journal, JournalHeader
from riffengine.performance.state import PerformanceState
from riffengine.renderer.registry import family_of
from riffengine.session.session import Session
from riffengine.transport.beat_grid import Moment


class JournalSurface(Surface):
    """A surface that only observes. It stays open until the end, after the surfaces that a performer plays by."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def replied(self, event: CommandReplied) -> None:
        """Record the command if it was accepted, and the reply unless it is routine."""
        reply = event.reply
        if isinstance(reply, Accepted):
            self._journal.record_command(event.moment, reply.command, reply.value, event.revision)
        if not event.routine:
            self._journal.record_reply(event.moment, reply, event.revision)

    def landing_moved(self, event: LandingMoved) -> None:
        """Record the new beat."""
        landing = event.landing
        self._journal.record_event(event.moment, landing.path, f"landing moved to beat {landing.beat:.3f}")

    def landed(self, event: ParameterLanded) -> None:
        """Record the moment of the splice itself."""
        self._journal.record_landing(event.moment, event.path, event.value, event.source, 0)

    def event(self, event: EngineEvent) -> None:
        """Record it."""
        self._journal.record_event(event.moment, event.path, event.text)

    def player_message(self, moment: Moment, kind: str, facts: Mapping[str, Any]) -> None:
        """Record a message that the player has acted on at ``moment``: an exact replay needs it."""
        self._journal.record_player(moment, kind, facts)

    def close(self) -> None:
        """Close the file."""
        self._journal.close()


def open_journal(
    path: Path | None, session: Session, state: PerformanceState, say: Callable[[str], None]
) -> JournalSurface | None:
    """A new journal at ``path``; ``None`` keeps none. ``JournalError`` when the file exists or cannot be made.

    ``say`` is told when the disk does not take all of it.
    """
    if path is None:
        return None
    digest = family_of(session.model).weights_digest(session.model)
    header = JournalHeader(session.name, session.model, digest, session.audio.sample_rate, 0, dict(state.values))
    return JournalSurface(Journal(path, header, say))
