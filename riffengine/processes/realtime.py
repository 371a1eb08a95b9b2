"""Real-time scheduling for a process whose delays would be heard."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_NICE = -10


def raise_priority(priority: int) -> None:
    """Ask for real-time scheduling (FIFO at ``priority``) for this thread and all threads it starts.

    Where that is not allowed, ask for a better nice value; where that is not allowed either, do nothing.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (AttributeError, OSError):  # no such call on this system, or not allowed: both are common
        try:
            os.nice(_NICE)
        except (AttributeError, OSError):
            return


def raise_own_priority(priority: int) -> None:
    """Ask for real-time scheduling (FIFO at ``priority``) for this thread, but not for threads that it starts."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))


def raise_priority_of(pid: int, priority: int) -> None:
    """Ask for real-time scheduling (FIFO at ``priority``) for process ``pid``; do nothing where that is not allowed."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(priority))


@contextlib.contextmanager
def own_priority(priority: int) -> Iterator[None]:
    """Real-time scheduling (FIFO at ``priority``) for this thread only: threads it starts meanwhile get none.

    Where that is not allowed, do nothing.
    """
    before = None
    with contextlib.suppress(AttributeError, OSError):
        policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
        before = policy, parameters
    try:
        yield
    finally:
        if before is not None:  # the flag stays: only root may clear it
            os.sched_setscheduler(0, before[0] | os.SCHED_RESET_ON_FORK, before[1])


def realtime_allowed() -> bool | None:
    """Whether this user may run a thread under SCHED_FIFO, found out by trying it for a moment.

    ``None`` where the system has no such call.
    """
    if not hasattr(os, "sched_setscheduler"):
        return None
    before, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, before, priority)
    return True
