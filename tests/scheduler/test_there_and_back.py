"""A control that is moved away and back: no promise is left over, and what was answered is what is reported."""

import pytest

from riffengine.scheduler.actions import ChangeLanded, DeckLanded
from tests.scheduler.simulation import SchedulerSimulation, actions_of


def landed(sim, path):
    return [(a.value, a.beat, a.source) for a in actions_of(sim, ChangeLanded) if a.path == path]


def promises(sim):
    return [promise for deck in sim.conductor.scheduler.decks.values() for promise in deck.promises.values()]


@pytest.mark.parametrize("render_seconds", [0.1, 0.4, 1.5])
@pytest.mark.parametrize("rest", [5, 60, 400])
def test_a_prompt_that_comes_back_lands_on_the_beat_that_was_answered(render_seconds, rest):
    for moves_after in range(0, 2600, 130):
        sim = SchedulerSimulation(render_seconds=render_seconds).run_to(30000)
        sim.send("deck/a/prompt", "one", "osc:1")
        sim.run_to(sim.frame + moves_after)
        sim.send("deck/a/prompt", "three", "osc:1")
        sim.run_to(sim.frame + rest)
        reply = sim.send("deck/a/prompt", "one", "osc:2")
        sim.run_to(sim.frame + 12000)
        assert not promises(sim), moves_after
        assert actions_of(sim, DeckLanded)[-1].prompt == "one"
        told = [reply.landing, *(a.landing for a in sim.announced if a.source == "osc:2")][-1]
        if told.seconds > 0.0:
            assert ("one", pytest.approx(told.beat), "osc:2") in landed(sim, "deck/a/prompt"), moves_after
        count = len(sim.actions)
        sim.send("deck/a/seed", 9, "osc:3")
        sim.run_to(sim.frame + 8000)
        later = [action for _, action in sim.actions[count:]]
        assert {a.path for a in later if isinstance(a, ChangeLanded)} == {"deck/a/seed"}


def test_what_comes_back_to_a_launch_that_is_on_its_way_is_answered_with_its_beat():
    sim = SchedulerSimulation().run_to(30000)
    first = sim.send("deck/a/prompt", "one", "osc:1")
    deck = sim.conductor.scheduler.decks["a"]
    while deck.launching is None:
        sim.run_to(sim.frame + 5)
    sim.send("deck/a/prompt", "three", "osc:1")
    sim.run_to(sim.frame + 5)
    assert deck.launching is not None
    reply = sim.send("deck/a/prompt", "one", "osc:2")
    assert reply.landing.beat == first.landing.beat
    sim.run_to(40000)
    assert landed(sim, "deck/a/prompt") == [("one", first.landing.beat, "osc:2")]
    assert not promises(sim)


def test_a_knob_that_wiggles_is_told_where_it_lands_and_the_set_is_idle_afterwards():
    sim = SchedulerSimulation().run_to(30000)
    for value in (0.5, 0.4, 0.5):
        reply = sim.send("deck/a/energy", value, "midi:x")
        sim.run_to(sim.frame + 25)
    sim.run_to(sim.frame + 30000)
    assert landed(sim, "deck/a/energy") == [(0.5, reply.landing.beat, "midi:x")]
    assert not promises(sim)
    assert sim.conductor.next_wakeup(sim.frame) is None or sim.conductor.next_wakeup(sim.frame) > 1 << 60


@pytest.mark.parametrize("rest", [5, 40, 200])
def test_a_key_that_comes_back_while_a_prompt_of_one_deck_changes_leaves_no_promise(rest):
    sim = SchedulerSimulation(decks=("a", "b")).run_to(30000)
    sim.send("key", "D minor", "osc:1")
    sim.run_to(sim.frame + rest)
    sim.send("key", "", "osc:1")
    sim.run_to(sim.frame + 5)
    reply = sim.send("deck/a/prompt", "one", "osc:2")
    sim.run_to(sim.frame + 30000)
    assert landed(sim, "deck/a/prompt") == [("one", reply.landing.beat, "osc:2")]
    assert not landed(sim, "key")
    assert not promises(sim)
