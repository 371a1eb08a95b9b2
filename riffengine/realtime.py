"""Real-time scheduling for a process in which being late is heard."""

from __future__ import annotations

import os

_NICE = -10


def raise_priority(priority: int) -> None:
    """Ask for real-time scheduling (FIFO at ``priority``) for this thread and all it starts.

    Where that is not allowed a better nice value is asked for, and where that is not either, nothing happens.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (AttributeError, OSError):  # no such call on this system, or not allowed: both are ordinary
        try:
            os.nice(_NICE)
        except (AttributeError, OSError):
            return


def realtime_allowed() -> bool | None:
    """Whether this user may run a thread under SCHED_FIFO, found out by doing it for a moment.

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
