"""The Conductor with gestures: sliders, knobs, panic, and a drift."""

import itertools

import pytest

from riffengine.performance.command import Rejected
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import LaunchBank, PlaceLoop, SetControl, SetGrid
from riffengine.scheduler.actions import (
    Applied,
    ChangeLanded,
    ToPlayerMessage,
)
from tests.scheduler.simulation import SchedulerSimulation, actions_of


@pytest.mark.parametrize(("quantum", "render_seconds"), [("bar", 0.4), ("bar", 3.0), ("off", 0.4), ("beat", 0.7)])
def test_a_slider_that_moves_on_every_tick_never_starves_and_wastes_nothing(quantum, render_seconds):
    sim = SchedulerSimulation(transport__quantum=quantum, render_seconds=render_seconds).run_to(60000)
    before, launched = sim.status(), len(sim.sent(LaunchBank))
    moves = 3000
    for move in range(moves):  # one minute at 20 ms
        sim.send("deck/a/guidance", 1.0 + 9.0 * move / moves)
        sim.run_to(60000 + 20 * (move + 1))
    after = sim.status()
    period = max({"bar": 2.0, "beat": 0.5, "off": 0.1}[quantum], render_seconds)
    started = after.jobs_started - before.jobs_started
    heard = after.jobs_heard - before.jobs_heard
    assert heard >= 0.95 * (started - 1), (started, heard)  # the last one may still be on its way
    assert len(sim.sent(LaunchBank)) - launched >= 60 / (2.2 * period)
    sim.run_to(140000)
    assert sim.status().decks[0].landing_beat is None
    assert sim.conductor._scheduler.decks["a"].settled  # the last value of the gesture is what sounds


def test_alpha_is_heard_at_once_and_costs_no_launch():
    sim = SchedulerSimulation().run_to(20000)
    reply = sim.send("deck/a/alpha", 0.7)
    assert reply.landing.seconds == 0.0
    control = sim.controls("deck/a/alpha")[-1]
    assert (control.value, control.at_frame, control.ramp_frames) == (0.7, None, 10)
    sim.run_to(30000)
    assert len(sim.sent(LaunchBank)) == 1


def test_gain_is_linear_and_the_bottom_is_silence():
    sim = SchedulerSimulation().run_to(1000)
    sim.send("deck/a/gain", -60.0)
    sim.send("master/gain", 6.0)
    assert sim.controls("deck/a/gain")[-1].value == 0.0
    assert sim.controls("master/gain")[-1].value == pytest.approx(1.995, abs=1e-3)


def test_panic_fades_in_20_ms_and_a_gain_gesture_brings_the_sound_back():
    sim = SchedulerSimulation().run_to(5000)
    sim.send("panic", True)
    assert (sim.controls("fade")[-1].value, sim.controls("fade")[-1].ramp_frames) == (0.0, 20)
    assert sim.status().panicked
    sim.send("deck/a/gain", -3.0)
    assert sim.controls("fade")[-1].value == 0.0
    sim.send("master/gain", -3.0)
    assert sim.controls("fade")[-1].value == 1.0
    assert not sim.status().panicked


def test_neither_the_leader_nor_a_panic_opens_what_the_other_keeps_closed():
    sim = SchedulerSimulation().run_to(5000)
    silence = sim.conductor.tempo.silence
    sim.send("panic", True)
    sim.do([*silence(True), *silence(False)])
    assert sim.controls("fade")[-1].value == 0.0
    assert sim.status().panicked
    sim.do(silence(True))
    for path, value in (("panic", True), ("master/gain", -3.0), ("panic", True), ("panic", True)):
        sim.send(path, value)
        assert sim.controls("fade")[-1].value == 0.0, path
    assert not sim.status().panicked
    sim.do(silence(False))
    assert sim.controls("fade")[-1].value == 1.0


def test_a_new_player_stays_closed_while_the_leader_has_stopped():
    sim = SchedulerSimulation().run_to(5000)
    sim.do(sim.conductor.tempo.silence(True))
    sim.do(sim.conductor.restore_player(sim.frame))
    assert sim.controls("fade")[-1].value == 0.0
    sim.do(sim.conductor.tempo.silence(False))
    assert sim.controls("fade")[-1].value == 1.0


def test_a_second_panic_restores_and_a_released_button_does_nothing():
    sim = SchedulerSimulation().run_to(5000)
    for value, expected in ((True, 0.0), (False, 0.0), (True, 1.0)):
        sim.send("panic", value)
        assert sim.controls("fade")[-1].value == expected


def test_a_refused_command_changes_nothing():
    sim = SchedulerSimulation().run_to(5000)
    before = sim.conductor.state
    sent = len(sim.actions)
    assert isinstance(sim.send("deck/a/alpha", 7.0), Rejected)
    assert isinstance(sim.send("deck/q/alpha", 0.5), Rejected)
    assert sim.conductor.state is before
    assert not any(isinstance(a, ToPlayerMessage) for _, a in sim.actions[sent:])


def test_a_tempo_slider_with_two_decks_never_starves():
    sim = SchedulerSimulation(decks=("a", "b"), deck__b__seed=9, deck__b__to_seed=10).run_to(60000)
    for move in range(1000):
        sim.send("transport/tempo", 100.0 + 0.05 * (move % 700))
        sim.run_to(60000 + 20 * (move + 1))
    assert len([m for m in sim.sent(SetGrid) if m.at_frame > 60000]) >= 5
    sim.run_to(100000)
    assert sim.conductor.grid.bpm == sim.conductor.state.number("transport/tempo")


