"""Recovery: what is left of a set after a crash: its last state and the loops that sounded, and how it ended."""

from riffengine.recovery.ending import Ending, Start, begin_run
from riffengine.recovery.keepsake import Keepsake, KeptLoop, load_keepsake, read_loop, state_folder, write_keepsake
from riffengine.recovery.recovery import Recovery

__all__ = [
    "Ending",
    "Keepsake",
    "KeptLoop",
    "Recovery",
    "Start",
    "begin_run",
    "load_keepsake",
    "read_loop",
    "state_folder",
    "write_keepsake",
]
