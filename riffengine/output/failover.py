"""OutputFailover: blocks are always asked for, by the output that was chosen or, without it, by the clock.

A sound device may be unplugged in the middle of a set. Musical time must not stop for that: the paced output takes over
with the same ``fill``, so the beat, the recording and everything that is scheduled continue.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable

from riffengine.clock import Clock
from riffengine.errors import DeviceError
from riffengine.output.output import Output, OutputSettings
from riffengine.output.registry import AUTO, FALLBACK, open_output, preferred
from riffengine.processes.audio import Block, Fill

IN_PLACE = "in place of a sound device"
_RETRY_SECONDS = 1.0
_HUNG_SECONDS = 2.0  # an output that asks for nothing this long is lost, whatever its driver says
_CLOSE_SECONDS = 2.0  # closing a stream whose sound server was killed may never return


class _FillGuard:
    """``fill`` for one output until it is replaced: one that was given up and wakes up later must not pull too."""

    def __init__(self, fill: Fill) -> None:
        self.open = True
        self.pulls = 0
        self._fill = fill

    def __call__(self, out: Block, starved: bool) -> None:
        if not self.open:
            out[:] = 0.0
            return
        self.pulls += 1
        self._fill(out, starved)


class OutputFailover:
    """One output at a time on one ``fill``; belongs to the player's control thread.

    ``wanted`` is a name of the registry: a device or host by its name, ``auto`` (a sound device, the paced output where
    there is none at the start) or ``paced``. An output that has played and is lost is replaced by the paced one only
    until it is back; ``played_before``: it has played for the player before this one. ``notify`` gets sentences for a
    person. ``DeviceError`` for a name that is not registered.
    """

    def __init__(
        self,
        wanted: str,
        settings: OutputSettings,
        fill: Fill,
        notify: Callable[[str], None],
        clock: Clock,
        played_before: bool = False,
    ) -> None:
        self._preferred = preferred(wanted)
        self._required = wanted not in (AUTO, FALLBACK) and not played_before
        self._played = played_before
        self._settings = settings
        self._fill = fill
        self._notify = notify
        self._clock = clock
        self._guard = _FillGuard(fill)
        self._last_pull = (0, 0)  # blocks pulled, and when that number was first seen
        self._output: Output | None = None
        self._found: deque[tuple[Output, _FillGuard]] = deque()
        self._ending = threading.Event()
        self._finder: threading.Thread | None = None
        self.on_preferred = False  # whether the output that was asked for plays, and may be lost
        self.name = ""
        self.lost = False

    @property
    def latency_seconds(self) -> float:
        """What the output adds after a block is handed over."""
        return self._current().latency_seconds

    @property
    def input_latency_seconds(self) -> float | None:
        """As in ``PlayerReady``."""
        return self._current().input_latency_seconds

    @property
    def running(self) -> bool:
        """Whether blocks are being asked for."""
        return self._current().running

    def open(self) -> None:
        """Open the output; ``DeviceError`` when one that was asked for by its name cannot be opened."""
        note = ""
        if self._preferred != FALLBACK:
            try:
                self._output = open_output(self._preferred, self._settings, self._guard)
                self.on_preferred = True
            except DeviceError as error:
                if self._required:
                    raise
                note = f", {IN_PLACE} ({error})"
        if self._output is None:
            self._output = open_output(FALLBACK, self._settings, self._guard)
        self.name = self._output.name + note
        if note and self._played:
            self._finder = self._in_thread(self._find)

    def start(self) -> None:
        """Let the output ask for blocks; ``DeviceError`` as in ``open``."""
        self._last_pull = (0, self._clock.now_ns())
        try:
            self._current().start()
        except DeviceError as error:
            if self._required:
                raise
            self._fall_back()
            self.name = f"{self._current().name}, {IN_PLACE} ({error})"

    def watch(self) -> None:
        """Replace an output that is lost, or return to one that was found again; call it a few times a second."""
        if self.on_preferred and self._is_lost():
            name = self._current().name
            self._played = True
            self._fall_back()
            self.name = f"{self._current().name}, {IN_PLACE} ({name} has stopped)"
            self._notify(
                f"the output {name} has stopped (was it unplugged?). The set continues in silence; the program looks "
                "for it every second"
            )
        elif self._found:
            self._return_to(*self._found.popleft())

    def stop(self) -> None:
        """Ask for no more blocks; ``DeviceError`` when the output does not close."""
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

    def _is_lost(self) -> bool:
        pulls, now_ns = self._guard.pulls, self._clock.now_ns()
        if pulls != self._last_pull[0]:
            self._last_pull = (pulls, now_ns)
        return not self._current().running or now_ns - self._last_pull[1] > _HUNG_SECONDS * 1e9

    def _fall_back(self) -> None:
        """Replace the output by the paced one, close it in a thread, and look for it again if it has played."""
        lost = self._current()
        self.lost = True
        self.on_preferred = False
        self._guard.open = False
        self._guard = _FillGuard(self._fill)
        self._output = open_output(FALLBACK, self._settings, self._guard)
        self._output.start()
        self._finder = self._in_thread(lambda: self._close_and_find(lost))

    def _return_to(self, found: Output, guard: _FillGuard) -> None:
        """Replace the paced output by the one that was found again."""
        self._current().stop()  # it finishes its block: two outputs never pull at once
        self._output, self._guard, self.on_preferred = found, guard, True
        self._last_pull = (0, self._clock.now_ns())
        try:
            found.start()
        except DeviceError:
            self._fall_back()
            return
        self.name = found.name
        self._notify(f"the output {found.name} is back")

    def _close_and_find(self, lost: Output) -> None:
        """Runs in a thread of its own, since a driver may take seconds or never return."""
        with contextlib.suppress(DeviceError):  # a lost output often does not close well: nothing to report
            lost.stop()
        if self._played:
            self._find()

    def _find(self) -> None:
        """Runs in a thread of its own: open the output again as soon as that is possible."""
        while not self._ending.wait(_RETRY_SECONDS):
            guard = _FillGuard(self._fill)
            try:
                self._found.append((open_output(self._preferred, self._settings, guard, retry=True), guard))
            except DeviceError:  # not there yet
                continue
            return

    @staticmethod
    def _in_thread(work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name="output-finder", daemon=True)
        thread.start()
        return thread
