"""Recovery: what is left of a set after a crash: its last state and the loops that sounded, and how it ended."""

from riffengine.recovery.exit_marker import ExitMarker, Start, begin_run
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
    "SavedLoop",
    "SavedState",
    "Start",
    "begin_run",
    "load_saved_state",
    "read_loop",
    "state_folder",
    "write_saved_state",
]
