"""Surfaces: everything by which a performer reaches the engine and is answered: OSC, MIDI, the journal.

Lives on the engine's event loop. What one surface changes, the others hear.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from riffengine.clock import Clock
from riffengine.control.midi import MidiInput
from riffengine.control.osc import OscServer
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command, Landing, Reply, Value
from riffengine.performance.journal import Journal, JournalHeader
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.session import Session
from riffengine.transport.grid import Moment

Submit = Callable[[Command], Reply]
Say = Callable[[str], None]


class Surfaces:
    """Opens what the session asks for; what cannot be opened is told and left out, the music goes on."""

    def __init__(self, session: Session, tree: ParameterTree, clock: Clock, say: Say) -> None:
        self._session, self._tree, self._clock, self._say = session, tree, clock, say
        self._osc: OscServer | None = None
        self._midi: MidiInput | None = None
        self._journal: Journal | None = None
        self._early: list[tuple[Moment, str, Mapping[str, Any]]] = []  # of the tape, before the journal can begin
        self._told_words: set[str] = set()

    async def open(
        self, submit: Submit, current: Callable[[], PerformanceState], status: Callable[[], Mapping[str, Value]]
    ) -> None:
        """Open OSC and MIDI as the session says."""
        session = self._session
        if session.osc_enabled:
            server = OscServer(self._tree, submit, current, self._clock, session.osc_host, session.osc_port, status)
            try:
                await server.start()
            except ControlError as error:
                self._say(f"no OSC: {error}")
            else:
                self._osc = server
                self._say(
                    f"OSC: {server.host}:{server.port}, addresses /riff/…" + (f"  {server.note}" if server.note else "")
                )
        if session.midi_enabled:
            self._midi = MidiInput(
                session.midi, self._tree, submit, current, self._clock, session.midi_ports, session.midi_virtual
            )
            self._midi.start(asyncio.get_running_loop())
            for note in self._midi.notes:
                self._say(note)

    def begin_journal(self, path: Path | None, state: PerformanceState, model: str, digest: str) -> None:
        """Begin writing to ``path``; ``None`` keeps no journal. ``JournalError`` when the file cannot be made."""
        if path is None or self._journal is not None:
            return
        header = JournalHeader(self._session.name, model, digest, self._session.sample_rate, 0, dict(state.values))
        self._journal = Journal(path, header)
        for moment, kind, facts in self._early:
            self._journal.record_player(moment, kind, facts)
        self._early.clear()

    def replied(self, moment: Moment, reply: Reply, state: PerformanceState) -> None:
        """A command was answered, whoever sent it: into the journal and to every subscriber."""
        command = reply.command
        if isinstance(reply, Accepted) and command.path in state.values and self._osc is not None:
            self._osc.changed(command.path, reply.value)
        if self._journal is not None:
            if isinstance(reply, Accepted):
                self._journal.record_command(moment, command, reply.value, state.revision)
            self._journal.record_reply(moment, reply, state.revision)

    def landing_moved(self, moment: Moment, landing: Landing, source: str) -> None:
        """A promised landing moved: its sender hears, the journal keeps it."""
        if self._osc is not None:
            self._osc.announce(landing, source)
        self.event(moment, landing.path, f"landing moved to beat {landing.beat:.3f}")

    def event(self, moment: Moment, path: str, note: str) -> None:
        """Something that no performer asked for, or the landing of something that one did."""
        if self._journal is not None:
            self._journal.record_event(moment, path, note)

    def played(self, moment: Moment, kind: str, facts: Mapping[str, Any]) -> None:
        """The player took a message: onto the tape. Called only when a journal is to be kept."""
        if self._journal is None:
            self._early.append((moment, kind, facts))
        else:
            self._journal.record_player(moment, kind, facts)

    def unknown_words(self, words: tuple[str, ...], suggest: Callable[[str], tuple[str, ...]]) -> None:
        """Tell the performer, once for each word, that the model does not know it, and what it may have meant."""
        for word in words:
            if word not in self._told_words:
                self._told_words.add(word)
                close = suggest(word)
                hint = f"; did you mean {' or '.join(close)}?" if close else "; `riffengine words` lists what it knows"
                self._say(f"the model does not know {word!r}{hint}")

    def close(self) -> None:
        """Close everything that was opened."""
        for surface in (self._osc, self._midi, self._journal):
            if surface is not None:
                surface.close()
