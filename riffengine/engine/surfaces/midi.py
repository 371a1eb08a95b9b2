"""The MIDI surface of a session: which maps count, what the performer taught, and what lamps have to show."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from riffengine.clock import Clock
from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controller_map import ANY, ControllerMap
from riffengine.control.midi.input import MidiSetup, MidiSurface
from riffengine.control.midi.led import Show
from riffengine.control.midi.port_names import base_name
from riffengine.errors import ControlError, PresetError
from riffengine.performance.command import Accepted, Command, Reply, Value
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.progress import PerformanceProgress
from riffengine.performance.state import PerformanceState
from riffengine.session.learned_map import LearnedMap, line_of
from riffengine.session.midi_map import SHIPPED, config_folder, read_map, shipped_names
from riffengine.session.session import Session
from riffengine.transport.beat_grid import Moment

_WATCH_SECONDS = 1.0  # how soon lines that were taught in another terminal count


class SessionMidi(MidiSurface):
    """A MidiSurface that is taught by the parameter ``learn`` and keeps what it learns in ``taught``."""

    def __init__(
        self,
        session: Session,
        tree: ParameterTree,
        submit: Callable[[Command], Reply],
        current: Callable[[], PerformanceState],
        progress: Callable[[], PerformanceProgress],
        clock: Clock,
        say: Callable[[str], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self._session, self._outlook, self._tell = session, progress, tell
        self._taught = LearnedMap(config_folder(os.environ))
        learned, problems = self._taught.read() if session.midi_learned else ((), [])
        for problem in problems:
            say(problem)
        self._stamp = self._taught.stamp
        self._tasks: set[asyncio.Task[None]] = set()
        setup = MidiSetup(
            bindings=session.midi,
            maps=(*session.midi_maps, *(known_maps() if session.midi_auto else ())),
            learned=learned,
            ports=session.midi_ports,
            virtual=session.midi_virtual,
        )
        super().__init__(setup, tree, submit, current, clock, self._look, say)

    def replied(self, moment: Moment, reply: Reply) -> None:
        """Whoever set ``learn``: the next control that moves is meant."""
        command = reply.command
        if command.path == "learn" and isinstance(reply, Accepted) and not command.source.startswith("midi"):
            path = str(reply.value)
            self.learn(path, self._values(path), lambda binding: self._learned_one(path, binding))

    async def watch(self) -> None:
        """Take in what another program teaches; for ever."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if self._session.midi_learned and self._taught.stamp != self._stamp:
                self._read_again()

    def close(self) -> None:
        """Hear no more."""
        for task in self._tasks:
            task.cancel()
        super().close()

    def begin(self, work: asyncio.Task[None]) -> None:
        """Keep ``work`` until the surface is closed."""
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    def _look(self) -> Show:
        return Show(self._current(), self._outlook(), self._session.lists)

    def _values(self, path: str) -> tuple[str, ...]:
        """What a row of pads picks from when it is taught a text."""
        if path == "scene/recall":
            return self._outlook().scenes
        if path.endswith(("/prompt", "/to")):
            return self._session.lists.bank(int(self._current()[f"{path.rsplit('/', 1)[0]}/prompts/bank"]))
        now: Value = self._current().values.get(path, "")
        return (str(now),) if now else ()

    def _learned_one(self, path: str, binding: Binding | None) -> None:
        if binding is None:
            self._tell("learn", f"nothing was learned for {path}: no control moved")
        else:
            self.begin(asyncio.ensure_future(self._keep(binding)))
        if self._current()["learn"] == path:
            self._submit(Command("learn", "", "midi"))

    async def _keep(self, binding: Binding) -> None:
        try:
            await asyncio.to_thread(self._taught.keep, binding)
        except ControlError as error:
            self._tell("learn", str(error))
            return
        self._tell("learn", f"learned {line_of(binding)}")
        self._read_again()

    def _read_again(self) -> None:
        self._stamp = self._taught.stamp
        learned, problems = self._taught.read()
        for problem in problems:
            self._say(problem)
        self.relearn(learned)


def named_map(port: str) -> str:
    """The map that comes with the package and knows the controller behind ``port``; "" where none does."""
    label = base_name(port)
    return next((found.name for found in known_maps() if found.fits(label)), "")


def known_maps() -> tuple[ControllerMap, ...]:
    """The maps that come with the package and know their controller by its name."""
    found = []
    for name in shipped_names():
        try:
            known = read_map(SHIPPED / f"{name}.yaml")
        except PresetError:  # told by `riffengine play --map`; a damaged map of another controller stops nobody
            continue
        if ANY not in known.match:
            found.append(known)
    return tuple(found)
