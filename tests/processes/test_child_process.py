"""A child process and Ctrl-C, which a terminal sends to every process of its group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

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


def answer(options: str, connection: Connection) -> None:
    connection.send((options, os.getpid()))
    with contextlib.suppress(EOFError):
        connection.recv()


Echo = ChildProcess[str, str, tuple[str, int]]


def first_answer(child: Echo) -> tuple[str, int]:
    deadline = time.perf_counter() + 60.0
    while time.perf_counter() < deadline:
        said, connected = child.receive()
        if said:
            return said[0]
        assert connected
        time.sleep(0.01)
    raise AssertionError("no answer")


def test_a_prepared_process_gets_the_options_of_the_next_start_and_a_close_keeps_it() -> None:
    child: Echo = ChildProcess("test", answer, "first")
    child.start()
    first = first_answer(child)
    child.prepare(("bisect",))
    child.prepare()  # there is one
    assert child.prepared
    spare = child._spare
    assert spare is not None
    child.options = "second"
    child.close()
    assert child.prepared
    child.start()
    second = first_answer(child)
    assert (first[0], second) == ("first", ("second", spare[0].pid))
    assert not child.prepared
    child.close()


def test_a_prepared_process_that_has_died_is_replaced() -> None:
    child: Echo = ChildProcess("test", answer, "it")
    child.prepare()
    spare = child._spare
    assert spare is not None
    spare[0].kill()
    spare[0].join(20.0)
    child.start()
    assert first_answer(child)[0] == "it"
    child.close()
    child.prepare()
    child.dismiss()
    assert not child.prepared


def tell_too_late(options: str, connection: Connection) -> None:
    connection.poll(None)  # until the engine hangs up
    connection.send("ready")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no broken pipes")
def test_a_child_whose_engine_has_ended_ends_without_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    child: ChildProcess[str, str, str] = ChildProcess("test", tell_too_late, "")
    child.start()
    child.hang_up()
    assert child.join(60.0)
    code = child.exit_code
    child.close()
    assert code == 0 and "Traceback" not in capfd.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no terminals that hang up")
def test_a_terminal_that_is_closed_ends_no_child() -> None:
    child: ChildProcess[str, str, str] = ChildProcess("test", wait_for_the_word, "")
    child.start()
    assert child.pid is not None
    for _ in range(50):  # in every moment of its start
        os.kill(child.pid, signal.SIGHUP)
        time.sleep(0.01)
    alive = child.alive
    child.send("end")
    assert child.join(60.0)
    child.close()
    assert alive


def import_for_ever(options: str, connection: Connection) -> None:
    """Never reads its pipe, as a process whose interpreter is held by an import."""
    connection.send(os.getpid())
    while True:
        time.sleep(60.0)


_ENGINE = """
import os, signal, sys, time
from tests.processes.test_child_process import ChildProcess, import_for_ever
if __name__ == "__main__":
    child = ChildProcess("test", import_for_ever, "", finishes=sys.argv[1] == "finishes")
    if sys.argv[2] == "prepared":
        child.prepare()
    child.start()
    while not (said := child.receive()[0]):
        time.sleep(0.01)
    print(said[0], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def ends(pid: int, seconds: float) -> bool:
    """Whether the process is gone within ``seconds``; a zombie that nobody has reaped is gone."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def child_of_a_killed_engine(folder: Path, *words: str) -> int:
    """The process id of a child whose engine has been killed."""
    program, said = folder / "engine.py", folder / "said"
    program.write_text(_ENGINE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    with said.open("wb") as output:  # no pipe: the child would hold it open
        engine = subprocess.run(
            [sys.executable, program, *words], stdout=output, timeout=120, env=environment, check=False
        )
    assert engine.returncode == -signal.SIGKILL
    return int(said.read_text())


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of a parent's death")


@LINUX
@pytest.mark.parametrize("start", ["started", "prepared"])
def test_a_child_that_does_not_read_its_pipe_ends_with_an_engine_that_was_killed(tmp_path: Path, start: str) -> None:
    assert ends(child_of_a_killed_engine(tmp_path, "has nothing to finish", start), 60.0)


@LINUX
def test_a_child_that_has_something_to_finish_outlives_an_engine_that_was_killed(tmp_path: Path) -> None:
    pid = child_of_a_killed_engine(tmp_path, "finishes", "started")
    try:
        assert not ends(pid, 0.5)
    finally:
        os.kill(pid, signal.SIGKILL)
