"""A pool of real processes: the same loops as one renderer makes, in spite of deaths, silence and disagreement."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from riffengine.pool.options import PoolOptions
from riffengine.pool.process import PoolProcess
from riffengine.processes.audio import Samples
from riffengine.processes.loop_store import SHM_FOLDER, LoopStore
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Delivery,
    Failed,
    FromRenderer,
    PoolReport,
    Ready,
    Render,
    SeatsChanged,
)
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.process import RendererOptions
from tools.bench.scripted_member import scripted_main

SLOTS, FLOATS = 8, 2 * 44100 * 4
PATIENCE_SECONDS = 120.0


class Pool:
    """A pool process and everything it has said."""

    def __init__(self, store: LoopStore, renderers: int, model: str, disk: str = "") -> None:
        options = RendererOptions(store.name, store.slots, store.slot_floats, model)
        self.store = store
        self.process = PoolProcess(PoolOptions(options, renderers, disk=disk, main=scripted_main))
        self.said: list[FromRenderer] = []
        self.process.start()

    def until(self, met: Callable[[list[FromRenderer]], bool]) -> list[FromRenderer]:
        """Wait until ``met`` of everything that was said; fails after two minutes of silence."""
        while not met(self.said):
            assert select.select([self.process.fileno()], [], [], PATIENCE_SECONDS)[0], f"silence after {self.said}"
            received, connected = self.process.receive()
            self.said += received
            assert received or connected, f"the pool has ended after {self.said}"
        return self.said

    def with_seats(self, seats: int) -> None:
        def met(said: list[FromRenderer]) -> bool:
            told = [message.seats for message in said if isinstance(message, Ready | SeatsChanged)]
            return bool(told) and told[-1] == seats

        self.until(met)

    def answers(self, *jobs: int) -> dict[int, FromRenderer]:
        """The final answers to ``jobs``."""

        def found(said: list[FromRenderer]) -> dict[int, FromRenderer]:
            return {m.job: m for m in said if isinstance(m, Delivery | Failed | Cancelled) and m.job in jobs}

        return found(self.until(lambda said: len(found(said)) == len(jobs)))

    def samples(self, answer: FromRenderer) -> Samples:
        assert isinstance(answer, Delivery), answer
        return self.store.view(answer.slot, 1, answer.frames, 1).copy()

    def report(self, met: Callable[[PoolReport], bool]) -> PoolReport:
        reports = self.until(lambda said: any(isinstance(m, PoolReport) and met(m) for m in said))
        return next(m for m in reversed(reports) if isinstance(m, PoolReport) and met(m))

    def members(self) -> list[int]:
        """The process ids of the members that run."""
        pid = self.process.pid
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.fixture
def store() -> Iterator[LoopStore]:
    store = LoopStore.create(SLOTS, FLOATS)
    yield store
    store.close()


@pytest.fixture
def pool_of(store: LoopStore) -> Iterator[Callable[..., Pool]]:
    pools: list[Pool] = []

    def make(renderers: int, model: str = "scripted", disk: str = "") -> Pool:
        pools.append(Pool(store, renderers, model, disk))
        return pools[-1]

    yield make
    for pool in pools:
        pool.process.stop()


def render(job: int, seed: int = 0, slot: int | None = None, seconds_left: float | None = None) -> Render:
    end = MorphEnd("techno", seed or job)
    request = RenderRequest(end, end, bpm=180.0)
    return Render(job, request, job % SLOTS if slot is None else slot, seconds_left)


def test_a_pool_makes_the_loops_that_one_member_makes_and_each_once(
    pool_of: Callable[..., Pool], tmp_path: Path
) -> None:
    one = pool_of(1)
    one.with_seats(1)
    for job in (1, 2, 3):
        one.process.send(render(job))
    alone = {job: one.samples(answer) for job, answer in one.answers(1, 2, 3).items()}
    two = pool_of(2, disk=str(tmp_path))
    two.with_seats(2)
    for job in (1, 2, 3):
        two.process.send(render(job, slot=job + 3))
    together = {job: two.samples(answer) for job, answer in two.answers(1, 2, 3).items()}
    assert all(np.array_equal(alone[job], together[job]) for job in (1, 2, 3))
    two.process.send(render(4, seed=2, slot=7))
    assert np.array_equal(two.samples(two.answers(4)[4]), alone[2])
    report = two.report(lambda report: report.hits == 1)
    assert (report.delivered, report.members, report.disagreements) == (3, 2, 0)
    two.process.stop()
    assert len(list(tmp_path.glob("*.flac"))) == 3
    again = pool_of(1, disk=str(tmp_path))
    again.with_seats(1)
    again.process.send(render(1))
    assert np.abs(again.samples(again.answers(1)[1]) - alone[1]).max() <= 6e-8
    assert again.report(lambda report: report.hits == 1).delivered == 0


def test_a_member_killed_within_a_job_costs_a_retry_and_comes_back(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(2, "scripted?ms=2000")
    pool.with_seats(2)
    pool.process.send(render(1))
    pool.process.send(render(2))
    pool.report(lambda report: report.busy == 2)
    os.kill(pool.members()[0], signal.SIGKILL)
    assert all(isinstance(answer, Delivery) for answer in pool.answers(1, 2).values())
    pool.with_seats(2)
    report = pool.report(lambda report: report.delivered == 2)
    assert (report.lost, report.retries) == (1, 1)


def test_a_stopped_member_is_passed_over(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(2, "scripted?ms=300")
    pool.with_seats(2)
    stopped = pool.members()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        for job in (1, 2):
            pool.process.send(render(job))
        assert all(isinstance(answer, Delivery) for answer in pool.answers(1, 2).values())
    finally:
        os.kill(stopped, signal.SIGCONT)
    report = pool.report(lambda report: report.busy == 0 and report.delivered == 2)
    assert report.silences == 1 and report.lost == 0


def test_of_two_answers_that_differ_the_first_is_played_and_the_other_counted(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(2, "scripted?ms=100&differ=1")
    pool.with_seats(2)
    stopped = pool.members()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        for job in (1, 2):
            pool.process.send(render(job))
        first = {job: pool.samples(answer) for job, answer in pool.answers(1, 2).items()}
    finally:
        os.kill(stopped, signal.SIGCONT)
    for job in (3, 4):
        pool.process.send(render(job, seed=job - 2))
    assert all(np.array_equal(pool.samples(answer), first[job - 2]) for job, answer in pool.answers(3, 4).items())


def test_what_no_member_can_render_is_told_and_a_cancelled_job_is_answered(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(2, "scripted?ms=200&fail=7&die=9")
    pool.with_seats(2)
    for seed in (7, 9):
        pool.process.send(render(seed, seed))
    answers = pool.answers(7, 9)
    assert answers[7] == Failed(7, "RendererError: scripted failure")
    assert isinstance(answers[9], Failed) and "crashed" in answers[9].reason
    pool.process.send(render(3))
    pool.process.send(Cancel(3))
    assert pool.answers(3)[3] == Cancelled(3)
    assert not [message for message in pool.said if isinstance(message, Alive) and message.job == 3]


def test_a_pool_that_was_killed_leaves_no_shared_memory_to_the_next(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(2)
    pool.with_seats(2)
    pid = pool.process.pid
    assert len(list(SHM_FOLDER.glob(f"riffengine-{pid}-*"))) == 2
    pool.process.kill()
    assert pool.process.join(PATIENCE_SECONDS)
    pool.said.clear()
    pool.process.start()
    pool.with_seats(2)
    assert not list(SHM_FOLDER.glob(f"riffengine-{pid}-*"))


def test_the_members_end_with_their_pool(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(2)
    pool.with_seats(2)
    members = pool.members()
    assert len(members) == 2
    pool.process.kill()
    assert pool.process.join(PATIENCE_SECONDS)
    for member in members:
        descriptor = None
        try:
            descriptor = os.pidfd_open(member)
        except ProcessLookupError:
            continue
        assert select.select([descriptor], [], [], PATIENCE_SECONDS)[0], "a member outlived its pool"
        os.close(descriptor)
