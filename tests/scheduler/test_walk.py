"""A drift with memory goes from loop to loop on its boundaries, is rendered ahead, and never disturbs what sounds."""

import pytest

from riffengine.performance.walk_form import WalkForm
from riffengine.processes.player_messages import LaunchBank, SetControl
from riffengine.scheduler.actions import Applied, ChangeLanded
from riffengine.scheduler.walk import LOOPS_AHEAD
from tests.scheduler.simulation import READY, SchedulerSimulation, actions_of, logs

STEMS = ("drums", "bass", "harmony")
LOOP = 4000  # frames of eight beats at 120 bpm


def walking(memory="groove", drift=1.0, **values):
    return SchedulerSimulation(stems=STEMS, deck__a__memory=memory, deck__a__drift=drift, **values)


def launches(sim):
    return [message.at_frame for message in sim.sent(LaunchBank)]


def launched_takes(sim):
    """The takes of each bank that was launched, in order."""
    return [action.values["loop"] for _, action in sim.actions if getattr(action, "kind", "") == "walk"]


def value(sim, name):
    return sim.conductor.state[f"deck/a/{name}"]


def test_every_loop_is_launched_where_the_one_before_it_ends():
    sim = walking().run_to(10 * LOOP)
    first, *rest = launches(sim)
    assert first < LOOP
    assert rest == [LOOP * n for n in range(1, 11)]
    assert value(sim, "walk") == 10 == launched_takes(sim)[-1]
    assert sim.status().famines == 0
    assert sim.conductor.scheduler.decks["a"].sounding.key.base.retakes == WalkForm(
        "groove", 0.0, "ambient piano", "", STEMS, 8
    ).retakes(10)


def test_alpha_rests_and_no_way_along_it_is_rendered():
    sim = walking(deck__a__alpha=0.5, deck__a__to="strings").run_to(12 * LOOP)
    assert value(sim, "alpha") == 0.5
    assert all(request.alpha == 0.0 and request.start == request.end for _, request in sim.renders)
    assert [m.value for m in sim.sent(SetControl) if str(m.target) == "deck/a/alpha"] == [0.5]


def test_each_loop_is_rendered_once_ahead_and_a_call_that_returns_not_again():
    sim = walking().run_to(4 * LOOP)
    retakes = [request.retakes for _, request in sim.renders if request.steps == 8 and request.retakes]
    plan = WalkForm("groove", 0.0, "ambient piano", "", STEMS, 8)
    wanted = [plan.retakes(loop) for loop in range(4 + LOOPS_AHEAD + 1)]
    assert retakes == [takes for takes in dict.fromkeys(wanted) if takes]


def test_the_first_loop_is_the_one_that_sounds_without_memory():
    plain = SchedulerSimulation(stems=STEMS, deck__a__seed=7, deck__a__to_seed=7).run_to(2000)
    sim = walking(deck__a__seed=7).run_to(2000)
    assert sim.renders[0][1] == plain.renders[0][1]


def test_tension_lifts_the_loops_of_a_section():
    sim = walking(deck__a__tension=0.5).run_to(16 * LOOP)
    lifts = [max((r.lift for r in request.retakes), default=0.0) for _, request in sim.renders if request.retakes]
    assert sorted(set(lifts)) == pytest.approx([0.0, 0.166667, 0.333333, 0.5])


def test_a_loop_repeats_until_the_next_one_is_there():
    sim = walking().run_to(100)
    sim.render_seconds = 9.0  # more than two loops
    sim.run_to(12 * LOOP)
    assert sim.status().famines >= 1
    assert logs(sim, "famine")
    assert launched_takes(sim) == list(range(1, value(sim, "walk") + 1))  # none is left out
    assert 2 <= value(sim, "walk") < 10
    assert all(frame % LOOP == 0 for frame in launches(sim)[1:])


def test_loops_ahead_outlast_a_renderer_that_starts_again():
    sim = walking().run_to(3 * LOOP)
    sim.running = None
    sim.do(sim.conductor.renderer_lost(sim.frame))
    sim.run_to(sim.frame + 8000)
    sim.do(sim.conductor.renderer_ready(sim.frame, READY))
    sim.run_to(10 * LOOP)
    assert sim.status().famines == 0
    assert launched_takes(sim) == list(range(1, 11))


def test_a_change_lands_in_the_middle_and_the_walk_goes_on():
    sim = walking().run_to(4 * LOOP + 300)
    reply = sim.send("deck/a/prompt", "techno")
    sim.run_to(8 * LOOP + 100)
    assert reply.landing.beat * 500 in launches(sim)
    bank = sim.conductor.scheduler.decks["a"].sounding
    assert bank.key.start.prompt == "techno"
    assert bank.key.base.retakes == WalkForm("groove", 0.0, "techno", "", STEMS, 8).retakes(8)


def test_a_performer_can_go_to_any_loop_of_the_walk():
    sim = walking().run_to(4 * LOOP + 300)
    reply = sim.send("deck/a/walk", 17)
    assert reply.landing.beat == 36.0
    sim.run_to(6 * LOOP + 100)
    assert value(sim, "walk") == 19  # heard in the middle of a loop, which ends, as the next one does
    landed = [a for a in actions_of(sim, ChangeLanded) if a.path == "deck/a/walk" and a.source == "test"]
    assert [(a.value, a.beat) for a in landed] == [(17, 36.0)]


