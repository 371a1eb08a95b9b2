"""EnginePipe: the web server's end of the pipe to the engine, on the server's event loop. It never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection

from riffengine.processes.message_pipe import MessagePipe
from riffengine.web.messages import FromWeb, ToWeb

_MOST_UNSENT = 1024  # messages; a busy engine reads again within milliseconds
_AGAIN_SECONDS = 0.005


class EnginePipe:
    """Passes every message of the engine to ``received``; ``ended`` is called when the engine has gone."""

    def __init__(self, connection: Connection, received: Callable[[ToWeb], None], ended: Callable[[], None]) -> None:
        self.refused = 0  # messages that were dropped because the engine did not read
        self._pipe: MessagePipe[FromWeb, ToWeb] = MessagePipe(connection)
        self._received, self._ended = received, ended
        self._again: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Receive from now on."""
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._read)

    def send(self, message: FromWeb) -> bool:
        """Send in order; false where the engine has not read for too long, and the message is dropped."""
        if self._pipe.unsent >= _MOST_UNSENT:
            self.refused += 1
            return False
        self._pipe.send(message)
        self._go_on()
        return True

    def close(self) -> None:
        """Receive no more."""
        asyncio.get_running_loop().remove_reader(self._pipe.fileno())
        if self._again is not None:
            self._again.cancel()

    def _flush(self) -> None:
        self._again = None
        self._pipe.flush()
        self._go_on()

    def _go_on(self) -> None:
        """Send the rest in a moment, if there is any."""
        if not self._pipe.open:
            self._ended()
        elif self._pipe.unsent and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._flush)

    def _read(self) -> None:
        messages, connected = self._pipe.receive()
        for message in messages:
            self._received(message)
        if not connected:
            self._ended()
