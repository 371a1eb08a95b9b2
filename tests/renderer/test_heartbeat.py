"""Signs of life while a job is in hand, and none between jobs."""

import queue

from riffengine.processes.render_messages import Alive
from riffengine.renderer.heartbeat import Heartbeat


def test_a_job_tells_what_it_costs_and_how_far_it_is_until_it_is_done() -> None:
    told: queue.SimpleQueue[Alive] = queue.SimpleQueue()
    worked = 100.0
    signs = Heartbeat(told.put, lambda: worked, every_seconds=0.001)
    with signs.of(7):
        assert told.get() == Alive(7, 0.0, 0)
        worked = 102.5
        signs.stepped()
        signs.stepped()
        while (sign := told.get()).worked_seconds == 0.0 or sign.steps < 2:
            assert sign.steps <= 2
        assert sign == Alive(7, 2.5, 2)
    while not told.empty():
        assert told.get() == Alive(7, 2.5, 2)
    with signs.of(8):
        assert told.get() in (Alive(7, 2.5, 2), Alive(8, 0.0, 0))  # the last of one that is done may still come


def test_it_ends_when_nobody_listens_any_more() -> None:
    asked: queue.SimpleQueue[Alive] = queue.SimpleQueue()

    def hung_up(sign: Alive) -> None:
        asked.put(sign)
        raise BrokenPipeError

    signs = Heartbeat(hung_up, lambda: 0.0, every_seconds=0.001)
    with signs.of(1):
        asked.get()
        signs.join()
    assert asked.empty()
