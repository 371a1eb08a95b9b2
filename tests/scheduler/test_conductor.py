"""The Conductor alone: what lands, where, and what is rendered for it."""

import pytest

from riffengine.processes.player_messages import FreeLoop, LaunchBank, PlaceLoop, SetGrid
from riffengine.processes.render_messages import Cancel
from riffengine.scheduler.actions import ChangeLanded, DeckLanded, Log, Policy, ToRendererMessage
from tests.scheduler.simulation import SchedulerSimulation, actions_of


def test_the_first_loop_launches_as_soon_as_it_is_there_and_fades_in():
    sim = SchedulerSimulation(render_seconds=0.4).run_to(1000)
    launch = sim.sent(LaunchBank)[0]
    assert launch.at_frame == 450  # rendered at 400, half a lead for the player
    fade = sim.controls("fade")
    assert [(m.value, m.at_frame) for m in fade] == [(0.0, None), (1.0, 450)]


def test_the_knob_of_every_parameter_is_sent_before_anything_sounds():
    sim = SchedulerSimulation(master__gain=-6.0, deck__a__alpha=0.5)
    assert sim.controls("master/gain")[0].value == pytest.approx(0.501, abs=1e-3)
    assert sim.controls("deck/a/alpha")[0].value == 0.5
    assert sim.renders[0][1].alpha == 0.5
    assert not sim.renders[0][1].phase_from_ends


def test_a_change_lands_on_the_boundary_that_was_promised():
    sim = SchedulerSimulation().run_to(8100)
    reply = sim.send("deck/a/prompt", "techno")
    sim.run_to(20000)
    assert reply.landing.beat == 20.0
    assert reply.landing.seconds == pytest.approx(1.9)
    assert sim.sent(LaunchBank)[1].at_frame == 10000
    assert sim.announced == []
    assert sim.status().landing_error_frames_max == 0


def test_messages_leave_in_time_for_the_player():
    sim = SchedulerSimulation().run_to(8100)
    sim.send("deck/a/prompt", "techno")
    sim.run_to(20000)
    frame = next(f for f, m in sim.player if isinstance(m, LaunchBank) and m.at_frame == 10000)
    assert frame == 10000 - 100


def test_the_draft_comes_first_and_is_replaced_in_phase_by_a_finer_one():
    sim = SchedulerSimulation().run_to(20000)
    first = sim.renders[0][1]
    assert (first.alpha, first.steps) == (0.0, 4)
    placed = [m for m in sim.sent(PlaceLoop) if m.alpha == 0.0]
    assert len(placed) == 2
    assert placed[0].loop.loop in [m.loop for m in sim.sent(FreeLoop)]
    full = [request for _, request in sim.renders if request.steps == 8]
    assert {request.alpha for request in full} >= {0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875}
    assert all(request.phase_from_ends for request in full if request.alpha)  # neighbours must not comb
    assert not any(request.phase_from_ends for _, request in sim.renders if request.steps < 8)  # it would take longer
    assert sim.status().decks[0].coverage == 1.0


def test_quantum_off_lands_as_soon_as_it_is_rendered():
    sim = SchedulerSimulation(transport__quantum="off").run_to(8100)
    sim.send("deck/a/prompt", "techno")
    sim.run_to(10000)
    assert sim.sent(LaunchBank)[1].at_frame == 8100 + 400 + 50


def test_the_newest_prompt_wins_and_the_older_job_is_cancelled():
    sim = SchedulerSimulation().run_to(8100)
    sim.render_seconds = 1.0
    sim.send("deck/a/prompt", "first")
    sim.run_to(8300)
    reply = sim.send("deck/a/prompt", "second")
    sim.run_to(20000)
    assert [m.at_frame for m in sim.sent(LaunchBank)][1:] == [round(reply.landing.beat * 500)] == [10000]
    assert sim.status().jobs_cancelled == 1
    assert [r.start.prompt for f, r in sim.renders if f >= 8100][:2] == ["first", "second"]


@pytest.mark.parametrize(("quantum", "cancels"), [("4bars", 0), ("off", 1)])
def test_a_fill_of_another_deck_is_cancelled_only_if_the_landing_would_move(quantum, cancels):
    sim = SchedulerSimulation(
        decks=("a", "b"), deck__b__seed=9, deck__b__to_seed=10, transport__quantum=quantum
    ).run_to(4000)
    while sim.running.request.start.seed != 0:
        sim.run_to(sim.frame + 10)
    assert sim.running.request.steps == 8
    sim.send("deck/b/prompt", "techno")
    sent = [a.message for _, a in sim.actions if isinstance(a, ToRendererMessage) and isinstance(a.message, Cancel)]
    assert len(sent) == cancels
    sim.run_to(sim.frame + 20000)
    assert sim.sent(LaunchBank)[-1].deck == "b"
    assert sim.announced == [] or quantum == "off"


