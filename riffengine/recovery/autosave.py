"""Autosave: writes the state and the loops that sound every few seconds, in a thread so that the engine never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from riffengine.processes.audio import Samples
from riffengine.recovery.exit_marker import ExitMarker
from riffengine.recovery.saved_state import SavedLoop, SavedState, write_saved_state

_EVERY_SECONDS = 3.0


class Autosave:
    """Writes saved states to the folder of ``exit_marker``, one at a time. ``save`` is called in the engine's thread.

    When the disk fails, the set goes on and nothing more is saved: ``failure`` is the reason.
    """

    def __init__(self, exit_marker: ExitMarker) -> None:
        self._exit_marker = exit_marker
        self._thread: threading.Thread | None = None
        self._written: set[str] = set()
        self._next_seconds = float("-inf")
        self.saves = 0
        self.failure = ""

    def due(self, now_seconds: float) -> bool:
        """Whether it is time to save, and the last write has ended. Seconds are Unix time."""
        busy = self._thread is not None and self._thread.is_alive()
        return self._exit_marker.writes and not self.failure and not busy and now_seconds >= self._next_seconds

    def save(self, state: SavedState, samples: Callable[[SavedLoop], Samples]) -> None:
        """Begin to write ``state``. ``samples`` is called at once, for the loops that are not on disk, and copied."""
        self._next_seconds = state.saved_at + _EVERY_SECONDS
        added = {loop.file: samples(loop).copy() for loop in state.loops if loop.file not in self._written}
        self._written = {loop.file for loop in state.loops}
        self._thread = threading.Thread(target=self._write, args=(state, added), name="autosave", daemon=True)
        self._thread.start()

    def finish(self, clean: bool = True, timeout_seconds: float = 5.0) -> None:
        """Wait for the last write; mark the run as ended properly where it was ``clean``."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        if not clean:
            return
        try:
            self._exit_marker.mark_clean()
        except OSError as error:
            self.failure = self.failure or str(error)

    def _write(self, state: SavedState, samples: dict[str, Samples]) -> None:
        try:
            write_saved_state(self._exit_marker.folder, state, samples)
            self._exit_marker.mark_alive(state.saved_at)
        except (OSError, ValueError) as error:
            self.failure = f"the state for --resume is no longer saved: {error}"
        else:
            self.saves += 1
