"""MidiPorts: one thread that opens, watches and closes controllers, and sends to them at a pace.

Drivers do not tell when a controller comes or goes, so their names are asked for again and again. Everything of rtmidi
happens in this thread, but for its callbacks, which only stamp bytes.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from riffengine.clock import Clock
from riffengine.control.midi.port_names import Roster

CLIENT = "riffengine"
APIS = {
    "ALSA": "API_LINUX_ALSA",
    "JACK": "API_UNIX_JACK",
    "CoreMIDI": "API_MACOSX_CORE",
    "Windows": "API_WINDOWS_MM",
}
POLL_SECONDS = 0.25
PAUSE_SECONDS = 0.001  # between two messages to a controller: what three bytes take on a DIN cable
_FIRST_LOOK_SECONDS = 10.0
_LAST_WORDS_SECONDS = 0.5

Heard = Callable[[str, Sequence[int], int], None]


@dataclass(frozen=True)
class Watch:
    """What the thread asks and tells; each is called in a thread that is not the event loop's.

    ``hears`` and ``speaks``: whether a controller of that label is to be heard or spoken to. ``heard`` gets label,
    bytes and monotonic nanoseconds; ``came`` and ``went`` a label; ``listens`` a label whose output is open now.
    """

    hears: Callable[[str], bool]
    speaks: Callable[[str], bool]
    heard: Heard
    came: Callable[[str], None]
    listens: Callable[[str], None]
    went: Callable[[str], None]


class MidiPorts:
    """Every controller that ``watch`` wants, and a virtual port of our own if ``virtual``; ``api`` names the driver."""

    def __init__(self, watch: Watch, clock: Clock, virtual: bool = True, poll_seconds: float = POLL_SECONDS) -> None:
        self._watch, self._clock, self._virtual, self._poll_seconds = watch, clock, virtual, poll_seconds
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        self._rosters = Roster(), Roster()
        self._outbox: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self._looked = threading.Event()
        self._thread: threading.Thread | None = None
        self._rtmidi: Any = None
        self._probes: tuple[Any, Any] | None = None
        self.api = ""
        self.unsent = 0
        self.scans = 0

    def start(self, apis: Sequence[str] = tuple(APIS)) -> str:
        """Open what is there on the first of ``apis`` that works; why none does, or "". Blocks shortly."""
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
            try:
                with libraries_quiet():
                    self._probes = rtmidi.MidiIn(api, name=CLIENT), rtmidi.MidiOut(api, name=CLIENT)
                    self._open_virtual(api)
            except (rtmidi.RtMidiError, NotImplementedError) as error:
                tried.append(f"{name}: {error}")
                self._close_all()
                continue
            self.api = name
            self._thread = threading.Thread(target=self._run, args=(api,), name="midi ports", daemon=True)
            self._thread.start()
            self._looked.wait(_FIRST_LOOK_SECONDS)
            return ""
        return f"no MIDI here ({'; '.join(tried) or 'no MIDI system was compiled in'})"

    def send(self, label: str, messages: Sequence[bytes]) -> None:
        """Send in order, one after the other; to a controller that is gone nothing is sent. Any thread; never waits."""
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
            self._thread.join(_LAST_WORDS_SECONDS + 2.0)
            self._thread = None

    # --- the thread ------------------------------------------------------------------------------------------------

    def _run(self, api: int) -> None:
        poll_ns = round(self._poll_seconds * 1e9)
        next_ns = self._clock.now_ns()
        while True:
            if self._clock.now_ns() >= next_ns:
                self._look(api)
                self._looked.set()
                next_ns = self._clock.now_ns() + poll_ns
            try:
                item = self._outbox.get(timeout=max(0.001, (next_ns - self._clock.now_ns()) / 1e9))
            except queue.Empty:
                continue
            if item is None:
                break
            self._say(*item)
        self._close_all()

    def _say(self, label: str, message: bytes) -> None:
        port = self._outputs.get(label)
        if port is None:
            self.unsent += 1
            return
        try:
            port.send_message(message)
        except (self._rtmidi.RtMidiError, ValueError):
            self.unsent += 1
        threading.Event().wait(PAUSE_SECONDS)

    def _look(self, api: int) -> None:
        """Open what came, close what went."""
        assert self._probes is not None
        try:
            names = [probe.get_ports() for probe in self._probes]
        except (self._rtmidi.RtMidiError, SystemError, UnicodeDecodeError):
            names = [[], []]  # the server is gone, and with it every port
        self.scans += 1
        heard, spoken = (roster.seen(found) for roster, found in zip(self._rosters, names, strict=True))
        for label in [label for label in self._inputs if label not in heard and label != CLIENT]:
            _shut(self._inputs.pop(label))
            if label in self._outputs:
                _shut(self._outputs.pop(label))
            self._watch.went(label)
        for label in [label for label in self._outputs if label not in spoken and label != CLIENT]:
            _shut(self._outputs.pop(label))
        for label, number in heard.items():
            if label not in self._inputs and self._watch.hears(label) and self._open_input(api, label, number):
                self._watch.came(label)
        for label, number in spoken.items():
            if label in self._inputs and label not in self._outputs and self._watch.speaks(label):
                self._open_output(api, label, number)

    def _open_input(self, api: int, label: str, number: int) -> bool:
        port = self._rtmidi.MidiIn(api, name=CLIENT)
        # The callback comes first: what arrives between the opening and the callback would be lost.
        port.set_callback(self._arrived, label)
        try:
            port.open_port(number)
        except (self._rtmidi.RtMidiError, ValueError):  # another program holds it, or it has just gone: the next look
            _shut(port)
            return False
        self._inputs[label] = port
        return True

    def _open_output(self, api: int, label: str, number: int) -> None:
        port = self._rtmidi.MidiOut(api, name=CLIENT)
        try:
            port.open_port(number)
        except (self._rtmidi.RtMidiError, ValueError):
            _shut(port)
            return
        self._outputs[label] = port
        self._watch.listens(label)

    def _open_virtual(self, api: int) -> None:
        if not self._virtual:
            return
        self._inputs[CLIENT] = port = self._rtmidi.MidiIn(api, name=CLIENT)
        port.set_callback(self._arrived, CLIENT)
        port.open_virtual_port(CLIENT)
        if self._watch.speaks(CLIENT):
            self._outputs[CLIENT] = port = self._rtmidi.MidiOut(api, name=CLIENT)
            port.open_virtual_port(CLIENT)

    def _arrived(self, event: tuple[list[int], float], label: str) -> None:
        """Called by rtmidi, in its thread."""
        self._watch.heard(label, event[0], self._clock.now_ns())

    def _close_all(self) -> None:
        for port in (*self._inputs.values(), *self._outputs.values(), *(self._probes or ())):
            _shut(port)
        self._inputs.clear()
        self._outputs.clear()
        self._probes = None


def _shut(port: Any) -> None:
    if hasattr(port, "cancel_callback"):
        port.cancel_callback()
    port.close_port()
    port.delete()


@contextlib.contextmanager
def libraries_quiet() -> Iterator[None]:
    """Keep the six lines that libasound and libjack print when there is no server out of the status line."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no stderr to keep clean
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
