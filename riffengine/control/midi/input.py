"""MidiInput: the messages of all controllers, queued as they come and turned into commands on the event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from riffengine.control.midi.controllers import Controllers
from riffengine.control.midi.event import decode
from riffengine.control.midi.learn import MidiLearn
from riffengine.control.surface import SurfaceContext
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command, Reply

MAX_WAITING = 4096  # messages; beyond, the oldest is dropped
DRAIN_MESSAGES = 128  # in one turn of the event loop
CROWDED = 64  # messages that wait: from here on positions of a knob that a later one replaces are left out
REMARK_NS = 2_000_000_000  # between two remarks about one parameter: a knob that is turned sends fifty a second

_Message = tuple[str, Sequence[int], int]  # label of the controller, bytes, monotonic nanoseconds


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
    connected: int = 0  # controllers
    disconnected: int = 0


class MidiInput:
    """Turns messages into commands. ``call_soon`` calls a function on the event loop, from any thread.

    ``on_message`` may be called in any thread; everything else belongs to the event loop's.
    """

    def __init__(
        self,
        context: SurfaceContext,
        controllers: Controllers,
        learn: MidiLearn,
        counters: MidiCounters,
        call_soon: Callable[[Callable[[], None]], None],
    ) -> None:
        self._context, self._controllers, self._learn = context, controllers, learn
        self._counters, self._call_soon = counters, call_soon
        self._waiting: deque[_Message] = deque(maxlen=MAX_WAITING)
        self._drain_requested = False
        self._remarked_ns: dict[str, int] = {}  # by path

    def on_message(self, label: str, message: Sequence[int], stamp_ns: int) -> None:
        """Queue a message. Called by rtmidi, in its thread."""
        if len(self._waiting) == MAX_WAITING:
            self._counters.dropped += 1
        self._waiting.append((label, message, stamp_ns))
        self._request_drain()

    def handle(self, message: Sequence[int], label: str, stamp_ns: int) -> list[Reply]:
        """Turn one message's bytes into commands and submit them: one for every binding that it matches."""
        self._counters.received += 1
        try:
            event = decode(message)
        except ControlError:
            self._counters.garbage += 1
            return []
        if event is None:
            self._counters.unbound += 1
            return []
        controller = self._controllers.get(label)
        events = controller.events(event)
        if self._learn.active:
            self._learn.on_events(label, events, self._context.clock.now_ns())
            return []
        bound = controller.bound(events)
        if not bound:
            self._counters.unbound += 1
            self._remark(*controller.missed(event))
        replies: list[Reply] = []
        for binding, gesture in bound:
            value = controller.value(binding, gesture, self._context.tree, self._context.state(), stamp_ns)
            if value is not None:
                replies += self._submit(Command(binding.path, value, f"midi:{label}", stamp_ns))
        controller.on_events(events, self._context.clock.now_ns())
        return replies

    def submit_chords(self, now_ns: int) -> list[Reply]:
        """Submit the chords whose keys have all been pressed."""
        return [
            reply
            for controller in self._controllers
            for binding, chord in controller.chords(now_ns)
            for reply in self._submit(Command(binding.path, chord, f"midi:{controller.label}", now_ns))
        ]

    def _submit(self, command: Command) -> list[Reply]:
        """The reply to ``command``; none yet where a file is opened for it first."""
        replies: list[Reply] = []
        self._context.prepare(command, lambda: replies.append(self._reply_to(command)))
        return replies

    def _reply_to(self, command: Command) -> Reply:
        reply = self._context.submit(command)
        if isinstance(reply, Accepted):
            self._counters.accepted += 1
        else:
            self._counters.rejected += 1
            self._remark(command.path, f"{command.source.removeprefix('midi:')}: {reply.reason}")
        return reply

    def _remark(self, path: str, text: str) -> None:
        """Tell the performer why a control changed nothing: a controller itself cannot show it."""
        now_ns = self._context.clock.now_ns()
        if path and now_ns - self._remarked_ns.get(path, -REMARK_NS) >= REMARK_NS:
            self._remarked_ns[path] = now_ns
            self._context.report(path, text)

    def _request_drain(self) -> None:
        if not self._drain_requested:
            self._drain_requested = True
            self._call_soon(self._drain)

    def _drain(self) -> None:
        self._drain_requested = False  # before the queue is read: what comes now asks for another drain
        portion = [self._waiting.popleft() for _ in range(min(len(self._waiting), DRAIN_MESSAGES))]
        if len(portion) > CROWDED:
            portion = self._without_superseded(portion)
        for label, message, stamp_ns in portion:
            self.handle(message, label, stamp_ns)
        if self._waiting:
            self._request_drain()

    def _without_superseded(self, portion: list[_Message]) -> list[_Message]:
        """``portion`` without positions that a later one of the same fader replaces; buttons and clicks all stay."""
        kept, later = [], set()
        for label, message, stamp_ns in reversed(portion):
            key = (label, *(message[:1] if message and message[0] & 0xF0 == 0xE0 else message[:2]))
            if key in later and self._controllers.get(label).is_replaceable(message):
                self._counters.superseded += 1
                self._counters.received += 1
                continue
            later.add(key)
            kept.append((label, message, stamp_ns))
        return kept[::-1]
