"""MidiSurface: the MIDI of a session: the controllers, the maps they use, and what the performer teaches them."""

from __future__ import annotations

import asyncio

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.led import FeedbackState
from riffengine.control.midi.server import MidiServer
from riffengine.control.surface import CommandReplied, Surface, SurfaceContext
from riffengine.engine.turns import turns
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command
from riffengine.performance.routing import Handler, handler_of
from riffengine.processes.parameter_path import parse_path
from riffengine.session.controller_map import known_maps
from riffengine.session.learned_map import Learned, keep_learned, line_of, read_learned
from riffengine.session.session import Session

_POLL_SECONDS = 1.0  # how often the file of learned bindings is checked: another terminal may change it


async def open_midi(session: Session, context: SurfaceContext) -> Surface | None:
    """Open MIDI if ``session`` wants it."""
    if not session.midi.enabled:
        return None
    learned = await asyncio.to_thread(read_learned) if session.midi.learned else Learned()
    known = await asyncio.to_thread(known_maps) if session.midi.auto else ()
    surface = MidiSurface(session, context, learned, known)
    await surface.start()
    return surface


class MidiSurface(Surface):
    """MIDI controllers. The parameter ``learn`` teaches them; what is learned is kept in the performer's own map.

    ``learned`` is what that map says now, ``known`` the maps that recognise their controllers. Files are read and
    written in threads: the map may be on a disk that does not answer.
    """

    def __init__(
        self, session: Session, context: SurfaceContext, learned: Learned, known: tuple[ControllerMap, ...] = ()
    ) -> None:
        self._session, self._context = session, context
        self._learned = learned
        self._file = asyncio.Lock()  # one thread at a time
        for problem in learned.problems:
            context.say(problem)
        self._tasks: set[asyncio.Task[None]] = set()
        setup = MidiSetup(
            bindings=session.midi.bindings,
            maps=(*session.midi.maps, *known),
            learned=learned.bindings,
            ports=session.midi.ports,
            virtual=session.midi.virtual,
        )
        self._server = MidiServer(context, setup, self._feedback_state)

    @property
    def received(self) -> int:
        """Messages that came in, by every port."""
        return self._server.received

    async def start(self) -> None:
        """Open the controllers; a missing one is a message to the performer, never an error."""
        await self._server.start()
        self._keep_task(asyncio.ensure_future(turns(_POLL_SECONDS, self._poll, "an error in MIDI learn")))

    def close(self) -> None:
        """Close every port."""
        for task in self._tasks:
            task.cancel()
        self._server.close()

    def _feedback_state(self) -> FeedbackState:
        return FeedbackState(self._context.state(), self._context.progress(), self._session.prompt_lists)

    # --- learning ----------------------------------------------------------------------------------------------------

    def replied(self, event: CommandReplied) -> None:
        """When another surface has set ``learn`` to a path, the next control that is moved is bound to it."""
        reply = event.reply
        command = reply.command
        if (
            handler_of(command.path) is Handler.LEARN
            and isinstance(reply, Accepted)
            and not command.source.startswith("midi")
        ):
            path = str(reply.value)
            self._server.learn(path, self._choices(path), lambda binding: self._on_learned(path, binding))

    def _choices(self, path: str) -> tuple[str, ...]:
        """The values that a row of pads chooses from when ``path`` is text."""
        if handler_of(path) is Handler.RECALL_SCENE:
            return self._context.progress().scenes
        state, target = self._context.state(), parse_path(path)
        if target.is_prompt:
            return self._session.prompt_lists.bank(int(state[f"deck/{target.deck}/prompts/bank"]))
        present = state.values.get(path, "")
        return (str(present),) if present else ()

    def _on_learned(self, path: str, binding: Binding | None) -> None:
        if binding is None:
            self._context.report("learn", f"nothing was learned for {path}: no control moved")
        else:
            self._keep_task(asyncio.ensure_future(self._save(binding)))
        if self._context.state()["learn"] == path:
            self._context.submit(Command("learn", "", "midi"))

    async def _save(self, binding: Binding) -> None:
        async with self._file:
            try:
                await asyncio.to_thread(keep_learned, binding)
            except ControlError as error:
                self._context.report("learn", str(error))
                return
            self._context.report("learn", f"learned {line_of(binding)}")
            self._use(await asyncio.to_thread(read_learned))

    async def _poll(self) -> None:
        """Use what another program teaches."""
        if self._session.midi.learned:
            async with self._file:
                self._use(await asyncio.to_thread(read_learned, self._learned))

    def _use(self, learned: Learned) -> None:
        if learned is self._learned:
            return
        self._learned = learned
        for problem in learned.problems:
            self._context.say(problem)
        self._server.set_learned(learned.bindings)

    def _keep_task(self, task: asyncio.Task[None]) -> None:
        """Keep a reference to ``task`` until it is done; ``close`` cancels it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
