"""MidiServer: controllers that are connected and disconnected, their gestures as commands, their LEDs as feedback.

rtmidi calls back in threads of its own; they only stamp the bytes and queue them. All else happens on the engine's
event loop. A missing library, ALSA sequencer, JACK server or controller is a message for the performer, never an error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controllers import Controllers, MidiSetup
from riffengine.control.midi.input import MidiCounters, MidiInput
from riffengine.control.midi.learn import MidiLearn
from riffengine.control.midi.led import FeedbackState
from riffengine.control.midi.port_names import matches_port
from riffengine.control.midi.ports import CLIENT, MidiPorts, PortCallbacks
from riffengine.control.midi.rtmidi_api import APIS
from riffengine.control.surface import Surface, SurfaceContext
from riffengine.performance.command import Reply

UPDATE_SECONDS = 0.04  # between two updates of the LEDs
HELLO_AGAIN_SECONDS = 1.0


class MidiServer(Surface):
    """Opens every controller that ``setup`` wants and one virtual port, and sends feedback to those that have LEDs.

    ``feedback`` returns what LEDs and motor faders show; without it nothing is sent. Belongs to the event loop's
    thread.
    """

    def __init__(
        self, context: SurfaceContext, setup: MidiSetup, feedback: Callable[[], FeedbackState] | None = None
    ) -> None:
        self.counters = MidiCounters()
        self._clock, self._say = context.clock, context.say
        self._setup, self._feedback = setup, feedback
        self._controllers = Controllers(setup, context.tree)
        self._learn = MidiLearn(context.tree, lambda: self._controllers.connected, context.say)
        self._input = MidiInput(context, self._controllers, self._learn, self.counters, self._call_soon)
        self._ports: MidiPorts | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next_update: asyncio.TimerHandle | None = None
        self._started = False

    @property
    def received(self) -> int:
        """Messages that came in, by every port."""
        return self.counters.received

    @property
    def api(self) -> str:
        """The MIDI system that is used, "" while there is none."""
        return self._ports.api if self._ports is not None else ""

    @property
    def connected(self) -> tuple[str, ...]:
        """The labels of the controllers that are connected."""
        return self._controllers.connected

    async def start(self, apis: Sequence[str] = tuple(APIS)) -> None:
        """Open the controllers that there are, on the first of ``apis`` that works, and those that come later."""
        self._loop = asyncio.get_running_loop()
        callbacks = PortCallbacks(
            wants_input=self._controllers.wants_input,
            has_output=self._has_output,
            on_message=self._input.on_message,
            on_connected=lambda label: self._call_soon(self._on_connected, label),
            on_output_opened=lambda label: self._call_soon(self._on_output_opened, label),
            on_disconnected=lambda label: self._call_soon(self._on_disconnected, label),
        )
        ports = MidiPorts(callbacks, self._clock, self._setup.virtual, self._setup.poll_seconds)
        problem = await self._loop.run_in_executor(None, ports.start, apis)
        if problem:
            self._say(problem)
            return
        self._ports = ports
        await asyncio.sleep(0)  # the callbacks of the first scan come before the summary
        self._say_what_is_open()
        if self._setup.virtual and self._has_output(CLIENT):
            self._controllers.get(CLIENT)
            self._on_output_opened(CLIENT)
        self._next_update = self._loop.call_later(UPDATE_SECONDS, self._update)

    def close(self) -> None:
        """Switch the LEDs off and close every port; messages that are queued are dropped."""
        self._loop = None
        if self._next_update is not None:
            self._next_update.cancel()
        if self._ports is not None:
            for controller in self._controllers:
                self._ports.send(controller.label, controller.goodbye_messages())
            self._ports.close()
            self._ports = None

    # --- gestures and learning ---------------------------------------------------------------------------------------

    def handle(self, message: Sequence[int], label: str, stamp_ns: int) -> list[Reply]:
        """Turn the bytes of one message of the controller ``label`` into commands and submit them."""
        return self._input.handle(message, label, stamp_ns)

    def tick(self, now_ns: int) -> list[Reply]:
        """Do what depends on time alone: end a learn request, submit the chords whose keys are pressed."""
        self._learn.tick(now_ns)
        return self._input.submit_chords(now_ns)

    def learn(self, path: str, values: Sequence[str], on_learned: Callable[[Binding | None], None]) -> None:
        """Bind the next control that is moved to ``path``; ``on_learned`` gets the binding, or ``None`` for none.

        Until then what is moved sets nothing. "" as ``path`` ends the request.
        """
        self._learn.begin(path, values, on_learned, self._clock.now_ns())

    def set_learned(self, learned: Sequence[Binding]) -> None:
        """The performer's own bindings have changed: use them from now on."""
        self._controllers.set_learned(learned)
        for controller in self._controllers:
            self._on_output_opened(controller.label)

    def parameters_changed(self) -> None:
        """Plugins came or went: learned bindings of their parameters work, or no longer do."""
        if self._controllers.parameters_changed():
            for controller in self._controllers:
                self._on_output_opened(controller.label)

    # --- controllers -------------------------------------------------------------------------------------------------

    def _has_output(self, label: str) -> bool:
        return self._feedback is not None and self._controllers.has_output(label)

    def _on_connected(self, label: str) -> None:
        self.counters.connected += 1
        controller = self._controllers.get(label)
        if self._started:
            used = f", map {controller.map_name}" if controller.map_name else ""
            self._say(f"MIDI controller connected: {label}{used}")

    def _on_output_opened(self, label: str) -> None:
        """Say hello twice: while it boots, or while JACK still makes the connection, a controller receives nothing."""
        self._send_hello(label)
        if self._loop is not None:
            self._loop.call_later(HELLO_AGAIN_SECONDS, self._send_hello, label)

    def _send_hello(self, label: str) -> None:
        if self._ports is not None and label in self._controllers:
            self._ports.send(label, self._controllers.get(label).hello_messages())

    def _on_disconnected(self, label: str) -> None:
        self.counters.disconnected += 1
        self._controllers.remove(label)
        self._say(f"MIDI controller gone: {label}; connect it again to continue")

    def _update(self) -> None:
        """Every 40 ms: what depends on time, then the LEDs."""
        if self._loop is None:
            return
        self._next_update = self._loop.call_later(UPDATE_SECONDS, self._update)
        self.tick(self._clock.now_ns())
        if self._feedback is None or self._ports is None or self._ports.waiting:
            return  # while messages wait, a newer state is not sent: it is sent when they are gone
        controllers = [controller for controller in self._controllers if controller.has_output]
        if controllers:
            shown, now_ns = self._feedback(), self._clock.now_ns()
            for controller in controllers:
                self._ports.send(controller.label, controller.feedback.update(shown, now_ns))

    def _say_what_is_open(self) -> None:
        self._started = True
        for wanted in self._setup.ports or ():
            if not any(matches_port(wanted, label) for label in self.connected):
                self._say(f"no MIDI port is called {wanted!r} yet; `riffengine devices` lists the ports")
        if not self.connected and self._setup.ports is None:
            self._say(f"no MIDI controller is connected yet ({self.api})")
        open_ports = [*self.connected, *([CLIENT] if self._setup.virtual else [])]
        if open_ports:
            mapped = {c.label: f"{c.label} (map {c.map_name})" for c in self._controllers if c.map_name}
            plain = [label for label in open_ports if label not in mapped]
            self._say(f"MIDI in ({self.api}): {', '.join([*mapped.values(), *plain])}")

    def _call_soon(self, call: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop closed between the test and the call
                loop.call_soon_threadsafe(call, *arguments)
