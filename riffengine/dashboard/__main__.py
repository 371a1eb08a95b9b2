"""The dashboard process: ``python -m riffengine.dashboard PIPE CAPTURED``, which the engine starts on its terminal.

Both are descriptors: of the pipe to the engine, and of the file that holds what was written to stderr meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from multiprocessing.connection import Connection

from riffengine.clock import SystemClock
from riffengine.dashboard.app import Dashboard
from riffengine.dashboard.captured import print_captured
from riffengine.dashboard.wire import FromDashboard

_TERMINAL_SECONDS = 1.0  # for the last output, where the terminal takes any


class _ConnectedDashboard(Dashboard):
    """The dashboard with a connection to the engine; it exits when the engine has ended."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(self._send_message, SystemClock())
        self._connection = connection

    def on_mount(self) -> None:
        """Start to read messages (called by textual)."""
        super().on_mount()
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._read_messages)

    def _send_message(self, message: FromDashboard) -> None:
        with contextlib.suppress(OSError):  # the engine has ended; `_read_messages` notices that
            self._connection.send(message)

    def _read_messages(self) -> None:
        try:
            while self._connection.poll():
                self.receive(self._connection.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self.exit()


def main() -> int:
    """Draw until the engine ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is a key here; the engine gets the signal
    connection, captured = Connection(int(sys.argv[1])), int(sys.argv[2])
    _ConnectedDashboard(connection).run()
    print_captured(captured, _TERMINAL_SECONDS)  # all of it where the engine ended unexpectedly; why is among it
    return 0


if __name__ == "__main__":
    sys.exit(main())
