"""EnginePipe: the player's end of its pipe to the engine."""

from __future__ import annotations

from collections import deque
from multiprocessing.connection import Connection

from riffengine.processes.message_pipe import MessagePipe
from riffengine.processes.player_messages import FromPlayer, ToPlayer


class EnginePipe:
    """Sends and receives on ``connection``. It never waits to send: what the pipe does not take is kept or dropped."""

    def __init__(self, connection: Connection) -> None:
        self._pipe: MessagePipe[FromPlayer, ToPlayer] = MessagePipe(connection)
        self._received: deque[ToPlayer] = deque()
        self.open = True

    def send(self, message: FromPlayer, droppable: bool = False) -> None:
        """Send in order; a ``droppable`` message (a status) is dropped while the engine does not read."""
        self.flush()
        if not (droppable and self._pipe.unsent):
            self._pipe.send(message)
            self.open = self.open and self._pipe.open

    def flush(self) -> None:
        """Send what was kept, as far as the pipe takes it."""
        self._pipe.flush()
        self.open = self.open and self._pipe.open

    def receive(self, timeout_seconds: float) -> ToPlayer | None:
        """The next message, or ``None``; ``open`` becomes false when the engine has ended."""
        if not self._received:
            self._pipe.wait(timeout_seconds)
            messages, connected = self._pipe.receive()
            self._received.extend(messages)
            self.open = self.open and (connected or bool(messages))
        return self._received.popleft() if self._received else None
