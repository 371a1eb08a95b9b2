"""The Conductor when renders are late, fail, hang or die, and when slots are few."""

import itertools
from dataclasses import replace

import pytest

from riffengine.errors import LoopStoreError
from riffengine.processes.player_messages import LaunchBank
from riffengine.processes.render_messages import Alive, Delivery, Failed, RenderCost, SeatsChanged
from riffengine.scheduler.actions import (
    ChangeLanded,
    DeckLanded,
    Log,
    RenderGivenUp,
    RestartRenderer,
)
from tests.scheduler.simulation import READY, SchedulerSimulation, actions_of


def test_a_late_render_moves_the_landing_and_says_so():
    sim = SchedulerSimulation().run_to(8100)
    sim.render_seconds = 5.0
    reply = sim.send("deck/a/prompt", "techno", source="osc:1")
    assert reply.landing.beat == 20.0
    sim.run_to(20000)
    launch = sim.sent(LaunchBank)[1]
    assert launch.at_frame == 14000  # ready at 13100, the next bar
    assert sim.announced[-1].landing.beat == 28.0
    assert sim.announced[-1].source == "osc:1"
    assert all(a.landing.moved and a.landing.path == "deck/a/prompt" for a in sim.announced)
    assert [a.landing.beat for a in sim.announced] == sorted({a.landing.beat for a in sim.announced})


@pytest.mark.parametrize(("path", "value"), [("transport/tempo", 140.0), ("deck/a/prompt", "techno")])
def test_while_no_renderer_is_there_a_landing_is_put_off_once_and_told_again_when_it_is_known(path, value):
    sim = SchedulerSimulation(decks=("a", "b")).run_to(8100)
    sim.running = None
    sim.do(sim.conductor.renderer_lost(sim.frame))
    reply = sim.send(path, value, source="osc:1")
    assert reply.landing.seconds > 8.0  # what a start is reckoned with
    sim.run_to(60000)
    assert [a.landing.path for a in sim.announced] == [path]
    sim.do(sim.conductor.renderer_ready(sim.frame, READY))
    sim.run_to(80000)
    put_off, known = sim.announced
    assert put_off.landing.beat > reply.landing.beat
    landed = max(actions_of(sim, DeckLanded)[-1].beat, actions_of(sim, DeckLanded)[-2].beat if path[0] == "t" else 0.0)
    assert known.landing.beat == pytest.approx(landed)
    assert known.source == "osc:1"


@pytest.mark.parametrize(("path", "value"), [("transport/tempo", 140.0), ("deck/a/prompt", "techno")])
def test_while_a_pool_has_no_renderer_a_landing_is_put_off_once_and_told_again_when_it_is_known(path, value):
    sim = SchedulerSimulation(decks=("a", "b")).run_to(60000)
    assert sim.running is None
    landed, slow, sim.render_seconds = len(actions_of(sim, DeckLanded)), sim.status().draft_p95_seconds, 30.4
    sim.do(sim.conductor.seats_changed(sim.frame, SeatsChanged(0, "the last renderer has gone")))
    reply = sim.send(path, value, source="osc:1")
    assert reply.landing.seconds > 8.0  # what a start is reckoned with
    for _ in range(30):  # fifteen bars
        sim.run_to(sim.frame + 1000)
        sim.do(sim.conductor.renderer_alive(sim.frame, Alive(sim.running.job, 0.0, 0, queued=True)))
    assert [a.landing.path for a in sim.announced] == [path]
    sim.render_seconds = 0.4
    sim.do(sim.conductor.seats_changed(sim.frame, SeatsChanged(1, "one is back")))
    sim.run_to(sim.frame + 20000)
    put_off, known = sim.announced
    assert put_off.landing.beat > reply.landing.beat
    assert known.source == "osc:1"
    assert known.landing.beat == pytest.approx(actions_of(sim, DeckLanded)[landed].beat)
    assert sim.status().draft_p95_seconds <= slow, "the time without a renderer makes no loop slow"


