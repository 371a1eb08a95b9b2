"""Ends a child process with its parent: also while it imports, when nobody hears the end of the pipe.

An import of a large library holds the interpreter for seconds on a busy machine; a thread that reads the pipe does not
run meanwhile. The kernel needs no interpreter. Linux; elsewhere the pipe alone tells of the end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1  # of prctl.h
_AT_ONCE = signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM
_READ_BYTES = 4096


def end_with_parent(parent: int) -> None:
    """Have this process killed when the thread that started it has ended, or end it now if ``parent`` has ended."""
    if _set_death_signal(_AT_ONCE) and os.getppid() != parent:
        os._exit(0)


def outlive_parent() -> None:
    """Let this process end by itself: it has something to finish, and reads its pipe."""
    _set_death_signal(0)


def end_with_stdin() -> None:
    """Have this process killed when its stdin has ended: the parent holds the other end and never closes it.

    For the main thread of an engine; its player fades out then and finishes the recording.
    """

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, _READ_BYTES):
                continue
        os.kill(os.getpid(), _AT_ONCE)

    threading.Thread(target=wait, name="parent", daemon=True).start()
    end_with_parent(os.getppid())


def _set_death_signal(number: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
