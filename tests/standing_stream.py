"""StandingStream: a terminal, a reader or a disk that takes nothing for a while."""

from __future__ import annotations

import io
import threading

PATIENCE_SECONDS = 60.0


class StandingStream(io.StringIO):
    """Takes nothing until it is ``released``; ``reached`` tells that somebody has tried."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.released = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.released.wait(PATIENCE_SECONDS)
        return super().write(text)
