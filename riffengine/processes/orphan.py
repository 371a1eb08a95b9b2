"""Ends a child process with its parent while it imports: nobody hears the end of the pipe in that time.

An import of a large library holds the interpreter for seconds on a busy machine; a thread that reads the pipe does not
run meanwhile. The kernel needs no interpreter. Linux; elsewhere the pipe alone tells of the end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # of prctl.h


def end_with_parent(parent: int) -> None:
    """Have this process killed when the thread that started it has ended, or end it now if ``parent`` has ended."""
    if _set_death_signal(signal.SIGKILL if sys.platform != "win32" else 0) and os.getppid() != parent:
        os._exit(0)


def outlive_parent() -> None:
    """Let this process end by itself: it has something to finish, and reads its pipe."""
    _set_death_signal(0)


def _set_death_signal(number: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
