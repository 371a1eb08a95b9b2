"""What was given up once is tried again when it is asked for again, and nobody waits for a loop that is not tried."""

from collections import Counter
from dataclasses import replace

import pytest

from riffengine.performance.command import Command
from riffengine.processes.render_messages import Failed
from riffengine.scheduler.actions import DeckLanded, RenderGivenUp
from riffengine.scheduler.morph_bank import BankKey
from riffengine.scheduler.render_plan import PlannedRender, Purpose
from riffengine.scheduler.scene_player import ScenePlayer
from tests.scheduler.simulation import READY, SchedulerSimulation, actions_of


def fails(request):
    return request.start.prompt == "two"


def well(request):
    return False


def lose_renderer(sim):
    sim.running = None
    sim.do(sim.conductor.renderer_lost(sim.frame))
    sim.do(sim.conductor.renderer_ready(sim.frame, READY))


class Set:
    """A set with scenes and undo whose deck a sounds "one" and has given up "two"."""

    def __init__(self, killed=False):
        self.sim = SchedulerSimulation().run_to(20000)
        self.scenes = ScenePlayer(self.sim.conductor)
        self.do("deck/a/prompt", "one")
        self.do("scene/store", "one")
        self.later(10000)
        self.do("deck/a/prompt", "two")
        self.do("scene/store", "two")
        if killed:
            for _ in range(5):
                lose_renderer(self.sim)
        else:
            self.sim.fail = fails
            self.later(20000)
            self.sim.fail = well
        assert len(actions_of(self.sim, RenderGivenUp)) == 1

    def do(self, path, value):
        reply, actions = self.scenes.submit(Command(path, value, "osc:1"), self.sim.frame)
        self.sim.do(actions)
        return reply

    def later(self, frames):
        self.sim.run_to(self.sim.frame + frames)

    def assert_lands(self, reply):
        self.later(20000)
        landed = actions_of(self.sim, DeckLanded)[-1]
        assert (landed.prompt, landed.beat) == ("two", reply.landing.beat)
        assert not [a for a in self.sim.announced if a.landing.beat >= reply.landing.beat]


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("between", [20000, 0])
def test_a_prompt_that_was_given_up_lands_when_it_is_typed_again(killed, between):
    played = Set(killed)
    played.do("deck/a/prompt", "one")
    played.later(between)
    played.assert_lands(played.do("deck/a/prompt", "two"))


@pytest.mark.parametrize("killed", [False, True])
def test_a_scene_that_was_given_up_lands_when_it_is_recalled(killed):
    played = Set(killed)
    played.do("scene/recall", "one")
    played.later(20000)
    played.assert_lands(played.do("scene/recall", "two"))


def test_what_was_given_up_lands_when_an_undo_brings_it_back():
    played = Set()
    played.do("deck/a/prompt", "three")
    played.later(20000)
    played.assert_lands(played.do("undo", True))


def test_what_still_fails_is_given_up_again_and_told_again():
    played = Set()
    sim = played.sim
    sim.fail = fails
    played.do("deck/a/prompt", "one")
    played.later(20000)
    before = len(sim.renders)
    played.do("deck/a/prompt", "two")
    played.later(60000)
    assert sum(request.start.prompt == "two" for _, request in sim.renders[before:]) == 4
    assert len(actions_of(sim, RenderGivenUp)) == 2
    assert sim.conductor.scheduler.decks["a"].gave_up


def test_a_tempo_that_was_given_up_rules_when_it_is_asked_for_again():
    sim = SchedulerSimulation(decks=("a", "b")).run_to(20000)
    sim.fail = lambda request: request.bpm == 140.0
    sim.send("transport/tempo", 140.0)
    sim.run_to(80000)
    assert sim.conductor.grid.bpm == 120.0
    sim.send("transport/tempo", 120.0)
    sim.fail = well
    sim.run_to(100000)
    sim.send("transport/tempo", 140.0)
    sim.run_to(120000)
    assert sim.conductor.grid.bpm == 140.0
    assert all(deck.settled for deck in sim.conductor.scheduler.decks.values())