def test_a_failing_render_is_retried_three_times_with_growing_pauses_and_then_given_up():
    sim = SchedulerSimulation().run_to(20000)
    sim.fail = lambda request: request.start.prompt == "bad"
    sim.send("deck/a/prompt", "bad")
    sim.run_to(40000)
    tries = [f for f, r in sim.renders if r.start.prompt == "bad"]
    assert len(tries) == 4
    pauses = [b - a for a, b in itertools.pairwise(tries)]
    assert pauses == sorted(set(pauses))
    assert actions_of(sim, RenderGivenUp)
    reply = sim.send("deck/a/prompt", "good")
    sim.run_to(50000)
    assert sim.sent(LaunchBank)[-1].at_frame == round(reply.landing.beat * 500)


def test_a_file_that_is_no_sound_is_not_tried_again():
    sim = SchedulerSimulation(deck__a__init="bad.wav", deck__a__strength=0.5)
    job = sim.running
    sim.running = None
    actions = sim.do(sim.conductor.failed(10, Failed(job.job, "bad.wav cannot be read", hopeless=True)))
    sim.run_to(20000)
    assert len(sim.renders) == 1
    text = next(a.text for a in actions if isinstance(a, RenderGivenUp))
    assert text == "deck a: bad.wav cannot be read; nothing can play until you change init"
    sim.send("deck/a/init", "")
    sim.run_to(22000)
    assert len(sim.sent(LaunchBank)) == 1


@pytest.mark.parametrize("gap", [0, 1, 40, 120])
def test_what_is_asked_for_while_a_loop_fails_for_good_is_heard_all_the_same(gap):
    sim = SchedulerSimulation().run_to(60000)
    assert sim.running is None
    sim.render_seconds = 1.0
    sim.send("deck/a/prompt", "bad", source="osc:1")
    sim.run_to(sim.frame + 100)
    bad = sim.running
    assert bad.request.start.prompt == "bad"
    sim.send("deck/a/prompt", "techno", source="osc:1")
    sim.send("deck/a/seed", 7, source="osc:2")
    sim.run_to(sim.frame + gap)
    assert sim.running is bad
    sim.running = None
    sim.do(sim.conductor.failed(sim.frame, Failed(bad.job, "bad cannot be rendered", hopeless=True)))
    sim.run_to(sim.frame + 20000)
    landed = actions_of(sim, DeckLanded)[-1]
    assert (landed.prompt, landed.seed) == ("techno", 7)
    sources = {(change.path, change.source) for change in actions_of(sim, ChangeLanded)}
    assert sources >= {("deck/a/prompt", "osc:1"), ("deck/a/seed", "osc:2")}


def test_a_renderer_that_hangs_is_ended_once():
    sim = SchedulerSimulation().run_to(20000)
    sim.render_seconds = 1e6
    sim.send("deck/a/prompt", "techno")
    sim.run_to(39000)
    assert not [a for _, a in sim.actions if isinstance(a, RestartRenderer)]
    sim.run_to(90000)
    restarts = [(frame, a) for frame, a in sim.actions if isinstance(a, RestartRenderer)]
    assert [frame for frame, _ in restarts] == [40000]
    sim.running = None
    sim.do(sim.conductor.renderer_lost(sim.frame))
    sim.render_seconds = 0.4
    sim.do(sim.conductor.renderer_ready(sim.frame, READY))
    sim.run_to(100000)
    assert actions_of(sim, DeckLanded)[-1].prompt == "techno"


