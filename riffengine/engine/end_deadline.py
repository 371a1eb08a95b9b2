"""A deadline for the end of a set that no driver can hold: the system ends the process when it is over.

A driver that waits with the interpreter's lock held keeps every handler in Python from being called, so the signal's
default action is used. The player then fades out and finishes the recording, as after every death of the engine.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

Deadline = Callable[[float], None]
"""Called with the seconds within which it must be called again; 0 when there is no deadline any more."""


def no_deadline(seconds: float) -> None:
    """For an engine in another program's process, which must not be ended."""


def process_deadline(seconds: float) -> None:
    """Have the system end this process in ``seconds``."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
