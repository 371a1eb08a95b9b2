"""DawSurface: the instances of our plugin in a DAW: their rings, parameters, MIDI, and the state in the DAW's project.

An instance connects to a unix socket (``processes.daw_handshake``), gets a ring of shared memory, and stays connected
for as long as it lives. The player fills the ring; here the rest of it is read, every few milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from riffengine.control.daw.project_state import SOURCE, ProjectState
from riffengine.control.daw.slot_map import SlotMap
from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.server import MidiServer
from riffengine.control.surface import Surface, SurfaceContext
from riffengine.engine.turns import turns
from riffengine.errors import ControlError, DawError
from riffengine.output.registry import DAW
from riffengine.performance.command import Accepted, Command, Value
from riffengine.processes.daw_handshake import LONGEST_LINE, Answer, Hello, refusal, socket_path, state_line
from riffengine.processes.daw_ring import DawRing
from riffengine.processes.player_messages import AttachInstance, DetachInstance, ToHost
from riffengine.renderer.registry import model_shape
from riffengine.session.learned_map import read_learned
from riffengine.session.session import Session

MIDI_LABEL = "daw"
_POLL_SECONDS = 0.005
_HELLO_SECONDS = 5.0
_STATE_TURNS = 100  # of the poll between two looks at whether the state has changed: half a second
_MOST_INSTANCES = 64


async def open_daw(session: Session, context: SurfaceContext) -> Surface | None:
    """Wait for instances of the plugin, where the output is a DAW; ``ControlError`` when the socket cannot be had."""
    if session.audio.output != DAW:
        return None
    learned = (await asyncio.to_thread(read_learned)).bindings if session.midi.learned else ()
    surface = DawSurface(session, context, context.to_host, learned)
    await surface.start(socket_path())
    return surface


@dataclass
class _Instance:
    name: str
    ring: DawRing
    writer: asyncio.StreamWriter
    sent: str = ""  # the state that it was sent last


class DawSurface(Surface):
    """The instances that are connected. ``to_host`` passes a message about them to the player.

    ``learned``: the controls that the performer has taught.
    """

    def __init__(
        self,
        session: Session,
        context: SurfaceContext,
        to_host: Callable[[ToHost], None],
        learned: tuple[Binding, ...] = (),
    ) -> None:
        self._session, self._context, self._to_host = session, context, to_host
        self._slots = self._slot_map(session.daw.map)
        setup = MidiSetup(session.midi.bindings, session.midi.maps, learned, ports=(), virtual=False)
        self._midi = MidiServer(context, setup)
        self._instances: dict[str, _Instance] = {}
        self._known: dict[str, str] = {}  # the state that each instance was sent last, the gone ones' too
        self._decks = session.decks
        self._stems = model_shape(session.model).stems
        self._setting: int | None = None  # the slot whose move is being carried out
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._task: asyncio.Task[None] | None = None
        self._turns = 0
        self._received = 0

    @property
    def received(self) -> int:
        """Moves of parameters and MIDI messages that came in."""
        return self._received

    @property
    def instances(self) -> int:
        """How many instances are connected."""
        return len(self._instances)

    async def start(self, path: Path) -> None:
        """Listen at ``path``; ``ControlError`` when another engine does, or the folder cannot be used."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_stale(path)
            self._server = await asyncio.start_unix_server(self._serve, str(path), limit=LONGEST_LINE)
        except OSError as error:
            raise ControlError(
                f"the plugin of a DAW cannot connect at {path}: {error.strerror or error}; "
                "end the other engine, or set RIFFENGINE_DAW_SOCKET to another path in both"
            ) from error
        self._path = path
        self._task = asyncio.ensure_future(turns(_POLL_SECONDS, self.turn, "an error with the DAW's plugin"))
        self._context.say(f"DAW: waiting for the plugin at {path}")

    def close(self) -> None:
        """Give up every ring, and listen no more."""
        if self._task is not None:
            self._task.cancel()
        if self._server is not None:
            self._server.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
        for instance in list(self._instances.values()):
            self._leave(instance)
            instance.writer.close()
        self._midi.close()

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``: the plugins show it, unless one of them has just set it."""
        slot = self._slots.slot(path)
        if slot is None or slot == self._setting:
            return
        position = self._slots.position(path, value)
        if position is not None:
            for instance in self._instances.values():
                instance.ring.set_parameter(slot, position)

    # --- instances ---------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its hello to its end."""
        instance: _Instance | None = None
        try:
            hello = Hello.parse(await asyncio.wait_for(reader.readline(), _HELLO_SECONDS))
            instance = self._join(hello, writer)
            writer.write(Answer(instance.ring.name, instance.name).line())
            self._send_state(instance)
            while await reader.read(LONGEST_LINE):
                continue  # it says no more; the end of the connection is what counts
        except DawError as error:
            writer.write(refusal(str(error)))
        except (TimeoutError, OSError, ValueError):  # it has gone, or sent a line without an end
            pass
        except asyncio.CancelledError:  # the loop ends; asyncio would print a traceback for this task
            pass
        finally:
            if instance is not None and self._instances.get(instance.name) is instance:
                self._leave(instance)
            writer.close()

    def _join(self, hello: Hello, writer: asyncio.StreamWriter) -> _Instance:
        if len(self._instances) >= _MOST_INSTANCES:
            raise DawError(f"{_MOST_INSTANCES} instances are connected already; remove some")
        sources = tuple(self._source(wanted) for wanted in hello.wants)
        name = hello.instance
        if not name or name in self._instances:
            name = secrets.token_hex(8)
        self._restore(hello)
        ring = DawRing.create(hello.rate, name, hello.wants)
        instance = self._instances[name] = _Instance(name, ring, writer)
        for slot, path in enumerate(self._slots.paths):
            position = (
                self._slots.position(path, self._context.state()[path])
                if path in self._context.state().values
                else None
            )
            if position is not None:
                ring.set_parameter(slot, position)
        self._to_host(AttachInstance(ring.name, sources))
        self._context.say(f"DAW: a track plays {', '.join(sources)}, {hello.rate} Hz")
        return instance

    def _leave(self, instance: _Instance) -> None:
        self._to_host(DetachInstance(instance.ring.name))
        self._instances.pop(instance.name, None)
        instance.ring.close()
        self._context.say("DAW: a track has gone")

    def _source(self, wanted: str) -> str:
        """``wanted`` with a stem by its name; ``DawError`` where this session has no such deck or stem.

        A stem by a number that the model does not reach stays silent: a plugin with four outputs takes any model.
        """
        parts = wanted.split("/")
        if parts[0] == "master":
            return wanted
        if parts[1] not in self._decks:
            raise DawError(f"{wanted}: there is no deck {parts[1]}; there are {', '.join(self._decks)}")
        if len(parts) == 2:
            return wanted
        stem = parts[3]
        if stem.isdecimal() and 1 <= int(stem) <= len(self._stems):
            stem = self._stems[int(stem) - 1]
        if stem not in self._stems and not stem.isdecimal():
            raise DawError(f"{wanted}: the model has no stem {stem}; it has {', '.join(self._stems)}")
        return f"deck/{parts[1]}/stem/{stem}"

    # --- what they send ----------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Read what the instances have sent, and send them what has changed."""
        now_ns = self._context.clock.now_ns()
        for instance in list(self._instances.values()):
            for slot, position in instance.ring.changed_parameters():
                self._received += 1
                self._move(instance, slot, position, now_ns)
            for message in instance.ring.take_midi():
                self._received += 1
                self._midi.handle(message.data, MIDI_LABEL, now_ns)
        self._midi.tick(now_ns)
        self._turns += 1
        if self._turns % _STATE_TURNS == 0:
            for instance in self._instances.values():
                self._send_state(instance)

    def _move(self, instance: _Instance, slot: int, position: float, now_ns: int) -> None:
        """Carry out a move; the other instances show it too, this one only where the value is another."""
        moved = self._slots.value(slot, position)
        if moved is None:
            return
        path, value = moved
        self._setting = slot
        try:
            reply = self._context.submit(Command(path, value, SOURCE, now_ns))
        finally:
            self._setting = None
        for other in self._instances.values():
            if isinstance(reply, Accepted) and other is not instance:
                other.ring.set_parameter(slot, position)

    # --- the state in the project ------------------------------------------------------------------------------------

    def _slot_map(self, paths: tuple[str, ...]) -> SlotMap:
        return SlotMap(self._context.tree, paths, lambda: self._context.progress().scenes)

    def _present_state(self) -> str:
        values = self._context.state().values
        return ProjectState.of(self._session.name, values, self._context.tree, self._slots.paths).text()

    def _send_state(self, instance: _Instance) -> None:
        state = self._present_state()
        if state == instance.sent or instance.writer.is_closing():
            return
        instance.sent = self._known[instance.name] = state
        try:
            instance.writer.write(state_line(state))
        except DawError as error:
            self._context.say(f"the DAW's project does not keep this set: {error}")

    def _restore(self, hello: Hello) -> None:
        """Set what the project of ``hello`` has saved, unless it is what this instance was told last by us."""
        present = self._present_state()
        if hello.state in ("", present, self._known.get(hello.instance)):
            return
        try:
            saved = ProjectState.parse(hello.state)
        except DawError as error:
            self._context.say(str(error))
            return
        if saved.preset != self._session.name:
            self._context.say(
                f"the DAW's project was made with the preset {saved.preset!r}, this is {self._session.name!r}: "
                "only what both have is restored"
            )
        self._slots = self._slot_map(saved.map or self._session.daw.map)
        commands, unknown = saved.commands(self._context.tree, self._context.state().values)
        for command in commands:
            self._context.prepare(command, functools.partial(self._context.submit, command))
        missing = f"; not here: {', '.join(unknown)}" if unknown else ""
        self._context.say(f"DAW: {len(commands)} values of the project are restored{missing}")


def _remove_stale(path: Path) -> None:
    """Remove the socket of an engine that was killed; ``OSError`` when an engine listens at ``path``."""
    if not path.exists():
        return
    with socket.socket(socket.AF_UNIX) as tried:
        try:
            tried.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(0, "another engine listens there")
