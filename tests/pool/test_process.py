"""A pool of real processes: the same loops as one renderer makes, in spite of deaths, silence and disagreement."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np

from riffengine.processes.loop_store import SHM_FOLDER
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Delivery,
    Failed,
)
from tests.pool.pool_process import PATIENCE_SECONDS, Pool, render


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
