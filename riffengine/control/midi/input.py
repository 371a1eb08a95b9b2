"""MidiSurface: controllers that come and go, their gestures as commands, their lamps and motors as answers.

rtmidi calls back in threads of its own; they only stamp the bytes and leave them in a queue. All else happens on the
engine's event loop. No library, no ALSA sequencer, no JACK server and no controller are each a note for the performer,
never an error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from riffengine.clock import Clock
from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controller import Controller
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.control.midi.event import MidiEvent, decode
from riffengine.control.midi.learn import Learner
from riffengine.control.midi.led import Show
from riffengine.control.midi.port_names import means, normalised
from riffengine.control.midi.ports import APIS, CLIENT, POLL_SECONDS, MidiPorts, Watch, libraries_quiet
from riffengine.control.surface import Surface
from riffengine.errors import ControlError, ParameterError
from riffengine.performance.command import Accepted, Command, Reply
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.state import PerformanceState

__all__ = [
    "Binding", "MidiCounters", "MidiEvent", "MidiSetup", "MidiSurface", "decode", "libraries_quiet", "normalised",
]  # fmt: skip

_OURS = ("midi through", CLIENT)  # never opened by themselves: the first echoes everything, the second is us
TURN_SECONDS = 0.04  # between two looks at what the lamps should show
GREET_AGAIN_SECONDS = 1.0
MOST_WAITING = 4096  # messages; beyond, the oldest is dropped
DRAIN_MESSAGES = 128  # in one turn of the event loop
CROWD = 64  # messages that wait: from here on a knob's passing positions are left out, its last one counts
_LEARN_SECONDS = 60.0


@dataclass
class MidiCounters:
    """What came in, in messages."""

    received: int = 0
    accepted: int = 0
    rejected: int = 0
    garbage: int = 0
    unbound: int = 0  # nothing is mapped to them
    superseded: int = 0  # a newer position of the same knob was there already
    dropped: int = 0
    came: int = 0  # controllers
    went: int = 0


@dataclass(frozen=True)
class MidiSetup:
    """What a session says about MIDI. ``ports`` are parts of port names, ``None`` for every one.

    ``bindings`` are the preset's own lines; ``maps`` those of whole controllers, of which the first that fits counts;
    ``learned`` the performer's own lines, which count before both.
    """

    bindings: tuple[Binding, ...] = ()
    maps: tuple[ControllerMap, ...] = ()
    learned: tuple[Binding, ...] = ()
    ports: tuple[str, ...] | None = None
    virtual: bool = True
    poll_seconds: float = POLL_SECONDS


@dataclass
class _Lesson:
    learner: Learner
    path: str
    until_ns: int
    taught: Callable[[Binding | None], None] = field(repr=False)


class MidiSurface(Surface):
    """Hears every controller that ``setup`` wants and one virtual port, and answers those that have lights.

    ``submit`` applies a command and must not block; ``current`` is the state, ``show`` what lamps show; ``say`` tells a
    person. ``start``, ``take`` and ``close`` belong to the event loop's thread.
    """

    def __init__(
        self,
        setup: MidiSetup,
        tree: ParameterTree,
        submit: Callable[[Command], Reply],
        current: Callable[[], PerformanceState],
        clock: Clock,
        show: Callable[[], Show] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.counters = MidiCounters()
        self._setup, self._tree, self._clock = setup, tree, clock
        self._submit, self._current, self._show, self._say = submit, current, show, say
        self._maps = tuple(found.within(tree) for found in setup.maps)
        self._learned = tuple(b for b in setup.learned if b.path in tree)
        self._controllers: dict[str, Controller] = {}
        self._inbox: deque[tuple[str, Sequence[int], int]] = deque(maxlen=MOST_WAITING)
        self._draining = False
        self._lesson: _Lesson | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn_at: asyncio.TimerHandle | None = None
        self._ports: MidiPorts | None = None
        self._started = False

    @property
    def received(self) -> int:
        """Messages that came in, by every port."""
        return self.counters.received

    async def start(self, apis: Sequence[str] = tuple(APIS)) -> None:
        """Open what is there, on the first of ``apis`` that works, and watch what comes and goes."""
        self._loop = asyncio.get_running_loop()
        watch = Watch(
            hears=self._hears,
            speaks=self._speaks,
            heard=self._arrived,
            came=lambda label: self._soon(self._came, label),
            listens=lambda label: self._soon(self._listens, label),
            went=lambda label: self._soon(self._went, label),
        )
        ports = MidiPorts(watch, self._clock, self._setup.virtual, self._setup.poll_seconds)
        problem = await self._loop.run_in_executor(None, ports.start, apis)
        if problem:
            self._say(problem)
            return
        self._ports = ports
        await asyncio.sleep(0)  # what the first look found is told before the summary
        self._tell_what_is_open()
        if self._setup.virtual and self._speaks(CLIENT):
            self._controller(CLIENT)
            self._listens(CLIENT)
        self._turn_at = self._loop.call_later(TURN_SECONDS, self._turn)

    def close(self) -> None:
        """Put the lamps out and close every port; messages on their way are dropped."""
        self._loop = None
        if self._turn_at is not None:
            self._turn_at.cancel()
        if self._ports is not None:
            for controller in self._controllers.values():
                self._ports.send(controller.label, controller.farewell())
            self._ports.close()
            self._ports = None

    @property
    def api(self) -> str:
        """The MIDI system that is used, "" while there is none."""
        return self._ports.api if self._ports is not None else ""

    @property
    def connected(self) -> tuple[str, ...]:
        """The labels of the controllers that are there."""
        return tuple(label for label in self._controllers if label != CLIENT)

    # --- in --------------------------------------------------------------------------------------------------------

    def take(self, message: Sequence[int], label: str, stamp_ns: int) -> list[Reply]:
        """Turn one message's bytes into commands and submit them: one for every binding that it matches."""
        self.counters.received += 1
        try:
            event = decode(message)
        except ControlError:
            self.counters.garbage += 1
            return []
        if event is None:
            self.counters.unbound += 1
            return []
        controller = self._controller(label)
        events = controller.events(event)
        if self._lesson is not None:
            self._lesson.learner.hear(label, events, self._clock.now_ns())
            return []
        bound = controller.bound(events)
        if not bound:
            self.counters.unbound += 1
        replies = []
        for binding, gesture in bound:
            value = controller.value(binding, gesture, self._tree, self._current(), stamp_ns)
            if value is None:
                continue
            replies.append(self._asked(Command(binding.path, value, f"midi:{label}", stamp_ns)))
        controller.touched(events, self._clock.now_ns())
        return replies

    def _asked(self, command: Command) -> Reply:
        reply = self._submit(command)
        if isinstance(reply, Accepted):
            self.counters.accepted += 1
        else:
            self.counters.rejected += 1
        return reply

    def settle(self, now_ns: int) -> list[Reply]:
        """What only time decides, at every turn: a lesson ends, and the chords whose keys are down are submitted."""
        self._tend_lesson(now_ns)
        return [
            self._asked(Command(binding.path, chord, f"midi:{label}", now_ns))
            for label, controller in self._controllers.items()
            for binding, chord in controller.chords(now_ns)
        ]

    def _arrived(self, label: str, message: Sequence[int], stamp_ns: int) -> None:
        """Called by rtmidi, in its thread."""
        if len(self._inbox) == MOST_WAITING:
            self.counters.dropped += 1
        self._inbox.append((label, message, stamp_ns))
        if not self._draining:
            self._draining = True
            self._soon(self._drain)

    def _drain(self) -> None:
        self._draining = False  # before the queue is read: what comes now asks for another turn
        portion = [self._inbox.popleft() for _ in range(min(len(self._inbox), DRAIN_MESSAGES))]
        if len(portion) > CROWD:
            portion = self._thinned(portion)
        for label, message, stamp_ns in portion:
            self.take(message, label, stamp_ns)
        if self._inbox and not self._draining:
            self._draining = True
            self._soon(self._drain)

    def _thinned(self, portion: list[tuple[str, Sequence[int], int]]) -> list[tuple[str, Sequence[int], int]]:
        """``portion`` without positions that a later one of the same fader replaces; buttons and clicks all count."""
        kept, later = [], set()
        for label, message, stamp_ns in reversed(portion):
            key = (label, *(message[:1] if message and message[0] & 0xF0 == 0xE0 else message[:2]))
            if key in later and self._controller(label).glides(message):
                self.counters.superseded += 1
                self.counters.received += 1
                continue
            later.add(key)
            kept.append((label, message, stamp_ns))
        return kept[::-1]

    # --- learning --------------------------------------------------------------------------------------------------

    def learn(self, path: str, values: Sequence[str], taught: Callable[[Binding | None], None]) -> None:
        """Bind the next control that moves to ``path``; ``taught`` gets the binding, or ``None`` when none came.

        Until then what is moved moves nothing. "" as ``path`` stops waiting.
        """
        lesson, self._lesson = self._lesson, None
        if lesson is not None and lesson.path != path:
            lesson.taught(None)
        if path:
            until_ns = self._clock.now_ns() + round(_LEARN_SECONDS * 1e9)
            self._lesson = _Lesson(Learner(self._tree[path], values), path, until_ns, taught)

    def relearn(self, learned: Sequence[Binding]) -> None:
        """The performer's own lines have changed: they count from now on."""
        self._learned = tuple(b for b in learned if b.path in self._tree)
        for label in list(self._controllers):
            self._controllers[label] = self._made(label)
            self._listens(label)

    def _tend_lesson(self, now_ns: int) -> None:
        lesson = self._lesson
        if lesson is None:
            return
        binding = lesson.learner.done(now_ns)
        if binding is not None:
            binding = self._told_apart(binding)
            try:
                binding.validate(self._tree)
            except (ControlError, ParameterError) as error:
                self._say(f"not learned: {error}")
                binding = None
        elif now_ns < lesson.until_ns:
            return
        self._lesson = None
        lesson.taught(binding)

    def _told_apart(self, binding: Binding) -> Binding:
        """``binding`` for one of several controllers of a name alone, while the others are there too."""
        others = any(label.startswith(f"{binding.port} #") for label in self.connected)
        return replace(binding, port=f"{binding.port}#1") if others else binding

    # --- controllers -----------------------------------------------------------------------------------------------

    def _controller(self, label: str) -> Controller:
        if label not in self._controllers:
            self._controllers[label] = self._made(label)
        return self._controllers[label]

    def _made(self, label: str) -> Controller:
        return Controller.of(label, self._tree, self._learned, self._setup.bindings, self._maps)

    def _hears(self, label: str) -> bool:
        if self._setup.ports is not None:
            return any(means(part, label) for part in self._setup.ports)
        return not any(ours in label for ours in _OURS)

    def _speaks(self, label: str) -> bool:
        return self._show is not None and self._made(label).speaks

    def _came(self, label: str) -> None:
        self.counters.came += 1
        controller = self._controller(label)
        if self._started:
            what = f", map {controller.map_name}" if controller.map_name else ""
            self._say(f"MIDI controller connected: {label}{what}")

    def _listens(self, label: str) -> None:
        """Told twice: while it boots, or while JACK still makes the connection, a controller hears nothing."""
        self._greet(label)
        if self._loop is not None:
            self._loop.call_later(GREET_AGAIN_SECONDS, self._greet, label)

    def _greet(self, label: str) -> None:
        if self._ports is not None and label in self._controllers:
            self._ports.send(label, self._controllers[label].greeting())

    def _went(self, label: str) -> None:
        self.counters.went += 1
        self._controllers.pop(label, None)
        self._say(f"MIDI controller gone: {label}; plug it in again and it goes on")

    def _turn(self) -> None:
        """Time has passed: lessons end, chords count, lamps follow."""
        if self._loop is None:
            return
        self._turn_at = self._loop.call_later(TURN_SECONDS, self._turn)
        self.settle(self._clock.now_ns())
        if self._show is None or self._ports is None or self._ports.waiting:
            return  # a controller that is still being told is told the newest when it has heard the rest
        speaking = [c for c in self._controllers.values() if c.speaks]
        if speaking:
            show, now_ns = self._show(), self._clock.now_ns()
            for controller in speaking:
                self._ports.send(controller.label, controller.turn(show, now_ns))

    def _tell_what_is_open(self) -> None:
        self._started = True
        for wanted in self._setup.ports or ():
            if not any(means(wanted, label) for label in self.connected):
                self._say(f"no MIDI port is called {wanted!r} yet; `riffengine devices` lists what is there")
        if not self.connected and self._setup.ports is None:
            self._say(f"no MIDI controller is connected yet ({self.api})")
        open_ports = [*self.connected, *([CLIENT] if self._setup.virtual else [])]
        if open_ports:
            named = [f"{c.label} (map {c.map_name})" for c in self._controllers.values() if c.map_name]
            plain = [label for label in open_ports if not any(label == n.split(" (")[0] for n in named)]
            self._say(f"MIDI in ({self.api}): {', '.join([*named, *plain])}")

    def _soon(self, call: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop closed between the test and the call
                loop.call_soon_threadsafe(call, *arguments)