class Starved:
    """A renderer with one loop in hand that is never finished, and what it says of itself every second."""

    def __init__(self):
        self.sim = SchedulerSimulation().run_to(20000)
        self.sim.render_seconds = 1e6
        self.sim.send("deck/a/prompt", "techno")
        self.job = self.sim.running.job
        self.worked_seconds, self.steps = 0.0, 0

    def goes_on(self, seconds, share, steps_a_second=0.0, queued=False):
        """It has ``share`` of a processor, or is ``queued``."""
        for _ in range(seconds):
            self.sim.run_to(self.sim.frame + 1000)
            self.worked_seconds, self.steps = self.worked_seconds + share, self.steps + steps_a_second
            sign = Alive(self.job, self.worked_seconds, int(self.steps), queued)
            self.sim.do(self.sim.conductor.renderer_alive(self.sim.frame, sign))

    @property
    def ended(self):
        """When it was ended, as often as that was asked."""
        return [frame for frame, action in self.sim.actions if isinstance(action, RestartRenderer)]


def test_a_renderer_that_is_starved_by_others_is_waited_for_until_it_does_nothing():
    starved = Starved()
    starved.goes_on(350, share=0.05)  # 17.5 s of the processor
    assert starved.ended == []
    starved.goes_on(19, share=0.0001)  # a process that waits for what never comes: only its signs of life cost anything
    assert starved.ended == []
    starved.goes_on(60, share=0.0001)
    assert starved.ended == [20000 + 350_000 + 20_000]


def test_a_renderer_that_runs_in_a_circle_is_ended_however_busy_it_is():
    starved = Starved()
    starved.goes_on(19, share=1.0)
    assert starved.ended == []
    starved.goes_on(60, share=1.0)
    assert starved.ended == [40000]


def test_a_renderer_that_comes_a_step_further_is_never_ended():
    starved = Starved()
    starved.goes_on(600, share=1.0, steps_a_second=1 / 15)
    assert starved.ended == []
    starved.goes_on(60, share=1.0)
    assert len(starved.ended) == 1


def test_the_time_in_which_a_job_waits_for_a_seat_of_a_pool_is_no_hanging():
    starved = Starved()
    starved.goes_on(300, share=0.0, queued=True)
    starved.goes_on(19, share=0.0)
    assert starved.ended == []
    starved.goes_on(60, share=0.0)
    assert starved.ended == [20000 + 300_000 + 20_000]


def test_a_renderer_that_runs_in_a_circle_with_half_a_processor_is_ended_after_as_much_of_it():
    starved = Starved()
    starved.goes_on(39, share=0.5)
    assert starved.ended == []
    starved.goes_on(2, share=0.5)
    assert starved.ended == [60000]


def test_a_renderer_that_stood_still_with_the_whole_set_is_not_taken_for_one_that_hangs():
    starved = Starved()
    starved.goes_on(3, share=1.0)
    sim = starved.sim
    sim.frame += 3_600_000  # an hour in which nobody looked: the machine was suspended, or the set stopped
    sim.do(sim.conductor.tick(sim.frame))
    assert starved.ended == []
    sim.run_to(sim.frame + 19_000)
    assert starved.ended == []
    sim.run_to(sim.frame + 2_000)
    assert len(starved.ended) == 1


def test_a_sign_of_life_from_a_job_that_is_done_changes_nothing():
    sim = SchedulerSimulation().run_to(20000)
    before = sim.status()
    assert sim.conductor.renderer_alive(sim.frame, Alive(1, 1000.0, 0)) == []
    assert sim.status() == before


def test_a_loop_given_up_because_renderers_die_over_it_is_told():
    sim = SchedulerSimulation().run_to(20000)
    sim.send("deck/a/prompt", "techno")
    for _ in range(5):
        sim.running = None
        sim.do(sim.conductor.renderer_lost(sim.frame))
        sim.do(sim.conductor.renderer_ready(sim.frame, READY))
    assert len(actions_of(sim, RenderGivenUp)) == 1


def test_when_the_renderer_dies_its_slots_come_back_and_the_job_is_sent_again():
    sim = SchedulerSimulation().run_to(20000)
    sim.send("deck/a/prompt", "techno")
    sim.run_to(20100)
    free = sim.status().slots_free
    assert sim.running is not None
    sim.running = None
    sim.do(sim.conductor.renderer_lost(sim.frame))
    assert sim.status().slots_free == free + 1
    sim.run_to(25000)
    assert len(sim.sent(LaunchBank)) == 1
    sim.do(sim.conductor.renderer_ready(sim.frame, READY))
    assert sim.renders[-1][1].start.prompt == "techno"
    sim.run_to(30000)
    assert len(sim.sent(LaunchBank)) == 2


