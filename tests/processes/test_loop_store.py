"""Shared memory is allocated before it is written to, and segments left by a crash are removed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import riffengine
from riffengine.errors import LoopStoreError
from riffengine.processes import loop_store
from riffengine.processes.loop_store import LoopStore, stale_segments, sweep_stale_segments

SHM = Path("/dev/shm")
on_linux = pytest.mark.skipif(not SHM.is_dir(), reason="segments are files in a folder on Linux only")

ENGINE = """
import sys, time
from riffengine.processes.loop_store import LoopStore
store = LoopStore.create(2, 1024)
print(store.name, flush=True)
time.sleep(60)
"""


def test_a_loop_is_passed_on_and_cannot_be_changed_by_its_reader() -> None:
    store = LoopStore.create(2, 24)
    other = LoopStore.attach(store.name, 2, 24)
    samples = np.arange(24, dtype=np.float32).reshape(2, 6, 2)
    store.write(1, samples)
    view = other.view(1, 2, 6, 2)
    assert view.tobytes() == samples.tobytes()
    assert not view.flags.writeable
    with pytest.raises(LoopStoreError, match="does not fit"):
        store.write(0, np.zeros(25, np.float32))
    del view
    other.close()
    store.close()


@on_linux
def test_segments_of_a_killed_engine_are_removed_and_those_of_a_running_one_are_not() -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(riffengine.__file__).parents[1])}
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert engine.stdout is not None
    name = engine.stdout.readline().strip()
    try:
        assert name not in {path.name for path in stale_segments()}
        assert name not in sweep_stale_segments()
        assert (SHM / name).exists()
    finally:
        os.killpg(engine.pid, signal.SIGKILL)  # its resource tracker too, as in a power cut
        engine.wait()
        engine.stdout.close()
    sweep_stale_segments()  # or that of another set that has just begun on this machine
    assert not (SHM / name).exists()


@on_linux
def test_memory_is_allocated_when_it_is_created() -> None:
    store = LoopStore.create(4, 65536)
    try:
        assert (SHM / store.name).stat().st_blocks * 512 >= 4 * 65536 * 4
    finally:
        store.close()
    assert not (SHM / store.name).exists()


@on_linux
def test_with_little_memory_there_are_fewer_slots_and_no_segment_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = os.posix_fallocate

    def small(descriptor: int, offset: int, size: int) -> None:
        asked.append(size // 4096)
        if size > 12 * 4096:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", small)
    before = set(SHM.glob(f"riffengine-{os.getpid()}-*"))
    store = LoopStore.create(48, 1024, least_slots=8)
    assert (store.slots, asked) == (12, [48, 24, 12])
    store.write(11, np.ones(1024, np.float32))
    store.close()
    with pytest.raises(LoopStoreError, match="--shm-size"):
        LoopStore.create(48, 1024, least_slots=20)
    with pytest.raises(LoopStoreError, match="--shm-size"):
        LoopStore.create(48, 1024)
    assert set(SHM.glob(f"riffengine-{os.getpid()}-*")) == before


def test_without_the_folder_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(loop_store, "Segment", missing)
    with pytest.raises(LoopStoreError, match="/dev/shm"):
        LoopStore.create(4, 1024, least_slots=1)


@on_linux
def test_a_segment_of_another_user_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    left = SHM / "riffengine-1-00c0ffe1"
    left.write_bytes(b"\0" * 64)
    try:
        monkeypatch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
        assert left not in stale_segments()
        assert left.name not in sweep_stale_segments()
        assert left.exists()
    finally:
        left.unlink()


@on_linux
def test_a_tracker_that_was_killed_brings_no_traceback_and_no_warning(tmp_path: Path) -> None:
    """Python's resource tracker can be killed too; and it warns of the memory of a dead engine that it removes."""
    program = (
        "import os, signal, sys\n"
        "from multiprocessing import resource_tracker\n"
        "from riffengine.processes.loop_store import LoopStore, start_resource_tracker\n"
        "store = LoopStore.create(1, 1000)\n"
        "os.kill(resource_tracker._resource_tracker._pid, signal.SIGKILL)\n"
        "os.waitid(os.P_PID, resource_tracker._resource_tracker._pid, os.WEXITED | os.WNOWAIT)\n"
        "start_resource_tracker()\n"
        "store.close()\n"
        "left = LoopStore.create(1, 1000)\n"
        "sys.stdout.write(left.name); sys.stdout.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    errors = tmp_path / "errors"
    with errors.open("w") as stderr:
        ended = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=stderr, text=True, check=False
        )
    deadline = time.perf_counter() + 60.0
    while (SHM / ended.stdout).exists() and time.perf_counter() < deadline:  # the tracker removes it
        time.sleep(0.02)
    assert ended.stdout and not (SHM / ended.stdout).exists()
    assert errors.read_text() == ""


ORPHANED_TRACKER = """
import os, signal, sys, time
from multiprocessing import resource_tracker
from pathlib import Path
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.loop_store import LoopStore

def attach(name, connection):
    store = LoopStore.attach(name, 2, 1024)
    connection.send(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())
    connection.recv()

if __name__ == "__main__":
    store = LoopStore.create(2, 1024)
    child = ChildProcess("test", attach, store.name)
    child.prepare()  # with the tracker of this moment
    tracker = resource_tracker._resource_tracker._pid
    os.kill(tracker, signal.SIGKILL)
    os.waitid(os.P_PID, tracker, os.WEXITED | os.WNOWAIT)
    child.start()
    while not (said := child.receive()[0]):
        time.sleep(0.01)
    child.kill()
    child.join(20.0)
    deadline = time.perf_counter() + 60.0
    for other in said[0]:  # a tracker of its own ends after it, and removes what it knows
        while Path(f"/proc/{other}").exists() and time.perf_counter() < deadline:
            time.sleep(0.01)
    print(Path("/dev/shm", store.name).exists())
    store.close()
"""


@on_linux
def test_a_reader_that_dies_after_the_tracker_leaves_the_memory_to_the_others(tmp_path: Path) -> None:
    program = tmp_path / "engine.py"
    program.write_text(ORPHANED_TRACKER)
    environment = os.environ | {"PYTHONPATH": str(Path(riffengine.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=240, env=environment, check=False
    )
    assert done.stdout == "True\n", done.stderr


TRACKED = """
import os, signal, time
from multiprocessing import resource_tracker
from riffengine.processes.loop_store import LoopStore, start_resource_tracker
store = LoopStore.create(2, 1024)
tracker = resource_tracker._resource_tracker._pid
os.kill(tracker, signal.SIGKILL)
os.waitid(os.P_PID, tracker, os.WEXITED | os.WNOWAIT)
start_resource_tracker()
print(store.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@on_linux
def test_a_tracker_that_takes_a_killed_ones_place_removes_the_memory_of_a_killed_engine() -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(riffengine.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", TRACKED], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    deadline = time.perf_counter() + 60.0
    while (SHM / done.stdout.strip()).exists() and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert done.stdout.startswith("riffengine-") and not (SHM / done.stdout.strip()).exists()
