"""DashboardProcess: the engine's side of the dashboard, a process that gets ten observations a second.

The engine never waits for it: messages that a slow screen does not read are dropped, and only the screen is lost when
the dashboard dies.
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
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from riffengine.dashboard.captured import print_captured
from riffengine.dashboard.wire import CommandReply, FadeOutStarted, FromDashboard, Notice, StopRequested, ToDashboard
from riffengine.errors import ServiceError, plain
from riffengine.performance.command import Command
from riffengine.processes.child_process import terminal_signals_blocked
from riffengine.processes.message_pipe import MessagePipe
from riffengine.telemetry.observation import Observation, Observer, Submit
from riffengine.telemetry.observers import Observers
from riffengine.telemetry.text_writer import DirectText, TextWriter

_QUEUE_LIMIT = 500  # messages kept while the dashboard does not read
_END_SECONDS = 3.0
_TERMINAL_SECONDS = 1.0  # for the last output, where the terminal takes any
_NOTICES_AT_THE_END = 12  # the last ones, printed on the plain terminal


class DashboardProcess(Observer):
    """Starts ``python -m riffengine.dashboard`` on this terminal. All but ``start`` runs on the event loop's thread.

    While the dashboard draws, text on stderr is captured and printed after it: by ``closed``, or by the dashboard where
    the engine has ended without it.
    """

    def __init__(self) -> None:
        self._queue: deque[ToDashboard] = deque(maxlen=_QUEUE_LIMIT)
        self._latest: Observation | None = None
        self._last_notices: deque[str] = deque(maxlen=_NOTICES_AT_THE_END)
        self._stop: Callable[[], None] = lambda: None
        self._submit: Submit | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: MessagePipe[ToDashboard, FromDashboard] | None = None
        self._stderr: tuple[int, Any] | None = None
        self._terminal: list[Any] | None = None

    def start(self) -> None:
        """Start the process; must be called before the engine starts its other processes."""
        engine_end, dashboard_end = socket.socketpair()
        self._terminal = _terminal_settings()
        captured = tempfile.TemporaryFile("a+b")  # noqa: SIM115 (closed at the end of the performance)
        given = (dashboard_end.fileno(), captured.fileno())
        command = [sys.executable, "-m", "riffengine.dashboard", *map(str, given)]
        with terminal_signals_blocked():  # Ctrl-C while it imports would end it with a traceback
            self._process = subprocess.Popen(command, pass_fds=given)
        dashboard_end.close()
        self._pipe = MessagePipe(Connection(engine_end.detach()))
        self._stderr = (os.dup(2), captured)
        os.dup2(captured.fileno(), 2)

    # --- calls from the engine ----------------------------------------------------------------------------------------

    def opened(self, submit: Submit, stop: Callable[[], None]) -> None:
        """Start to read the dashboard's messages."""
        self._submit, self._stop = submit, stop
        if self._pipe is not None:
            asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._read_messages)

    def notified(self, text: str) -> None:
        """Show a line of text to the performer."""
        self._last_notices.append(text)
        self._queue.append(Notice(text))
        self._flush()

    def observed(self, observation: Observation) -> None:
        """Send the current state; only the newest is kept."""
        self._latest = observation
        self._flush()

    def ending(self) -> None:
        """The fade-out starts."""
        self._queue.append(FadeOutStarted())
        self._flush()

    def closed(self, status: int) -> None:
        """Restore the terminal and print the last notices on it."""
        self._disconnect()
        if self._process is not None:
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        restoring = self._begin_to_restore()
        restoring.join(_TERMINAL_SECONDS)
        if restoring.is_alive():
            _restore_at_once(self._terminal)
        writer = TextWriter(sys.stdout)
        if self._stderr is not None:
            real, captured = self._stderr
            os.dup2(real, 2)
            os.close(real)
            print_captured(captured.fileno(), _TERMINAL_SECONDS)
            captured.close()
        for text in self._last_notices:
            writer.write(f"{plain(text)}\n")
        writer.close(_TERMINAL_SECONDS)

    # --- messages from the dashboard ----------------------------------------------------------------------------------

    def _read_messages(self) -> None:
        if self._pipe is None:
            return
        try:
            messages, connected = self._pipe.receive()
        except pickle.UnpicklingError:
            messages, connected = [], False
        for message in messages:
            self._handle(message)
        if not connected:
            self._disconnect()
            self._begin_to_restore()

    def _begin_to_restore(self) -> threading.Thread:
        """Restore the terminal, which may wait for as long as it is stopped by Ctrl-S, in a thread."""
        thread = threading.Thread(target=_restore_terminal, args=(self._terminal,), name="terminal", daemon=True)
        thread.start()
        return thread

    def _handle(self, message: FromDashboard) -> None:
        if isinstance(message, StopRequested):
            self._stop()
        elif isinstance(message, Command) and self._submit is not None:
            self._queue.append(CommandReply(self._submit(message)))
            self._flush()

    def _flush(self) -> None:
        pipe = self._pipe
        if pipe is None:
            return
        pipe.flush()
        while self._queue and not pipe.unsent:
            pipe.send(self._queue.popleft())
        if self._latest is not None and not pipe.unsent:
            pipe.send(self._latest)
            self._latest = None
        if not pipe.open:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._pipe is not None:
            with contextlib.suppress(RuntimeError):  # the event loop has ended
                asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._pipe.close()
            self._pipe = None


def open_dashboard() -> Observers:
    """A dashboard on this terminal instead of the status line; ``ServiceError`` when there is no terminal."""
    if not (os.isatty(0) and os.isatty(1) and os.isatty(2)):
        raise ServiceError("--tui needs a terminal for input and output; without --tui there is a status line")
    if os.environ.get("TERM") == "dumb":
        raise ServiceError("--tui needs a terminal that can place text, and TERM is dumb; leave --tui out")
    dashboard = DashboardProcess()
    dashboard.start()
    return Observers(None, [dashboard])


def _terminal_settings() -> list[Any] | None:
    if not os.isatty(0):
        return None
    import termios

    return list(termios.tcgetattr(0))


def _restore_terminal(settings: list[Any] | None) -> None:
    """Restore the settings, show the cursor and leave the alternate screen, even after the dashboard was killed."""
    if settings is None:
        return
    import termios

    with contextlib.suppress(termios.error, OSError):
        termios.tcsetattr(0, termios.TCSADRAIN, settings)
    if sys.stdout.isatty():
        with contextlib.suppress(OSError, ValueError):  # the terminal has been closed
            DirectText(sys.stdout).write("\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l")


def _restore_at_once(settings: list[Any] | None) -> None:
    """Restore the settings of a terminal that takes no output, without waiting for what was written to it."""
    if settings is None:
        return
    import termios

    with contextlib.suppress(termios.error, OSError):
        termios.tcsetattr(0, termios.TCSANOW, settings)