def test_a_delivery_from_a_dead_renderer_is_not_used():
    sim = SchedulerSimulation().run_to(100)
    job = sim.running
    sim.running = None
    sim.do(sim.conductor.renderer_lost(sim.frame))
    delivery = Delivery(job.job, job.slot, job.request, 4000, 1, ("mix",), -14.0, 0.3, RenderCost())
    actions = sim.conductor.delivered(sim.frame, delivery)
    assert [a.kind for a in actions if isinstance(a, Log)] == ["stray delivery"]
    assert sim.sent(LaunchBank) == []


def test_few_slots_are_shared_out_and_never_block_a_change():
    sim = SchedulerSimulation(slots=7).run_to(20000)
    for change in range(30):
        reply = sim.send("deck/a/seed", 100 + change)
        sim.run_to(sim.frame + 4000)
        assert sim.sent(LaunchBank)[-1].at_frame == round(reply.landing.beat * 500)
    assert sim.status().slots_free >= 1


def test_too_few_slots_are_refused_with_the_number_that_is_enough():
    with pytest.raises(LoopStoreError, match="use 14 or more"):
        SchedulerSimulation(decks=("a", "b"), slots=13)


def test_a_failed_loop_is_tried_again_though_the_beat_jumps_back():
    sim = SchedulerSimulation().run_to(60_000)  # beat 120
    sim.fail = lambda request: request.start.prompt == "dub"
    sim.send("deck/a/prompt", "dub")
    sim.run_to(60_600)
    assert [request.start.prompt for _, request in sim.renders][-1] == "dub"
    assert sim.status().jobs_failed == 1
    sim.fail = lambda request: False
    jumped = replace(sim.conductor.grid, anchor_frame=60_700, anchor_beat=0.0)
    sim.do(sim.conductor.tempo.follow(jumped, True, sim.frame))
    sim.run_to(66_000)
    assert sim.conductor.scheduler.decks["a"].sounding.key.start.prompt == "dub"


def test_a_silent_deck_joins_though_those_that_sound_have_given_up_the_new_tempo():
    """It waited for them to bring the tempo, and they never would."""
    sim = SchedulerSimulation(decks=("a", "b"), deck__b__seed=9, deck__b__to_seed=10)
    sim.fail = lambda request: request.start.prompt != "dub" and (request.start.seed == 9 or request.bpm == 100.0)
    sim.run_to(60000)
    sim.send("transport/tempo", 100.0)
    sim.run_to(160000)
    a, b = sim.conductor.scheduler.decks.values()
    assert a.gave_up and a.current is not None and b.current is None
    assert sim.conductor.grid.bpm == 120.0
    sim.send("deck/b/prompt", "dub")
    sim.run_to(200000)
    assert b.settled and a.current.key.bpm == 120.0
    assert sim.conductor.grid.bpm == 100.0  # what was asked for; what deck a keeps is read on it
    sim.fail = lambda request: False
    sim.send("deck/a/prompt", "jungle")
    sim.run_to(240000)
    assert a.settled and a.current.key.bpm == 100.0


def test_a_silent_deck_waits_for_those_that_will_bring_the_new_tempo():
    sim = SchedulerSimulation(decks=("a", "b"), deck__b__seed=9, deck__b__to_seed=10)
    sim.fail = lambda request: request.start.prompt != "dub" and (request.start.seed == 9 or request.bpm == 100.0)
    sim.run_to(60000)
    sim.send("transport/tempo", 100.0)
    sim.send("deck/b/prompt", "dub")
    sim.run_to(61500)  # deck a has not been tried often enough
    a, b = sim.conductor.scheduler.decks.values()
    assert not a.gave_up and b.current is None and sim.conductor.grid.bpm == 120.0
