"""A child process and Ctrl-C, which a terminal sends to every process of its group."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection

import pytest

from riffengine.processes.child_process import ChildProcess


def wait_for_the_word(options: str, connection: Connection) -> None:
    connection.recv()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process of its own")
@pytest.mark.parametrize("in_main_thread", [True, False])
def test_a_child_that_still_imports_does_not_end_by_ctrl_c(in_main_thread: bool) -> None:
    child: ChildProcess[str, str, str] = ChildProcess("test", wait_for_the_word, "")
    if in_main_thread:
        child.start()
    else:
        starter = threading.Thread(target=child.start)
        starter.start()
        starter.join()
    assert child.pid is not None
    deadline = time.perf_counter() + 1.0
    while child.alive and time.perf_counter() < deadline:  # in every moment of its start
        os.kill(child.pid, signal.SIGINT)
        time.sleep(0.01)
    alive = child.alive
    child.send("end")
    assert child.join(20.0)
    child.close()
    assert alive