def test_a_drift_goes_on_in_a_bank_whose_end_was_given_up_before():
    sim = SchedulerSimulation(deck__a__drift=0.25).run_to(20000)
    sim.fail = lambda request: request.start.prompt == "bad"
    sim.send("deck/a/prompt", "bad")
    sim.run_to(60000)
    failed = next(request for _, request in sim.renders if request.start.prompt == "bad")
    sim.send("deck/a/prompt", "good")
    sim.run_to(90000)
    sim.fail = well
    values = {"prompt": "bad", "seed": failed.start.seed, "to_seed": failed.end.seed}
    commands = [Command(f"deck/a/{name}", value, "osc:1") for name, value in values.items()]
    sim.do(sim.conductor.submit_all(commands, sim.frame, as_one=True)[1])
    sim.run_to(sim.frame + 50000)
    assert actions_of(sim, DeckLanded)[-1].seed > failed.start.seed, "it has rolled over"


def test_a_drift_through_seeds_that_fail_tries_each_a_few_times_with_pauses():
    sim = SchedulerSimulation(deck__a__drift=1.0, render_seconds=0.05, deck__a__seed=0, deck__a__to_seed=1)
    sim.fail = lambda request: request.start.seed != 0 or request.alpha > 0.0
    sim.run_to(200_000)  # four hundred beats
    tries = Counter((request.start.seed, request.end.seed, request.alpha, request.steps) for _, request in sim.renders)
    assert max(tries.values()) <= 8
    assert len(sim.renders) < 400
    assert sim.conductor.state["deck/a/to_seed"] > 5


def test_two_decks_that_wait_for_the_same_loop_both_give_it_up():
    sim = SchedulerSimulation(
        decks=("a", "b"), deck__b__seed=0, deck__b__to_seed=1, deck__a__seed=0, deck__a__to_seed=1
    )
    sim.run_to(20000)
    sim.fail = fails
    sim.send("deck/a/prompt", "two", source="osc:1")
    sim.send("deck/b/prompt", "two", source="osc:2")
    sim.run_to(60000)
    assert {action.deck for action in actions_of(sim, RenderGivenUp)} == {"a", "b"}
    assert all(deck.gave_up and not deck.promises for deck in sim.conductor.scheduler.decks.values())


def test_a_loop_that_another_bank_has_too_is_given_up_for_the_bank_that_is_wanted_now():
    sim = SchedulerSimulation().run_to(60000)
    sim.render_seconds = 1.0
    sim.send("deck/a/prompt", "two")
    sim.run_to(sim.frame + 100)
    job = sim.running
    sim.send("deck/a/to_seed", 77)  # the same loop at alpha 0
    sim.run_to(sim.frame + 600)
    assert sim.running is job
    sim.running = None
    sim.do(sim.conductor.failed(sim.frame, Failed(job.job, "it is no sound", hopeless=True)))
    sim.run_to(sim.frame + 10000)
    deck = sim.conductor.scheduler.decks["a"]
    assert deck.gave_up and not deck.promises
    assert [action.text for action in actions_of(sim, RenderGivenUp)] == ["deck a keeps its loops: it is no sound"]


def test_only_the_newest_failures_are_kept():
    sim = SchedulerSimulation().run_to(20000)
    renders, quality = sim.conductor.scheduler.renders, sim.conductor.scheduler.quality
    base = sim.conductor.scheduler.decks["a"].want.base
    loops = []
    for seed in range(300):
        key = BankKey(replace(base, start=replace(base.start, seed=1000 + seed)))
        planned = PlannedRender(Purpose.LAUNCH, (0.0,), "a", key, 0.0, quality.first(key))
        number = renders.send(planned, 0, sim.frame, quality).job
        renders.failed(number, 0.0, "no", hopeless=True)
        loops.append((planned.loop_id, planned.steps))
    assert [renders.refuses(*loop) for loop in loops] == [False] * 44 + [True] * 256


def test_a_loop_over_which_five_renderers_died_is_tried_once_each_time_it_is_asked_for():
    played = Set(killed=True)
    for times in (2, 3):
        played.do("deck/a/prompt", "one")
        played.later(8000)
        deaths = 0
        played.do("deck/a/prompt", "two")
        while len(actions_of(played.sim, RenderGivenUp)) < times:
            lose_renderer(played.sim)
            deaths += 1
            played.later(400)
        assert deaths == 1
