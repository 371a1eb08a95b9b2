"""Surfaces: everything by which a performer reaches the engine and is answered: OSC, MIDI, the journal.

Lives on the engine's event loop. What one surface changes, the others hear.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riffengine.clock import Clock
from riffengine.control.osc.server import OscServer, Schedule
from riffengine.control.surface import Surface
from riffengine.engine.surfaces.midi import SessionMidi
from riffengine.engine.surfaces.osc import OscSurface, osc_options
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command, Landing, Reply, Value
from riffengine.performance.journal import Journal, JournalHeader
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.progress import PerformanceProgress
from riffengine.performance.state import PerformanceState
from riffengine.renderer.bundled.model_info import weights_digest
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.session.session import Session
from riffengine.transport.beat_grid import Moment

WORDS_TOLD = 3  # of one prompt: a suggestion costs up to a millisecond of the event loop

Submit = Callable[[Command], Reply]
Say = Callable[[str], None]


@dataclass(frozen=True)
class EngineServices:
    """What a surface may ask of the engine besides.

    ``schedule`` keeps commands whose time is still to come; ``tell`` gets what a surface has to say about a path.
    """

    schedule: Schedule | None = None
    progress: Callable[[], PerformanceProgress] = PerformanceProgress
    tell: Callable[[str, str], None] = lambda path, text: None


@dataclass(frozen=True)
class SurfaceContext:
    """What a surface is plugged into."""

    session: Session
    tree: ParameterTree
    clock: Clock
    say: Say
    submit: Submit
    current: Callable[[], PerformanceState]
    status: Callable[[], Mapping[str, Value]]
    services: EngineServices


async def _open_osc(box: SurfaceContext) -> Surface | None:
    session = box.session
    if not session.osc_enabled:
        return None
    options = osc_options(session)
    server = OscServer(box.tree, box.submit, box.current, box.clock, options, box.status, box.services.schedule)
    surface = OscSurface(server, box.say)
    await surface.start(box.tree, box.current)
    return surface


async def _open_midi(box: SurfaceContext) -> Surface | None:
    session = box.session
    if not session.midi_enabled:
        return None
    back = box.services
    midi = SessionMidi(session, box.tree, box.submit, box.current, back.progress, box.clock, box.say, back.tell)
    await midi.start()
    midi.begin(asyncio.ensure_future(midi.watch()))
    return midi


OPENERS: Mapping[str, Callable[[SurfaceContext], Awaitable[Surface | None]]] = {"OSC": _open_osc, "MIDI": _open_midi}
"""How each surface is opened, in this order; ``None`` where the session wants none. A new one is a line here."""


class Surfaces:
    """Opens what the session asks for; what cannot be opened is told and left out, the music goes on."""

    def __init__(
        self, session: Session, tree: ParameterTree, clock: Clock, say: Say, journal: Journal | None = None
    ) -> None:
        self._session, self._tree, self._clock, self._say = session, tree, clock, say
        self._open: list[Surface] = []
        self._named: dict[str, Surface] = {}
        self._journal = journal
        self._told_words: set[str] = set()

    def join(self, surface: Surface) -> None:
        """One that needs no opening, and hears from the first moment on."""
        self._open.append(surface)

    async def open(
        self,
        submit: Submit,
        current: Callable[[], PerformanceState],
        status: Callable[[], Mapping[str, Value]],
        services: EngineServices | None = None,
    ) -> None:
        """Open every surface that the session says; ``services`` is what some of them ask of the engine besides."""
        session, tree, clock, say = self._session, self._tree, self._clock, self._say
        box = SurfaceContext(session, tree, clock, say, submit, current, status, services or EngineServices())
        for name, opener in OPENERS.items():
            try:
                surface = await opener(box)
            except ControlError as error:
                self._say(f"no {name}: {error}")
                continue
            if surface is not None:
                self._open.append(surface)
                self._named[name] = surface

    def activity(self) -> Mapping[str, int]:
        """How much came in by each surface that hears anything."""
        counts = {name: surface.received for name, surface in self._named.items()}
        return {name: count for name, count in counts.items() if count is not None}

    def replied(self, moment: Moment, reply: Reply, state: PerformanceState, routine: bool = False) -> None:
        """A command was answered, whoever sent it: into the journal and to every subscriber.

        ``routine``: one of the walk's small steps, of which the journal keeps the command and not the answer.
        """
        command = reply.command
        for surface in self._open:
            if isinstance(reply, Accepted) and command.path in state.values:
                surface.changed(command.path, reply.value)
            surface.replied(moment, reply)
        if self._journal is not None:
            if isinstance(reply, Accepted):
                self._journal.record_command(moment, command, reply.value, state.revision)
            if not routine:
                self._journal.record_reply(moment, reply, state.revision)

    def landing_moved(self, moment: Moment, landing: Landing, source: str) -> None:
        """A promised landing moved: its sender hears, the journal keeps it."""
        for surface in self._open:
            surface.announce(landing, source)
        self.event(moment, landing.path, f"landing moved to beat {landing.beat:.3f}")

    def event(self, moment: Moment, path: str, note: str) -> None:
        """Something that no performer asked for, or the landing of something that one did."""
        for surface in self._open:
            surface.event(moment, path, note)
        if self._journal is not None:
            self._journal.record_event(moment, path, note)

    def landed(self, moment: Moment, path: str, value: Value, source: str) -> None:
        """``path`` is heard as ``value`` from ``moment`` on, the moment of the splice itself."""
        for surface in self._open:
            surface.landed(moment, path, value)
        if self._journal is not None:
            self._journal.record_landing(moment, path, value, source, 0)

    def played(self, moment: Moment, kind: str, facts: Mapping[str, Any]) -> None:
        """The player took a message: onto the tape."""
        if self._journal is not None:
            self._journal.record_player(moment, kind, facts)

    def remark(self, path: str, text: Value) -> str:
        """What to tell about a prompt: its words that the bundled model does not know; each is said once."""
        if self._session.model != "bundled" or path.rpartition("/")[2] not in ("prompt", "to", "negative"):
            return ""
        vocabulary = Vocabulary.load()
        remarks = []
        for word in vocabulary.parse(str(text)).unknown[:WORDS_TOLD]:
            close = vocabulary.suggest(word)
            hint = f"did you mean {' or '.join(close)}?" if close else "`riffengine words` lists what it knows"
            remarks.append(f"the model does not know {word!r}; {hint}")
            if word not in self._told_words:
                self._told_words.add(word)
                self._say(remarks[-1])
        return "; ".join(remarks)

    def close_inputs(self) -> None:
        """Hear nobody any more; the journal stays open."""
        for surface in self._open:
            surface.close()
        self._open.clear()

    def close(self) -> None:
        """Close everything that was opened."""
        self.close_inputs()
        if self._journal is not None:
            self._journal.close()


def open_journal(path: Path | None, session: Session, state: PerformanceState) -> Journal | None:
    """A new journal at ``path``; ``None`` keeps none. ``JournalError`` when the file exists or cannot be made."""
    if path is None:
        return None
    digest = weights_digest(session.model)
    header = JournalHeader(session.name, session.model, digest, session.sample_rate, 0, dict(state.values))
    return Journal(path, header)
