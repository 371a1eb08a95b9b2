"""Line: the player's end of the pipe to the engine."""

from __future__ import annotations

from collections import deque
from multiprocessing.connection import Connection

from riffengine.processes.child_process import writable
from riffengine.processes.player_messages import FromPlayer, ToPlayer


class EnginePipe:
    """The player's end of the pipe. It never waits for the engine: what does not fit now is kept or dropped."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kept: deque[FromPlayer] = deque()
        self.open = True

    def send(self, message: FromPlayer, droppable: bool = False) -> None:
        """Send in order; a ``droppable`` one (a status) is left out while the engine does not read."""
        if droppable and self._kept:
            self.flush()
            if self._kept:
                return
        self._kept.append(message)
        self.flush()

    def flush(self) -> None:
        """Send what was kept as far as the pipe takes it."""
        while self.open and self._kept and writable(self._connection):
            try:
                self._connection.send(self._kept[0])
            except (BrokenPipeError, ConnectionResetError):
                self.open = False
                return
            self._kept.popleft()

    def receive(self, timeout_seconds: float) -> ToPlayer | None:
        """The next message, or ``None``; ``open`` turns false when the engine has gone."""
        try:
            if self._connection.poll(timeout_seconds):
                message: ToPlayer = self._connection.recv()
                return message
        except (EOFError, ConnectionResetError, BrokenPipeError):
            self.open = False
        return None
