"""Actors of a Ray cluster that is really started here: half a minute and 1 GB, so only by ``pytest -m cluster``."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from riffengine.pool.options import RayOptions
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import Delivery, PoolReport
from tests.pool.pool_process import Pool, render
from tools.bench.pool_deaths import actors, descendants

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs riffengine[cluster]"),
]


def test_actors_make_the_loops_of_a_member_here_also_when_one_is_killed_and_end_with_their_pool(
    pool_of: Callable[..., Pool], store: LoopStore
) -> None:
    alone = Pool(store, 1, "scripted?ms=1000")
    alone.with_seats(1)
    for job in (1, 2, 3):
        alone.process.send(render(job))
    here = {job: alone.samples(answer) for job, answer in alone.answers(1, 2, 3).items()}
    alone.process.stop()
    pool = pool_of(0, "scripted?ms=1000", ray=RayOptions("local", 2, 2))
    pool.with_seats(2)
    for job in (1, 2, 3):
        pool.process.send(render(job))
    pool.report(lambda report: report.busy == 2)
    pid = pool.process.pid
    assert pid is not None
    there = actors(pid)
    assert len(there) == 2
    os.kill(there[0], signal.SIGKILL)
    answers = pool.answers(1, 2, 3)
    assert all(isinstance(answer, Delivery) for answer in answers.values()), answers
    assert all(np.array_equal(pool.samples(answers[job]), here[job]) for job in here)
    pool.with_seats(2)
    report = pool.report(lambda report: report.delivered == 3 and report.members == 2)
    assert (report.lost, report.retries, report.disagreements) == (1, 1, 0)
    there = actors(pid)
    left = {*there, *(child for actor in there for child in descendants(actor))}
    assert (len(there), len(left)) == (2, 6), "each has a renderer and a resource tracker"
    pool.process.kill()
    assert pool.process.join(60.0)
    for _ in range(1200):  # two minutes for a machine that does much else
        left = {each for each in left if (Path("/proc") / str(each)).exists() and not _ended(each)}
        if not left:
            return
        signal.sigtimedwait([], 0.1)
    raise AssertionError(f"these outlived their pool: {left}")


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_a_short_runway_has_another_actor_made(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(0, "scripted?ms=3000", ray=RayOptions("local", 1, 2))
    pool.with_seats(1)
    job = render(1)
    pool.process.send(type(job)(1, job.request, 1, 2.0, "", 2.0))
    pool.with_seats(2)
    report = pool.report(lambda report: report.members == 2)
    assert isinstance(report, PoolReport) and report.wanted == 2
    assert isinstance(pool.answers(1)[1], Delivery)
