"""DashboardProcess: the engine's end of the dashboard: a process of its own, told ten times a second, heard at once.

The engine never waits for it: what a screen that has fallen behind does not take is left out, and a dashboard that dies
costs nothing but the screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from riffengine.dashboard.wire import Answered, Fading, Quit, Said, ToDashboard
from riffengine.errors import ServiceError
from riffengine.performance.command import Command
from riffengine.processes.child_process import writable
from riffengine.telemetry.observation import Observation, Observer, Submit
from riffengine.telemetry.observers import Observers

_MOST_WAITING = 500  # lines said while the dashboard does not read
_END_SECONDS = 3.0
_TOLD_AT_THE_END = 12  # lines of what was said, on the plain terminal


class DashboardProcess(Observer):
    """Starts ``python -m riffengine.dashboard`` on this terminal. The event loop's thread, but for ``start``.

    While it draws, what other processes write to stderr is kept and shown after it.
    """

    def __init__(self) -> None:
        self._waiting: deque[ToDashboard] = deque(maxlen=_MOST_WAITING)
        self._latest: Observation | None = None
        self._said: deque[str] = deque(maxlen=_TOLD_AT_THE_END)
        self._stop: Callable[[], None] = lambda: None
        self._submit: Submit | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._stderr: tuple[int, Any] | None = None
        self._terminal: list[Any] | None = None

    def start(self) -> None:
        """Show the screen, before the engine's other processes are started."""
        ours, theirs = socket.socketpair()
        self._terminal = _terminal_settings()
        command = [sys.executable, "-m", "riffengine.dashboard", str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        theirs.close()
        self._connection = Connection(ours.detach())
        kept = tempfile.TemporaryFile()  # noqa: SIM115 (closed at the end of the performance)
        self._stderr = (os.dup(2), kept)
        os.dup2(kept.fileno(), 2)

    # --- what the engine tells ----------------------------------------------------------------------------------------

    def opened(self, submit: Submit, stop: Callable[[], None]) -> None:
        """Hear the keys."""
        self._submit, self._stop = submit, stop
        if self._connection is not None:
            asyncio.get_running_loop().add_reader(self._connection.fileno(), self._hear)

    def said(self, text: str) -> None:
        """A line for the performer."""
        self._said.append(text)
        self._waiting.append(Said(text))
        self._flush()

    def observed(self, observation: Observation) -> None:
        """How it stands; the newest counts."""
        self._latest = observation
        self._flush()

    def ending(self) -> None:
        """The fade-out begins."""
        self._waiting.append(Fading())
        self._flush()

    def closed(self, status: int) -> None:
        """Give the terminal back as it was, and say there what was said last."""
        self._hang_up()
        if self._process is not None:
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        _restore_terminal(self._terminal)
        if self._stderr is not None:
            real, kept = self._stderr
            os.dup2(real, 2)
            os.close(real)
            kept.seek(0)
            rest = kept.read().decode("utf-8", "replace")
            kept.close()
            sys.stderr.write(rest)
        for text in self._said:
            sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    # --- what the dashboard says --------------------------------------------------------------------------------------

    def _hear(self) -> None:
        try:
            while self._connection is not None and self._connection.poll():
                self._heed(self._connection.recv())
        except (EOFError, OSError, pickle.UnpicklingError):
            if self._connection is not None:
                asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._hang_up()
            _restore_terminal(self._terminal)

    def _heed(self, message: object) -> None:
        if isinstance(message, Quit):
            self._stop()
        elif isinstance(message, Command) and self._submit is not None:
            self._waiting.append(Answered(self._submit(message)))
            self._flush()

    def _flush(self) -> None:
        connection = self._connection
        try:
            while connection is not None and self._waiting and writable(connection):
                connection.send(self._waiting[0])
                self._waiting.popleft()
            if connection is not None and self._latest is not None and writable(connection):
                connection.send(self._latest)
                self._latest = None
        except OSError:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._connection.close()
            self._connection = None


def open_dashboard() -> Observers:
    """A dashboard on this terminal in place of the status line; ``ServiceError`` where there is no terminal."""
    if not (os.isatty(0) and os.isatty(1) and os.isatty(2)):
        raise ServiceError("--tui needs a terminal for input and output; leave it out for the status line")
    link = DashboardProcess()
    link.start()
    return Observers(None, [link])


def _terminal_settings() -> list[Any] | None:
    if not os.isatty(0):
        return None
    import termios

    return list(termios.tcgetattr(0))


def _restore_terminal(settings: list[Any] | None) -> None:
    """As it was before, even after a dashboard that was killed: cooked, the cursor shown, the first screen."""
    if settings is None:
        return
    import termios

    with contextlib.suppress(termios.error, OSError):
        termios.tcsetattr(0, termios.TCSADRAIN, settings)
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l")
        sys.stdout.flush()
