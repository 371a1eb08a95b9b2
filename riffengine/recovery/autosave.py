"""Autosave: every few seconds the state and the loops that sound, written by a thread so that nothing waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from riffengine.recovery.exit_marker import ExitMarker
from riffengine.recovery.saved_state import Samples, SavedLoop, SavedState, write_saved_state

EVERY_SECONDS = 3.0


class Autosave:
    """Writes keepsakes to the folder of ``ending``. ``offer`` belongs to the engine's thread; one write at a time.

    A disk that fails costs the keepsake, not the set: ``failure`` says why, once.
    """

    def __init__(self, ending: ExitMarker) -> None:
        self._ending = ending
        self._thread: threading.Thread | None = None
        self._written: set[str] = set()
        self._next_seconds = float("-inf")
        self.saves = 0
        self.failure = ""

    def due(self, now_seconds: float) -> bool:
        """Whether it is time, and the last one is written. Seconds are Unix time."""
        busy = self._thread is not None and self._thread.is_alive()
        return self._ending.keeps and not self.failure and not busy and now_seconds >= self._next_seconds

    def offer(self, keepsake: SavedState, samples: Callable[[SavedLoop], Samples]) -> None:
        """Keep this moment. ``samples`` is asked here and now, for the loops that are not on disk, and copied."""
        self._next_seconds = keepsake.saved_at + EVERY_SECONDS
        fresh = {loop.file: samples(loop).copy() for loop in keepsake.loops if loop.file not in self._written}
        self._written = {loop.file for loop in keepsake.loops}
        self._thread = threading.Thread(target=self._write, args=(keepsake, fresh), name="autosave", daemon=True)
        self._thread.start()

    def finish(self, clean: bool = True, timeout_seconds: float = 5.0) -> None:
        """Wait for the last write and mark the run as clean, unless it was not."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        if not clean:
            return
        try:
            self._ending.clean()
        except OSError as error:
            self.failure = self.failure or str(error)

    def _write(self, keepsake: SavedState, samples: dict[str, Samples]) -> None:
        try:
            write_saved_state(self._ending.folder, keepsake, samples)
            self._ending.alive(keepsake.saved_at)
        except (OSError, ValueError) as error:
            self.failure = f"the state for --resume is not kept: {error}"
        else:
            self.saves += 1
