"""EnginePipe: the web server's end of the pipe to the engine, on the server's event loop. It never waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection

from riffengine.processes.child_process import writable
from riffengine.web.messages import FromWeb, ToWeb

_MOST_UNSENT = 1024  # messages; a busy engine reads again within milliseconds
_AGAIN_SECONDS = 0.005


class EnginePipe:
    """Passes every message of the engine to ``received``; ``ended`` is called when the engine has gone."""

    def __init__(self, connection: Connection, received: Callable[[ToWeb], None], ended: Callable[[], None]) -> None:
        self.refused = 0  # messages that were dropped because the engine did not read
        self._connection, self._received, self._ended = connection, received, ended
        self._unsent: deque[FromWeb] = deque()
        self._again: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Receive from now on."""
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._read)

    def send(self, message: FromWeb) -> bool:
        """Send in order; false where the engine has not read for too long, and the message is dropped."""
        if len(self._unsent) >= _MOST_UNSENT:
            self.refused += 1
            return False
        self._unsent.append(message)
        self._flush()
        return True

    def close(self) -> None:
        """Receive no more."""
        asyncio.get_running_loop().remove_reader(self._connection.fileno())
        if self._again is not None:
            self._again.cancel()

    def _flush(self) -> None:
        self._again = None
        while self._unsent and writable(self._connection):
            try:
                self._connection.send(self._unsent[0])
            except OSError:
                self._ended()
                return
            self._unsent.popleft()
        if self._unsent and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._flush)

    def _read(self) -> None:
        try:
            while self._connection.poll():
                self._received(self._connection.recv())
        except (EOFError, OSError):
            self._ended()
