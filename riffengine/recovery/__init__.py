"""Recovery after a crash: the saved state and loops of the last set, and whether it ended properly."""

from riffengine.recovery.exit_marker import ExitMarker, RunStart, begin_run
from riffengine.recovery.recovery import Recovery
from riffengine.recovery.saved_state import (
    SavedLoop,
    SavedState,
    load_saved_state,
    read_loop,
    state_folder,
    write_saved_state,
)

__all__ = [
    "ExitMarker",
    "Recovery",
    "RunStart",
    "SavedLoop",
    "SavedState",
    "begin_run",
    "load_saved_state",
    "read_loop",
    "state_folder",
    "write_saved_state",
]
