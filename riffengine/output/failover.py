"""OutputFailover: blocks are always asked for, by the device or, where there is none (any more), by the clock.

A device may be unplugged in the middle of a set. Music time must not stop for that: the paced output takes over on the
same feed, so that the beat, the recording and everything scheduled go on.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riffengine.clock import Clock
from riffengine.errors import DeviceError

OUTPUTS = ("auto", "device", "paced")
_RETRY_SECONDS = 1.0
_HUNG_SECONDS = 2.0  # a device that asks for nothing this long has gone, whatever its driver says
_CLOSE_SECONDS = 2.0  # closing a stream whose sound server was killed may never return

Fill = Callable[[NDArray[np.float32], bool], None]


class Output(Protocol):
    """What drives time: a device or the clock."""

    name: str
    latency_seconds: float

    @property
    def running(self) -> bool:
        """Whether blocks are still being asked for."""

    def start(self) -> None:
        """Begin to ask for blocks."""

    def stop(self) -> None:
        """Ask no more."""


class _Gate:
    """``fill`` for one output while it is its turn: a device that wakes up after it was given up must not pull too."""

    def __init__(self, fill: Fill) -> None:
        self.open = True
        self.pulls = 0
        self._fill = fill

    def __call__(self, out: NDArray[np.float32], starved: bool) -> None:
        if not self.open:
            out[:] = 0.0
            return
        self.pulls += 1
        self._fill(out, starved)


class OutputFailover:
    """One output at a time on one ``fill``; belongs to the player's control thread.

    ``wanted`` is ``auto`` (a device; paced once there is none), ``device`` (paced only until it is back) or ``paced``.
    ``open_device(fill, again)`` and ``open_paced(fill)`` make an output that is not started yet; ``again`` says that
    devices must be looked for anew. ``tell`` gets sentences for a person.
    """

    def __init__(
        self,
        wanted: str,
        fill: Fill,
        open_device: Callable[[Fill, bool], Output],
        open_paced: Callable[[Fill], Output],
        tell: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._wanted = wanted
        self._fill = fill
        self._open_device = open_device
        self._open_paced = open_paced
        self._tell = tell
        self._clock = clock
        self._gate = _Gate(fill)
        self._seen = (0, 0)  # blocks pulled, and when that was first seen
        self.on_device = False
        self._output: Output | None = None
        self._found: deque[tuple[Output, _Gate]] = deque()
        self._ending = threading.Event()
        self._finder: threading.Thread | None = None
        self.name = ""
        self.lost = False

    @property
    def latency_seconds(self) -> float:
        """What the output adds after a block is handed over."""
        return self._current().latency_seconds

    @property
    def running(self) -> bool:
        """Whether blocks are being asked for."""
        return self._current().running

    def open(self) -> None:
        """Open what was asked for; ``DeviceError`` when it must be a device and there is none."""
        note = ""
        if self._wanted != "paced":
            try:
                self._output = self._open_device(self._gate, False)
                self.on_device = True
            except DeviceError as error:
                if self._wanted == "device":
                    raise
                note = f" (no sound device: {error})"
        if self._output is None:
            self._output = self._open_paced(self._gate)
        self.name = self._output.name + note

    def start(self) -> None:
        """Let it ask for blocks; ``DeviceError`` as in ``open``."""
        self._seen = (0, self._clock.now_ns())
        try:
            self._current().start()
        except DeviceError as error:
            if self._wanted == "device":
                raise
            self._give_up()
            self.name = f"{self._current().name} (no sound device: {error})"

    def watch(self) -> None:
        """Look after the output; to be called a few times a second while the music plays."""
        if self.on_device and self._gone():
            name = self._current().name
            self._give_up()
            self._tell(f"the output {name} has stopped, was it unplugged? The set goes on in silence; {self._remedy()}")
        elif self._found:
            self._take(*self._found.popleft())

    def stop(self) -> None:
        """Ask for no more blocks; ``DeviceError`` when a device does not close."""
        self._ending.set()
        if self._finder is not None:
            self._finder.join(_CLOSE_SECONDS)
        while self._found:
            self._in_thread(self._found.popleft()[0].stop).join(_CLOSE_SECONDS)
        if self._output is not None:
            self._output.stop()

    def _current(self) -> Output:
        if self._output is None:
            raise DeviceError("no output is open; call open() first")
        return self._output

    def _remedy(self) -> str:
        return "it is looked for every second" if self._wanted == "device" else "start again to use another"

    def _gone(self) -> bool:
        pulls, now_ns = self._gate.pulls, self._clock.now_ns()
        if pulls != self._seen[0]:
            self._seen = (pulls, now_ns)
        return not self._current().running or now_ns - self._seen[1] > _HUNG_SECONDS * 1e9

    def _give_up(self) -> None:
        """From the device to the clock; what is left of the device is closed, and looked for if it must be one."""
        gone = self._current()
        self.lost = True
        self.on_device = False
        self._gate.open = False
        self._gate = _Gate(self._fill)
        self._output = self._open_paced(self._gate)
        self._output.start()
        self._finder = self._in_thread(lambda: self._close_and_find(gone))

    def _take(self, device: Output, gate: _Gate) -> None:
        """From the clock to the device that was found."""
        self._current().stop()  # the block under way is finished: two never pull at once
        self._output, self._gate, self.on_device = device, gate, True
        self._seen = (0, self._clock.now_ns())
        try:
            device.start()
        except DeviceError:
            self._give_up()
            return
        self._tell(f"the output {device.name} is back")

    def _close_and_find(self, gone: Output) -> None:
        """In a thread of its own, since a driver may take seconds or never return."""
        with contextlib.suppress(DeviceError):  # it has gone: that it does not close well is no news
            gone.stop()
        while self._wanted == "device" and not self._ending.wait(_RETRY_SECONDS):
            gate = _Gate(self._fill)
            try:
                self._found.append((self._open_device(gate, True), gate))
            except DeviceError:  # not yet
                continue
            return

    @staticmethod
    def _in_thread(work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name="device-finder", daemon=True)
        thread.start()
        return thread
