"""Threads of higher priority, and the threads they start."""

import os
import subprocess
import sys
import threading

import pytest

from riffengine.processes.realtime import own_priority, realtime_allowed

TELL = "import os; print(os.sched_getscheduler(0))"


@pytest.mark.skipif(not realtime_allowed(), reason="this user may not use real-time scheduling")
def test_one_thread_is_raised_and_the_threads_it_starts_are_not() -> None:
    before, found = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, []
    with own_priority(3):
        assert os.sched_getscheduler(0) == os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        assert os.sched_getparam(0).sched_priority == 3
        thread = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))
        thread.start()
        thread.join()
        child = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
    assert [*found, int(child.stdout)] == [os.SCHED_OTHER] * 2
    assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == before


def test_where_it_is_not_allowed_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    with own_priority(3):
        pass
