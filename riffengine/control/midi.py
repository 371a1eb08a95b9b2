"""MidiInput: controllers and a virtual port, heard through python-rtmidi and turned into commands by the bindings.

rtmidi calls back in a thread of its own; that thread only stamps the bytes and hands them to the engine's event loop.
No library, no ALSA sequencer, no JACK server and no controller are each a note for the performer, never an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from riffengine.clock import Clock
from riffengine.control.binding import Binding
from riffengine.control.midi_event import MidiEvent, decode
from riffengine.control.surface import Surface
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command, Reply
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.state import PerformanceState

__all__ = ["Binding", "MidiCounters", "MidiEvent", "MidiInput", "decode", "normalised"]

CLIENT = "riffengine"
_APIS = {"ALSA": "API_LINUX_ALSA", "JACK": "API_UNIX_JACK", "CoreMIDI": "API_MACOSX_CORE"}
_OURS = ("midi through", CLIENT)  # never opened by themselves: the first echoes everything, the second is us


@dataclass
class MidiCounters:
    """What came in, in messages."""

    received: int = 0
    accepted: int = 0
    rejected: int = 0
    garbage: int = 0
    unbound: int = 0  # nothing is mapped to them


class MidiInput(Surface):
    """Hears every input port whose name holds one of ``ports`` (every one for ``None``) and one virtual port.

    ``start`` and ``close`` belong to the event loop's thread, as do ``submit`` and ``current``. ``notes`` tells a
    person what is open and what is missing.
    """

    def __init__(
        self,
        bindings: Sequence[Binding],
        tree: ParameterTree,
        submit: Callable[[Command], Reply],
        current: Callable[[], PerformanceState],
        clock: Clock,
        ports: Sequence[str] | None = None,
        virtual: bool = True,
    ) -> None:
        self.counters = MidiCounters()
        self.notes: list[str] = []
        self.opened: list[str] = []
        self._bindings = tuple(bindings)
        self._tree = tree
        self._submit = submit
        self._current = current
        self._clock = clock
        self._wanted = None if ports is None else [normalised(name) for name in ports]
        self._virtual = virtual
        self._inputs: list[Any] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop, apis: Sequence[str] = tuple(_APIS)) -> None:
        """Open what is there, on the first of ``apis`` (ALSA, JACK, CoreMIDI) that works; what is missing is a note."""
        self._loop = loop
        try:
            import rtmidi
        except ImportError as error:
            self.notes.append(f"no MIDI: python-rtmidi cannot be loaded ({error}); install it to use a controller")
            return
        compiled = rtmidi.get_compiled_api()
        tried = []
        for name in apis:
            api = getattr(rtmidi, _APIS[name])
            if api not in compiled:
                continue
            try:
                with libraries_quiet():
                    self._open(rtmidi, api)
            except rtmidi.RtMidiError as error:
                self._close_inputs()
                tried.append(f"{name}: {error}")
                continue
            self._tell_what_is_open(name)
            return
        self.notes.append(f"no MIDI here ({'; '.join(tried) or 'no MIDI system was compiled in'})")

    def close(self) -> None:
        """Close every port; messages on their way are dropped."""
        self._loop = None
        self._close_inputs()

    def take(self, message: Sequence[int], port: str, stamp_ns: int) -> list[Reply]:
        """Turn one message's bytes into commands and submit them: one for every binding that it matches."""
        self.counters.received += 1
        try:
            event = decode(message)
        except ControlError:
            self.counters.garbage += 1
            return []
        bound = [binding for binding in self._bindings if event is not None and binding.matches(event)]
        if not bound:
            self.counters.unbound += 1
        replies = []
        for binding in bound:
            assert event is not None
            value = binding.value(event, self._tree, self._current())
            if value is None:
                continue
            reply = self._submit(Command(binding.path, value, f"midi:{port}", stamp_ns))
            replies.append(reply)
            if isinstance(reply, Accepted):
                self.counters.accepted += 1
            else:
                self.counters.rejected += 1
        return replies

    def _open(self, rtmidi: Any, api: int) -> None:
        probe = rtmidi.MidiIn(api, name=CLIENT)
        names: list[str] = probe.get_ports()
        probe.delete()
        if self._virtual:
            self._hear(rtmidi.MidiIn(api, name=CLIENT), CLIENT, None)
        for number, name in enumerate(names):
            plain = normalised(name)
            chosen = (
                any(wanted in plain for wanted in self._wanted)
                if self._wanted is not None
                else not any(ours in plain for ours in _OURS)
            )
            if chosen:
                self._hear(rtmidi.MidiIn(api, name=CLIENT), plain, number)

    def _hear(self, port: Any, name: str, number: int | None) -> None:
        self._inputs.append(port)
        # The callback comes first: what arrives between the opening and the callback would be lost.
        port.set_callback(self._arrived, name)
        if number is None:
            port.open_virtual_port(CLIENT)
        else:
            port.open_port(number)
        self.opened.append(name)

    def _arrived(self, event: tuple[list[int], float], name: str) -> None:
        """Called by rtmidi, in its thread."""
        stamp_ns = self._clock.now_ns()
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop closed between the test and the call
                loop.call_soon_threadsafe(self.take, event[0], name, stamp_ns)

    def _tell_what_is_open(self, api: str) -> None:
        controllers = [name for name in self.opened if name != CLIENT]
        for wanted in self._wanted or ():
            if not any(wanted in name for name in controllers):
                self.notes.append(f"no MIDI port is called {wanted!r}; `riffengine devices` lists what is there")
        if not controllers and self._wanted is None:
            self.notes.append(f"no MIDI controller is connected ({api})")
        if self.opened:
            self.notes.append(f"MIDI in ({api}): {', '.join(self.opened)}")

    def _close_inputs(self) -> None:
        for port in self._inputs:
            port.cancel_callback()
            port.close_port()
            port.delete()
        self._inputs.clear()
        self.opened.clear()


def normalised(name: str) -> str:
    """A port's name in lower case without the client numbers that ALSA gives anew at every plug-in."""
    return re.sub(r"\s+\d+:\d+$", "", name).strip().lower()


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
