"""Heartbeat: reports during a job, none between jobs."""

import queue

from riffengine.processes.render_messages import Alive
from riffengine.renderer.heartbeat import Heartbeat


def test_a_job_reports_its_cost_and_progress_until_it_is_done() -> None:
    sent: queue.SimpleQueue[Alive] = queue.SimpleQueue()
    cpu_seconds = 100.0
    heartbeat = Heartbeat(sent.put, lambda: cpu_seconds, interval_seconds=0.001)
    with heartbeat.during(7):
        assert sent.get() == Alive(7, 0.0, 0)
        cpu_seconds = 102.5
        heartbeat.count_step()
        heartbeat.count_step()
        while (alive := sent.get()).worked_seconds == 0.0 or alive.steps < 2:
            assert alive.steps <= 2
        assert alive == Alive(7, 2.5, 2)
    while not sent.empty():
        assert sent.get() == Alive(7, 2.5, 2)
    with heartbeat.during(8):
        assert sent.get() in (Alive(7, 2.5, 2), Alive(8, 0.0, 0))  # the last report of job 7 may come late


def test_the_thread_ends_when_the_engine_has_ended() -> None:
    attempts: queue.SimpleQueue[Alive] = queue.SimpleQueue()

    def broken_pipe(message: Alive) -> None:
        attempts.put(message)
        raise BrokenPipeError

    heartbeat = Heartbeat(broken_pipe, lambda: 0.0, interval_seconds=0.001)
    with heartbeat.during(1):
        attempts.get()
        heartbeat.join()
    assert attempts.empty()
