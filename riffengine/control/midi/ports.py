"""MidiPorts: one thread that opens and closes the ports of controllers, and sends to them at a limited rate.

Drivers do not report when a controller is connected or disconnected, so the names of the ports are polled. All calls of
rtmidi are made in this thread, except its callbacks, which only stamp bytes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from riffengine.clock import Clock
from riffengine.control.midi.port_names import PortLabels
from riffengine.control.midi.rtmidi_api import APIS, close_port, jack_answers, stderr_silenced

CLIENT = "riffengine"
_OTHER_CLIENT = "riffengine controller"  # JACK numbers clients of one name: ours would be riffengine-02:riffengine
POLL_SECONDS = 0.25
PAUSE_SECONDS = 0.001  # between two messages to a controller: the time of three bytes on a DIN cable
_FIRST_SCAN_SECONDS = 10.0
_CLOSE_SECONDS = 0.5

OnMessage = Callable[[str, Sequence[int], int], None]


@dataclass(frozen=True)
class PortCallbacks:
    """What the thread calls; none of these calls is made in the event loop's thread.

    ``wants_input`` and ``has_output`` say whether the input or output of the controller with that label is to be
    opened. ``on_message`` gets label, bytes and monotonic nanoseconds; the others get the label of the controller.
    """

    wants_input: Callable[[str], bool]
    has_output: Callable[[str], bool]
    on_message: OnMessage
    on_connected: Callable[[str], None]
    on_output_opened: Callable[[str], None]
    on_disconnected: Callable[[str], None]


class MidiPorts:
    """The ports of every controller that ``callbacks`` wants, and a virtual port of our own if ``virtual``.

    ``api`` is the name of the MIDI system that is used, "" before one is. ``unsent`` counts messages.
    """

    def __init__(
        self, callbacks: PortCallbacks, clock: Clock, virtual: bool = True, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._callbacks, self._clock, self._virtual, self._poll_seconds = callbacks, clock, virtual, poll_seconds
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        self._labels = PortLabels(), PortLabels()  # of inputs and of outputs
        self._outbox: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self._scanned = threading.Event()
        self._thread: threading.Thread | None = None
        self._rtmidi: Any = None
        self._probes: tuple[Any, Any] | None = None
        self.api = ""
        self.unsent = 0

    def start(self, apis: Sequence[str] = tuple(APIS)) -> str:
        """Open the ports that there are, on the first of ``apis`` that works. Blocks for a moment.

        Returns why none of them works, "" when one does.
        """
        try:
            import rtmidi
        except ImportError as error:
            return f"no MIDI: python-rtmidi cannot be loaded ({error}); install it to use a controller"
        self._rtmidi = rtmidi
        tried = []
        for name in apis:
            api = getattr(rtmidi, APIS[name], None)
            if api is None or api not in rtmidi.get_compiled_api():
                continue
            if name == "JACK" and not jack_answers():
                tried.append("JACK: the server does not answer; start it again, and then the set")
                continue
            try:
                with stderr_silenced():
                    self._probes = rtmidi.MidiIn(api, name=_OTHER_CLIENT), rtmidi.MidiOut(api, name=_OTHER_CLIENT)
                    self._open_virtual(api)
            except (rtmidi.RtMidiError, NotImplementedError) as error:
                tried.append(f"{name}: {error}")
                self._close_all()
                continue
            self.api = name
            self._thread = threading.Thread(target=self._run, args=(api,), name="midi ports", daemon=True)
            self._thread.start()
            self._scanned.wait(_FIRST_SCAN_SECONDS)
            return ""
        return f"no MIDI here ({'; '.join(tried) or 'no MIDI system was compiled in'})"

    def send(self, label: str, messages: Sequence[bytes]) -> None:
        """Queue ``messages`` for the controller ``label``; dropped if it is disconnected. Any thread; never waits."""
        for message in messages:
            self._outbox.put((label, message))

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return self._outbox.qsize()

    def close(self) -> None:
        """Send what waits, for half a second at most, and close every port."""
        if self._thread is not None:
            self._outbox.put(None)
            self._thread.join(_CLOSE_SECONDS + 2.0)
            self._thread = None

    # --- the thread ------------------------------------------------------------------------------------------------

    def _run(self, api: int) -> None:
        poll_ns = round(self._poll_seconds * 1e9)
        next_ns = self._clock.now_ns()
        while True:
            if self._clock.now_ns() >= next_ns:
                self._scan(api)
                self._scanned.set()
                next_ns = self._clock.now_ns() + poll_ns
            try:
                item = self._outbox.get(timeout=max(0.001, (next_ns - self._clock.now_ns()) / 1e9))
            except queue.Empty:
                continue
            if item is None:
                break
            self._send(*item)
        self._close_all()

    def _send(self, label: str, message: bytes) -> None:
        port = self._outputs.get(label)
        if port is None:
            self.unsent += 1
            return
        try:
            port.send_message(message)
        except (self._rtmidi.RtMidiError, ValueError):
            self.unsent += 1
        threading.Event().wait(PAUSE_SECONDS)

    def _scan(self, api: int) -> None:
        """Open the ports that are new, close those that are gone."""
        assert self._probes is not None
        try:
            names = [probe.get_ports() for probe in self._probes]
        except (self._rtmidi.RtMidiError, SystemError, UnicodeDecodeError):
            names = [[], []]  # the MIDI server has ended, and with it every port
        inputs, outputs = (labels.assign(found) for labels, found in zip(self._labels, names, strict=True))
        for label in [label for label in self._inputs if label not in inputs and label != CLIENT]:
            close_port(self._inputs.pop(label))
            if label in self._outputs:
                close_port(self._outputs.pop(label))
            self._callbacks.on_disconnected(label)
        for label in [label for label in self._outputs if label not in outputs and label != CLIENT]:
            close_port(self._outputs.pop(label))
        for label, number in inputs.items():
            if (
                label not in self._inputs
                and self._callbacks.wants_input(label)
                and self._open_input(api, label, number)
            ):
                self._callbacks.on_connected(label)
        for label, number in outputs.items():
            if label in self._inputs and label not in self._outputs and self._callbacks.has_output(label):
                self._open_output(api, label, number)

    def _open_input(self, api: int, label: str, number: int) -> bool:
        port = self._rtmidi.MidiIn(api, name=_OTHER_CLIENT)
        # The callback is set first: a message between opening and setting it would be lost.
        port.set_callback(self._on_message, label)
        try:
            port.open_port(number)
        except (self._rtmidi.RtMidiError, ValueError):  # another program has it, or it is gone: the next scan tries
            close_port(port)
            return False
        self._inputs[label] = port
        return True

    def _open_output(self, api: int, label: str, number: int) -> None:
        port = self._rtmidi.MidiOut(api, name=_OTHER_CLIENT)
        try:
            port.open_port(number)
        except (self._rtmidi.RtMidiError, ValueError):
            close_port(port)
            return
        self._outputs[label] = port
        self._callbacks.on_output_opened(label)

    def _open_virtual(self, api: int) -> None:
        if not self._virtual:
            return
        self._inputs[CLIENT] = port = self._rtmidi.MidiIn(api, name=CLIENT)
        port.set_callback(self._on_message, CLIENT)
        port.open_virtual_port(CLIENT)
        if self._callbacks.has_output(CLIENT):
            self._outputs[CLIENT] = port = self._rtmidi.MidiOut(api, name=f"{CLIENT} out")
            port.open_virtual_port(CLIENT)

    def _on_message(self, event: tuple[list[int], float], label: str) -> None:
        """Called by rtmidi, in its thread."""
        self._callbacks.on_message(label, event[0], self._clock.now_ns())

    def _close_all(self) -> None:
        for port in (*self._inputs.values(), *self._outputs.values(), *(self._probes or ())):
            close_port(port)
        self._inputs.clear()
        self._outputs.clear()
        self._probes = None
