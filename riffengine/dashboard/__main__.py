"""The dashboard's process: ``python -m riffengine.dashboard DESCRIPTOR``, started by the engine on its own terminal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from multiprocessing.connection import Connection

from riffengine.clock import SystemClock
from riffengine.dashboard.app import Dashboard
from riffengine.dashboard.wire import FromDashboard


class _Screen(Dashboard):
    """The dashboard at the end of a connection; when the engine has gone, so does it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(self._tell, SystemClock())
        self._connection = connection

    def on_mount(self) -> None:
        """Begin to listen (called by textual)."""
        super().on_mount()
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._hear)

    def _tell(self, message: FromDashboard) -> None:
        with contextlib.suppress(OSError):  # the engine has gone; `_hear` notices
            self._connection.send(message)

    def _hear(self) -> None:
        try:
            while self._connection.poll():
                self.take(self._connection.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self.exit()


def main() -> int:
    """Draw until the engine ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is a key here, and a signal for the engine
    connection = Connection(int(sys.argv[1]))
    _Screen(connection).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
