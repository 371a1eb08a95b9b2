"""Autosave: writes the state and the loops that sound every few seconds, in a thread so that the engine never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from riffengine.processes.audio import Samples
from riffengine.recovery.exit_marker import ExitMarker
from riffengine.recovery.plugin_files import PluginFiles
from riffengine.recovery.saved_state import SavedLoop, SavedState, write_saved_state

_EVERY_SECONDS = 3.0
_AFTER_FAILURE_SECONDS = 15.0


class Autosave:
    """Writes saved states to the folder of ``exit_marker``, one at a time. ``save`` is called in the engine's thread.

    When a write fails (the disk, or no descriptor just then), the set goes on and it is tried again later: ``failure``
    is the reason until a write succeeds. Seconds of the monotonic clock decide when, for the wall clock may be set.
    """

    def __init__(self, exit_marker: ExitMarker) -> None:
        self._exit_marker = exit_marker
        self._thread: threading.Thread | None = None
        self._written: set[str] = set()
        self._plugins = PluginFiles(exit_marker.folder)
        self._next_seconds = float("-inf")
        self.saves = 0
        self.failure = ""

    def due(self, now_seconds: float) -> bool:
        """Whether it is time to save, and the last write has ended. Seconds are monotonic."""
        busy = self._thread is not None and self._thread.is_alive()
        return self._exit_marker.writes and not busy and now_seconds >= self._next_seconds

    def save(self, state: SavedState, samples: Callable[[SavedLoop], Samples], now_seconds: float) -> None:
        """Begin to write ``state``. ``samples`` is called at once, for the loops that are not on disk, and copied."""
        self._next_seconds = now_seconds + (_AFTER_FAILURE_SECONDS if self.failure else _EVERY_SECONDS)
        added = {loop.file: samples(loop).copy() for loop in state.loops if loop.file not in self._written}
        self._written = {loop.file for loop in state.loops}
        thread = threading.Thread(target=self._write, args=(state, added), name="autosave", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread to give
            self._failed(str(error))
        else:
            self._thread = thread

    def finish(self, clean: bool = True, timeout_seconds: float = 5.0) -> None:
        """Wait for the last write; mark the run as ended properly where it was ``clean``."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        try:
            if clean:
                self._exit_marker.mark_clean()
        except OSError as error:
            self.failure = self.failure or str(error)
        finally:
            self._exit_marker.release()

    def _write(self, state: SavedState, samples: dict[str, Samples]) -> None:
        try:
            write_saved_state(self._exit_marker.folder, state, samples, self._plugins)
            self._exit_marker.mark_alive(state.saved_at)
        except (OSError, ValueError) as error:
            self._failed(str(error))
        else:
            self.failure = ""
            self.saves += 1

    def _failed(self, reason: str) -> None:
        self.failure = f"the state for --resume is not saved: {reason}; it is tried again"
        self._written = set()  # what lies in the folder is not known
