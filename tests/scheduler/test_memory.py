"""Memory: thousands of gestures leave no more behind than hundreds."""

import gc

from riffengine.processes.render_request import RenderRequest
from riffengine.scheduler.morph_bank import IDS_KEPT
from tests.scheduler.simulation import SchedulerSimulation


def _requests() -> int:
    gc.collect()
    return sum(type(each) is RenderRequest for each in gc.get_objects())


def test_changes_of_the_prompt_leave_a_bounded_number_of_requests() -> None:
    others = _requests()  # of tests that ran before in this process
    sim = SchedulerSimulation().run_to(10 * 48000)
    counts = []
    for number in range(3000):
        sim.send("deck/a/seed", number)
        sim.run_to(sim.frame + 480)
        for kept in (sim.renders, sim.actions):  # the simulation's own notes
            kept.clear()
        if number % 1000 == 999:
            counts.append(_requests())
    assert counts[2] < counts[0] + 200
    assert counts[2] - others < 4 * IDS_KEPT