def test_a_drift_rolls_over_into_the_next_seed_without_a_sound_and_without_a_second_render():
    sim = SchedulerSimulation(deck__a__drift=0.5, deck__a__to="techno").run_to(60000)
    rollovers = [m for m in sim.sent(LaunchBank) if m.fade_frames == 0]
    assert len(rollovers) >= 5
    placed = {}
    for m in sim.sent(PlaceLoop):
        placed.setdefault(m.bank, {})[m.alpha] = m.loop.loop
    banks = [m.bank for m in sim.sent(LaunchBank)]
    for before, after in itertools.pairwise(banks):
        assert placed[before][1.0] == placed[after][0.0]
    digests = [request.digest() for _, request in sim.renders]
    assert len(digests) == len(set(digests))
    assert sim.status().famines == 0
    applied = [a for _, a in sim.actions if isinstance(a, Applied)]
    assert {a.command.source for a in applied} == {"walk"}
    intent = sim.conductor.state.deck("a")
    assert (intent.prompt, intent.to_seed) == ("techno", intent.seed + 1)


def test_the_drift_holds_at_the_end_until_the_next_bank_is_there():
    sim = SchedulerSimulation(deck__a__drift=1.0, render_seconds=0.4).run_to(4200)
    sim.render_seconds = 30.0
    sim.run_to(30000)
    assert sim.status().famines == 1
    assert sim.conductor.state.number("deck/a/alpha") == 1.0
    assert len(sim.sent(LaunchBank)) <= 2
    sim.render_seconds = 0.4
    sim.run_to(80000)
    assert sim.conductor.state.number("deck/a/seed") >= 3
    assert sim.status().famines == 1


def test_a_gesture_on_alpha_is_not_undone_by_a_step_that_was_sent_before():
    sim = SchedulerSimulation(deck__a__drift=0.1).run_to(20000)
    sent = [m for m in sim.controls("deck/a/alpha") if m.at_frame is not None]
    sim.run_to(sent[-1].at_frame - 10)
    pending = [m for m in sim.controls("deck/a/alpha") if m.at_frame is not None and m.at_frame >= sim.frame]
    assert pending
    sim.send("deck/a/alpha", 0.9)
    assert sim.controls("deck/a/alpha")[-1] == SetControl(parse_path("deck/a/alpha"), 0.9, pending[-1].at_frame, 0)


def test_next_rolls_over_on_the_quantum_and_alpha_jumps_with_it():
    sim = SchedulerSimulation(deck__a__to="techno", deck__a__alpha=0.5).run_to(30100)
    reply = sim.send("next", True)
    assert reply.landing.beat == 64.0
    sim.run_to(40000)
    launch = sim.sent(LaunchBank)[1]
    jump = sim.controls("deck/a/alpha")[-1]
    assert launch.at_frame == jump.at_frame == 32000
    assert jump.value == 0.0
    assert sim.conductor.state.text("deck/a/prompt") == "techno"


def test_a_rollover_and_next_report_every_new_seed():
    sim = SchedulerSimulation(deck__a__drift=0.5).run_to(20000)
    seeds = [k.value for k in actions_of(sim, ChangeLanded) if k.path == "deck/a/seed"]
    assert seeds and seeds == list(range(1, len(seeds) + 1))
    sim = SchedulerSimulation(deck__a__to="techno").run_to(20100)
    sim.send("next", True, source="midi")
    sim.run_to(30000)
    brought = {k.path: k.value for k in actions_of(sim, ChangeLanded)}
    assert brought["next"] is True
    assert (brought["deck/a/prompt"], brought["deck/a/seed"], brought["deck/a/to_seed"]) == ("techno", 1, 2)


def test_only_the_small_steps_of_the_drift_are_routine():
    sim = SchedulerSimulation(deck__a__drift=0.5).run_to(20000)
    applied = [a for _, a in sim.actions if isinstance(a, Applied)]
    assert {a.command.path.rsplit("/", 1)[1] for a in applied if a.routine} == {"alpha"}
    assert {a.command.path.rsplit("/", 1)[1] for a in applied if not a.routine} == {"seed", "to_seed", "alpha"}


def test_coming_back_before_the_landing_cancels_it():
    sim = SchedulerSimulation().run_to(20100)
    sim.send("deck/a/prompt", "techno")
    sim.run_to(20200)
    sim.send("deck/a/prompt", "ambient piano")
    sim.run_to(30000)
    assert len(sim.sent(LaunchBank)) == 1
    assert sim.status().decks[0].landing_beat is None


def test_a_change_that_is_launched_as_it_comes_is_reported_as_landed():
    sim = SchedulerSimulation(transport__quantum="off").run_to(5000)
    first = sim.conductor.state["deck/a/prompt"]
    sim.send("deck/a/prompt", "techno")
    sim.run_to(9000)
    sim.send("deck/a/prompt", first, source="osc:1")  # its loop is there still
    sim.run_to(14_000)
    landed = [action for action in actions_of(sim, ChangeLanded) if action.path == "deck/a/prompt"]
    assert [(action.value, action.source) for action in landed] == [("techno", "test"), (first, "osc:1")]
    assert not sim.conductor.scheduler.decks["a"].promises
