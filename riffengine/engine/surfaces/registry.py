"""The registry of surfaces: how each is opened (``OPENERS``), and the open ones together (``Surfaces``).

To add a surface, write a class derived from ``control.surface.Surface`` and a function that opens it, and add the
function to ``OPENERS``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from riffengine.control.surface import (
    CommandReplied,
    EngineEvent,
    LandingMoved,
    ParameterLanded,
    Surface,
    SurfaceContext,
)
from riffengine.engine.surfaces.daw import open_daw
from riffengine.engine.surfaces.journal import JournalSurface
from riffengine.engine.surfaces.midi import open_midi
from riffengine.engine.surfaces.osc import open_osc
from riffengine.engine.surfaces.unknown_words import UnknownWords
from riffengine.engine.surfaces.web import WebSurface, open_web
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Landing, Reply, Value
from riffengine.performance.state import PerformanceState
from riffengine.processes.web_figures import WebFigures
from riffengine.session.session import Session
from riffengine.transport.beat_grid import Moment

Opener = Callable[[Session, SurfaceContext], Awaitable[Surface | None]]

OPENERS: Mapping[str, Opener] = {
    "OSC": open_osc,
    "MIDI": open_midi,
    "web": open_web,
    "DAW": open_daw,
}
"""How each surface is opened, in this order; an opener returns ``None`` where the session does not want it."""


class Surfaces:
    """All surfaces of a performance: opens them, notifies them, closes them. The event loop's thread.

    A surface that cannot be opened is reported to the performer and left out; the set goes on. ``journal`` is notified
    after the others and stays open longest.
    """

    def __init__(self, session: Session, say: Callable[[str], None], journal: JournalSurface | None = None) -> None:
        self._session, self._say, self._journal = session, say, journal
        self._open: list[Surface] = []
        self._named: dict[str, Surface] = {}
        self._unknown_words = UnknownWords(session.model, say)

    def join(self, surface: Surface) -> None:
        """Notify ``surface`` too, which needs no opening."""
        self._open.append(surface)

    async def open(self, context: SurfaceContext) -> None:
        """Open every surface that the session wants."""
        for name, opener in OPENERS.items():
            try:
                surface = await opener(self._session, context)
            except ControlError as error:
                self._say(f"no {name}: {error}")
                continue
            if surface is not None:
                self._open.append(surface)
                self._named[name] = surface

    def activity(self) -> Mapping[str, int]:
        """How many messages came in by each surface that receives any."""
        counts = {name: surface.received for name, surface in self._named.items()}
        return {name: count for name, count in counts.items() if count is not None}

    def web_figures(self) -> WebFigures | None:
        """How the web server is; ``None`` where there is none."""
        surface = self._named.get("web")
        return surface.figures if isinstance(surface, WebSurface) else None

    def remark(self, path: str, value: Value) -> str:
        """A note about the words of a prompt that the model does not know; "" for every other path and value."""
        return self._unknown_words.note(path, value)

    # --- notifications -----------------------------------------------------------------------------------------------

    def _observers(self) -> Iterator[Surface]:
        yield from self._open
        if self._journal is not None:
            yield self._journal

    def replied(self, moment: Moment, reply: Reply, state: PerformanceState, routine: bool = False) -> None:
        """A command was answered, whoever sent it; ``state`` is the state after it.

        ``routine``: one of the small steps of a drift, of which the journal keeps the command and not the reply.
        """
        path = reply.command.path
        event = CommandReplied(moment, reply, state.revision, routine)
        accepted = reply if isinstance(reply, Accepted) and path in state.values else None
        for surface in self._observers():
            if accepted is not None:
                surface.changed(path, accepted.value)
            surface.replied(event)

    def parameters_changed(self) -> None:
        """The parameters of a plugin have joined the tree, or have left it."""
        for surface in self._observers():
            surface.parameters_changed()

    def landing_moved(self, moment: Moment, landing: Landing, source: str) -> None:
        """A landing that was promised to ``source`` moved."""
        event = LandingMoved(moment, landing, source)
        for surface in self._observers():
            surface.landing_moved(event)

    def landed(self, moment: Moment, path: str, value: Value, source: str) -> None:
        """``path`` is heard as ``value`` from ``moment`` on, the moment of the splice itself."""
        event = ParameterLanded(moment, path, value, source)
        for surface in self._observers():
            surface.landed(event)

    def event(self, moment: Moment, path: str, text: str) -> None:
        """Something happened that no performer asked for."""
        event = EngineEvent(moment, path, text)
        for surface in self._observers():
            surface.event(event)

    def played(self, moment: Moment, kind: str, facts: Mapping[str, Any]) -> None:
        """The player has acted on a message at ``moment``: only the journal records it."""
        if self._journal is not None:
            self._journal.player_message(moment, kind, facts)

    # --- the end -----------------------------------------------------------------------------------------------------

    def close_inputs(self) -> None:
        """Close the surfaces that a performer plays by; the journal stays open."""
        for surface in self._open:
            surface.close()
        self._open.clear()

    def close(self) -> None:
        """Close everything that was opened."""
        self.close_inputs()
        if self._journal is not None:
            self._journal.close()
