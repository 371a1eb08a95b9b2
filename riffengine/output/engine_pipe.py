"""EnginePipe: the player's end of its pipe to the engine."""

from __future__ import annotations

from collections import deque
from multiprocessing.connection import Connection

from riffengine.processes.child_process import writable
from riffengine.processes.player_messages import FromPlayer, ToPlayer


class EnginePipe:
    """Sends and receives on ``connection``. It never waits to send: what the pipe does not take is kept or dropped."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._unsent: deque[FromPlayer] = deque()
        self.open = True

    def send(self, message: FromPlayer, droppable: bool = False) -> None:
        """Send in order; a ``droppable`` message (a status) is dropped while the engine does not read."""
        if droppable and self._unsent:
            self.flush()
            if self._unsent:
                return
        self._unsent.append(message)
        self.flush()

    def flush(self) -> None:
        """Send what was kept, as far as the pipe takes it."""
        while self.open and self._unsent and writable(self._connection):
            try:
                self._connection.send(self._unsent[0])
            except (BrokenPipeError, ConnectionResetError):
                self.open = False
                return
            self._unsent.popleft()

    def receive(self, timeout_seconds: float) -> ToPlayer | None:
        """The next message, or ``None``; ``open`` becomes false when the engine has ended."""
        try:
            if self._connection.poll(timeout_seconds):
                message: ToPlayer = self._connection.recv()
                return message
        except (EOFError, ConnectionResetError, BrokenPipeError):
            self.open = False
        return None
