"""`riffengine serve A.yaml B.yaml`: two sets in real processes on one pool, of which some are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from riffengine.processes.loop_store import SHM_FOLDER

PATIENCE_SECONDS = 180.0  # enough on a busy machine; nothing here measures time
END_SECONDS = 20.0  # as long; on a quiet machine everything ends within one
PRESET = """
steps: 2
draft_steps: 2
deck: {a: {prompt: "techno, driving", seed: %d}}
output: {to: paced, fade_out: 0.1}
midi: {enabled: false}
osc: {enabled: false}
"""


def free_ports(number: int) -> int:
    """The first of ``number`` ports in a row that nobody uses."""
    for first in range(21000 + os.getpid() * 17 % 10_000, 60000, 17):  # not where another process of tests begins
        with contextlib.ExitStack() as probes:
            try:
                for port in range(first, first + number):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


class TwoSets:
    """One run of the service with the presets ``one`` and ``two`` and a single renderer."""

    def __init__(self, folder: Path) -> None:
        for number, name in enumerate(("one", "two")):
            (folder / f"{name}.yaml").write_text(PRESET % number)
        self.port = free_ports(3)
        self.log = folder / "log"
        with self.log.open("w") as log:
            command = [sys.executable, "-m", "riffengine", "serve", "one.yaml", "two.yaml", "--renderers", "1"]
            self.process = subprocess.Popen(
                [*command, "--http-port", str(self.port)], cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )

    def get(self, path: str, port: int = 0) -> str:
        """The page at ``path``, also where its status says that not all is well; "" where there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=20) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()
        except OSError:
            return ""

    def health(self) -> dict[str, object]:
        text = self.get("/health")
        return dict(json.loads(text)) if text else {}

    def figure(self, name: str, of: str) -> float:
        """The figure ``name`` of the set ``of``, "" is the pool; -1 where there is none now."""
        return figure_in(self.get("/metrics"), name, of)

    def wait(self, met: Callable[[], bool]) -> None:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while not met():
            assert self.process.poll() is None and time.perf_counter() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.1)

    def play_on(self, *names: str) -> None:
        """Wait until each of ``names`` has played more. They are asked themselves: the common page is seconds old."""
        ports = {"one": self.port + 1, "two": self.port + 2}

        def frames() -> list[float]:
            return [figure_in(self.get("/metrics", ports[name]), "frames_total") for name in names]

        before = frames()
        self.wait(lambda: all(now > max(0.0, then) for now, then in zip(frames(), before, strict=True)))

    def descendants(self) -> list[int]:
        """Every process that the service started, and that those started."""
        found, known = [self.process.pid], 0
        while known < len(found):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                for task in Path(f"/proc/{found[known]}/task").glob("*/children"):
                    found += map(int, task.read_text().split())
            known += 1
        return found[1:]

    def children(self, mark: bytes, pid: int | None = None) -> list[int]:
        """Child processes with ``mark`` in their command line."""
        pid = pid or self.process.pid
        found = (Path(f"/proc/{pid}/task") / str(pid) / "children").read_text().split()
        return [int(child) for child in found if mark in _command_line(child)]


def _command_line(pid: str) -> bytes:
    """That of the process ``pid``; empty if it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def figure_in(page: str, name: str, of: str | None = None) -> float:
    """The figure ``name`` of the set ``of`` on a page of figures; -1 where there is none."""
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == f"riffengine_{name}" and sample.labels.get("set") == of:
                return float(sample.value)
    return -1.0


@pytest.fixture
def sets(tmp_path: Path) -> Iterator[TwoSets]:
    if not sys.platform.startswith("linux"):
        pytest.skip("children are found in /proc")
    sets = TwoSets(tmp_path)
    yield sets
    if sets.process.poll() is None:
        sets.process.terminate()
        try:
            sets.process.wait(PATIENCE_SECONDS)
        finally:
            sets.process.kill()


@pytest.mark.wire
@pytest.mark.timeout(600)
def test_everything_ends_with_a_service_that_is_killed_while_its_sets_play(sets: TwoSets) -> None:
    sets.play_on("one", "two")  # their players do, while the renderer still loads its model
    sets.wait(lambda: len(sets.descendants()) >= 7)  # a renderer; each set, its player and the player that waits
    left = sets.descendants()
    sets.process.kill()
    sets.process.wait()
    deadline = time.perf_counter() + END_SECONDS
    while (left := [pid for pid in left if runs(pid)]) and time.perf_counter() < deadline:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
    assert not list(SHM_FOLDER.glob(f"riffengine-{sets.process.pid}-*"))


def runs(pid: int) -> bool:
    """Whether the process runs and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.wire
@pytest.mark.timeout(600)
def test_two_sets_play_from_one_pool_and_outlive_the_death_of_a_set_and_of_the_renderer(sets: TwoSets) -> None:
    sets.wait(lambda: sets.health().get("ready") is True)
    sets.wait(lambda: all(sets.figure("sounding", name) == 1.0 for name in ("one", "two")))
    assert sets.figure("pool_delivered_total", "") >= 2

    (one,), (two,), (renderer,) = (sets.children(mark) for mark in (b"one.yaml", b"two.yaml", b"spawn_main"))
    os.kill(renderer, signal.SIGKILL)
    os.kill(one, signal.SIGKILL)
    sets.play_on("two")
    sets.wait(lambda: sets.health().get("deaths") == {"one": 1, "two": 0})
    sets.wait(lambda: sets.health().get("ready") is True)
    sets.wait(lambda: sets.figure("pool_members", "") == 1.0 and renderer not in sets.children(b"spawn_main"))
    sets.play_on("one", "two")
    assert sets.health()["deaths"] == {"one": 1, "two": 0}
    assert [sets.figure("player_deaths_total", name) for name in ("one", "two")] == [0.0, 0.0]

    (one,) = sets.children(b"one.yaml")
    ours = [one, two, sets.process.pid]
    sets.process.terminate()
    assert sets.process.wait(PATIENCE_SECONDS) == 0
    assert not [pid for pid in ours if Path(f"/proc/{pid}").exists()]
    assert not [path for pid in ours for path in SHM_FOLDER.glob(f"riffengine-{pid}-*")]