def test_tempo_lands_with_all_decks_on_one_frame():
    sim = SchedulerSimulation(decks=("a", "b"), deck__b__seed=9, deck__b__to_seed=10).run_to(30100)
    reply = sim.send("transport/tempo", 100.0)
    sim.run_to(50000)
    grid = sim.sent(SetGrid)[-1]
    launches = [m for m in sim.sent(LaunchBank) if m.at_frame > 30000]
    assert {m.deck for m in launches} == {"a", "b"}
    assert {m.at_frame for m in launches} == {grid.at_frame} == {32000}
    assert grid.grid.beat_at(32000) == reply.landing.beat == 64.0
    assert grid.grid.bpm == sim.conductor.grid.bpm == 100.0
    assert {r.bpm for f, r in sim.renders if f > 30100} == {100.0}


def test_what_landed_is_named_though_something_else_is_wanted_by_now():
    sim = SchedulerSimulation().run_to(8100)
    sim.send("deck/a/prompt", "techno")
    sim.send("deck/a/seed", 7, source="osc:1")
    sim.run_to(9950)
    sim.send("deck/a/prompt", "dub")  # too late for beat 20
    sim.run_to(10100)
    landed, kept = actions_of(sim, DeckLanded)[-1], actions_of(sim, ChangeLanded)
    assert (landed.prompt, landed.seed, landed.to, landed.to_seed) == ("techno", 7, "techno", 1)
    assert (landed.deck, landed.beat, landed.frame, landed.error_frames) == ("a", 20.0, 10000, 0)
    assert [(k.path, k.value, k.source, k.frame) for k in kept] == [
        ("deck/a/prompt", "techno", "test", 10000),
        ("deck/a/seed", 7, "osc:1", 10000),
    ]
    sim.run_to(20000)
    assert actions_of(sim, DeckLanded)[-1].prompt == actions_of(sim, ChangeLanded)[-1].value == "dub"


def test_a_launch_that_never_sounded_leaves_its_changes_to_the_next():
    """The player lets a launch wait while four crossfades run, and the next one takes its place."""
    sim = SchedulerSimulation().run_to(8100)
    sim.send("deck/a/prompt", "techno", source="osc:1")
    sim.send("deck/a/seed", 7, source="osc:1")
    sim.run_to(9950)
    waiting = sim.sent(LaunchBank)[-1]
    sim.events = [event for event in sim.events if getattr(event[2], "bank", None) != waiting.bank]
    sim.send("deck/a/seed", 8, source="osc:2")
    sim.run_to(14000)
    landed, kept = actions_of(sim, DeckLanded)[1:], actions_of(sim, ChangeLanded)
    assert [(deck.prompt, deck.seed, deck.frame) for deck in landed] == [("techno", 8, 12000)]
    assert [(k.path, k.value, k.source, k.frame) for k in kept] == [
        ("deck/a/prompt", "techno", "osc:1", 12000),
        ("deck/a/seed", 8, "osc:2", 12000),
    ]
    texts = [a.text for _, a in sim.actions if isinstance(a, Log) and a.kind == "launch"]
    assert texts[-2:] == ["deck a lands on beat 20", "deck a lands on beat 24"]
    assert texts[0] == "deck a lands on beat 0.9"


def test_a_change_that_changes_nothing_to_hear_renders_nothing():
    sim = SchedulerSimulation().run_to(20000)
    renders = len(sim.renders)
    reply = sim.send("deck/a/strength", 0.3)  # there is no sound to start from
    sim.run_to(24000)
    assert reply.landing.seconds == 0.0
    assert len(sim.renders) == renders


def test_extra_ticks_change_nothing():
    def play(step):
        sim = SchedulerSimulation(deck__a__drift=0.3).run_to(8100)
        sim.send("deck/a/prompt", "techno")
        for frame in range(8100, 30000, step):
            sim.run_to(frame)
            if step < 1000:
                sim.do(sim.conductor.tick(sim.frame))
        sim.run_to(30000)
        return sim.player

    assert play(7) == play(20000)


def test_the_figures_of_the_policy_are_kept():
    sim = SchedulerSimulation(policy=Policy(lead_seconds=0.2, fade_in_seconds=0.5)).run_to(8100)
    assert sim.controls("fade")[-1].ramp_frames == 500
    sim.send("deck/a/prompt", "techno")
    sim.run_to(12000)
    assert next(f for f, m in sim.player if isinstance(m, LaunchBank) and m.at_frame == 10000) == 9800


@pytest.mark.parametrize("frame", range(0, 1400, 100))
@pytest.mark.parametrize("path", ["transport/tempo", "key"])
def test_a_tempo_or_key_set_while_the_first_loop_is_rendered_does_not_keep_the_set_silent(frame, path):
    sim = SchedulerSimulation(render_seconds=1.0).run_to(frame)
    sim.send(path, {"transport/tempo": 100.0, "key": "A minor"}[path])
    sim.run_to(8000)
    assert sim.conductor.scheduler.decks["a"].settled
    assert sim.conductor.grid.bpm == sim.conductor.state["transport/tempo"]