def test_a_change_that_leaves_the_loop_as_it_is_changes_what_follows():
    sim = walking().run_to(4 * LOOP + 300)
    sounding = sim.conductor.scheduler.decks["a"].sounding.key
    for path, wanted in (("deck/a/walk", 0), ("deck/a/memory", "harmony"), ("deck/a/to", "strings")):
        reply = sim.send(path, wanted)
        assert reply.landing.seconds == 0.0  # the same loop: nothing has to be rendered
    assert sim.conductor.scheduler.decks["a"].sounding.key == sounding
    sim.run_to(7 * LOOP + 100)
    bank = sim.conductor.scheduler.decks["a"].sounding
    assert bank.key.base.retakes == WalkForm("harmony", 0.0, "ambient piano", "strings", STEMS, 8).retakes(3)
    assert bank.placed and value(sim, "walk") == 3
    assert launches(sim)[-3:] == [5 * LOOP, 6 * LOOP, 7 * LOOP]


def test_next_begins_the_walk_on_the_next_seed():
    sim = walking(deck__a__seed=3, deck__a__to_seed=9).run_to(5 * LOOP + 300)
    sim.send("next", True)
    sim.run_to(6 * LOOP - 200)
    assert (value(sim, "seed"), value(sim, "to_seed"), value(sim, "walk")) == (9, 10, 0)
    assert sim.conductor.scheduler.decks["a"].sounding.key.base.retakes == ()


def test_in_turns_the_next_seed_is_the_theme_after_four_sections():
    sim = walking("turns", deck__a__seed=3, deck__a__to_seed=9, deck__a__to="strings").run_to(64 * LOOP + 100)
    assert (value(sim, "seed"), value(sim, "to_seed"), value(sim, "walk")) == (9, 10, 0)
    assert (value(sim, "prompt"), value(sim, "to")) == ("strings", "ambient piano")
    assert launches(sim)[-1] == 64 * LOOP and sim.status().famines == 0


def test_without_drift_the_walk_stands_still():
    sim = walking(drift=0.0, deck__a__walk=5).run_to(6 * LOOP)
    assert len(launches(sim)) == 1 and value(sim, "walk") == 5
    sim.send("deck/a/drift", 0.5)
    sim.run_to(9 * LOOP)
    assert value(sim, "walk") == 8


def test_memory_can_be_switched_on_and_off_while_a_deck_drifts():
    sim = SchedulerSimulation(stems=STEMS, deck__a__drift=0.25).run_to(5 * LOOP + 300)
    before = value(sim, "alpha")
    assert 0.0 < before < 1.0
    assert sim.send("deck/a/memory", "groove").landing.beat == 44.0
    sim.run_to(8 * LOOP + 100)
    held = value(sim, "alpha")
    assert value(sim, "walk") == 3
    sim.send("deck/a/memory", "off")
    sim.run_to(10 * LOOP)
    assert value(sim, "alpha") != held and value(sim, "walk") == 3
    assert sim.conductor.scheduler.decks["a"].sounding.key.base.retakes == ()
    assert sim.status().famines == 0


def test_a_loop_that_cannot_be_rendered_is_left_out():
    sim = walking()
    bad = WalkForm("groove", 0.0, "ambient piano", "", STEMS, 8).retakes(3)
    sim.fail = lambda request: request.retakes == bad
    sim.run_to(8 * LOOP)
    assert logs(sim, "loop skipped")
    assert 3 not in launched_takes(sim)
    assert launched_takes(sim)[:3] == [1, 2, 4]


def test_the_steps_of_a_walk_are_commands_of_its_own_that_a_journal_can_hold():
    sim = walking().run_to(3 * LOOP + 100)
    steps = [a for a in actions_of(sim, Applied) if a.command.path == "deck/a/walk"]
    assert [(a.command.value, a.command.source, a.moment.frame, a.routine) for a in steps] == [
        (n, "walk", n * LOOP, False) for n in (1, 2, 3)
    ]


def test_two_decks_walk_with_memories_of_their_own():
    sim = SchedulerSimulation(
        decks=("a", "b"),
        slots=48,
        stems=STEMS,
        deck__a__memory="groove",
        deck__a__drift=1.0,
        deck__b__memory="harmony",
        deck__b__drift=1.0,
        deck__b__seed=50,
    ).run_to(20 * LOOP)
    for name, memory in (("a", "groove"), ("b", "harmony")):
        bank = sim.conductor.scheduler.decks[name].sounding
        assert bank.key.base.retakes == WalkForm(memory, 0.0, "ambient piano", "", STEMS, 8).retakes(20)
    assert sim.status().famines == 0


def test_the_tempo_moves_and_the_walk_stays_on_the_loops():
    sim = walking().run_to(3 * LOOP + 300)
    sim.send("transport/tempo", 125.0)
    sim.run_to(10 * LOOP)
    assert value(sim, "walk") >= 8
    beats = [action.values["beat"] for _, action in sim.actions if getattr(action, "kind", "") == "walk"]
    assert all(beat % 8 == pytest.approx(0.0, abs=1e-3) or beat % 8 == pytest.approx(8.0, abs=1e-3) for beat in beats)


def test_the_runway_counts_the_loops_ahead():
    sim = walking().run_to(2 * LOOP + 3000)
    assert sim.conductor.runways()[1] == LOOPS_AHEAD * 4.0


def test_a_new_theme_begins_at_alpha_0_in_the_mixer_too():
    sim = walking("turns", deck__a__alpha=0.5, deck__a__walk=62).run_to(4 * LOOP)
    assert (value(sim, "alpha"), value(sim, "walk")) == (0.0, 2)
    theme = next(a for _, a in sim.actions if isinstance(a, Applied) and a.command.path == "deck/a/alpha")
    moved = [m for m in sim.sent(SetControl) if str(m.target) == "deck/a/alpha"][1:]
    assert [(m.value, m.at_frame) for m in moved] == [(0.0, theme.moment.frame)]
