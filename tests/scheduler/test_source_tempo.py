"""A new tempo synthesises the old rendition again; a new prompt is generated at the present tempo."""

from __future__ import annotations

from riffengine.processes.player_messages import LaunchBank
from tests.scheduler.simulation import BAR, SchedulerSimulation, logs


def requests_after(sim: SchedulerSimulation, frame: int):  # type: ignore[no-untyped-def]
    return [request for at, request in sim.renders if at >= frame]


def test_when_the_tempo_moves_the_same_loops_are_synthesised_at_their_finest() -> None:
    sim = SchedulerSimulation().run_to(20 * BAR)
    before = {request.alpha for _, request in sim.renders if request.steps == 8}
    moved = sim.frame
    sim.send("transport/tempo", 140.0)
    sim.run_to(moved + 20 * BAR)
    made = requests_after(sim, moved)
    assert {(r.bpm, r.source_tempo) for r in made} == {(140.0, 120.0)}
    assert {r.steps for r in made} == {8}  # never a draft of what is there already
    assert len(before) >= 2
    assert len(made) == len({r.digest() for r in made}) == 9  # each point of the bank once


def test_back_at_the_old_tempo_the_old_loops_are_there() -> None:
    sim = SchedulerSimulation(slots=40).run_to(20 * BAR)
    sim.send("transport/tempo", 140.0)
    sim.run_to(sim.frame + 6 * BAR)
    back = sim.frame
    sim.send("transport/tempo", 120.0)
    sim.run_to(back + 4 * BAR)
    assert sim.conductor.scheduler.decks["a"].sounding.key.base.source_bpm == 0.0
    assert not [r for r in requests_after(sim, back) if r.bpm == 120.0 and r.alpha == 0.0]


def test_a_new_prompt_is_generated_at_the_present_tempo_and_undo_brings_the_old_rendition() -> None:
    sim = SchedulerSimulation().run_to(10 * BAR)
    sim.send("transport/tempo", 150.0)
    sim.run_to(sim.frame + 8 * BAR)
    first = sim.conductor.scheduler.decks["a"].sounding.key
    assert (first.bpm, first.base.source_bpm) == (150.0, 120.0)
    sim.send("deck/a/prompt", "techno")
    sim.run_to(sim.frame + 8 * BAR)
    assert sim.conductor.scheduler.decks["a"].sounding.key.source_tempo == 150.0
    sim.send("deck/a/prompt", first.start.prompt)
    sim.run_to(sim.frame + 8 * BAR)
    assert sim.conductor.scheduler.decks["a"].sounding.key == first


def test_a_bank_with_an_end_that_was_heard_keeps_its_tempo() -> None:
    sim = SchedulerSimulation(deck__a__prompt="house", deck__a__to="dub").run_to(10 * BAR)
    sim.send("transport/tempo", 100.0)
    sim.run_to(sim.frame + 8 * BAR)
    sim.send("deck/a/to", "jazz")
    sim.run_to(sim.frame + 8 * BAR)
    assert sim.conductor.scheduler.decks["a"].sounding.key.source_tempo == 120.0


def test_a_drift_goes_on_past_its_end_after_the_tempo_has_moved() -> None:
    sim = SchedulerSimulation(deck__a__drift=0.5).run_to(10 * BAR)
    sim.send("transport/tempo", 140.0)
    sim.run_to(sim.frame + 40 * BAR)
    launched = len(sim.sent(LaunchBank))
    sim.run_to(sim.frame + 40 * BAR)
    assert len(sim.sent(LaunchBank)) > launched + 3
    assert not logs(sim, "famine")


def test_a_landing_of_a_new_tempo_is_promised_by_the_time_of_a_synthesis() -> None:
    sim = SchedulerSimulation(render_seconds=1.2).run_to(30 * BAR)
    sim.render_seconds = 0.1
    for bpm in (130.0, 120.0, 131.0, 121.0, 132.0, 122.0, 133.0):
        sim.send("transport/tempo", bpm)
        sim.run_to(sim.frame + 4 * BAR)
    reply = sim.send("transport/tempo", 125.0)
    assert reply.landing.seconds < 2.0 + 0.3  # a bar, the lead and a synthesis: not the 1.2 s of a render


def test_a_renderer_that_died_has_forgotten_its_loops() -> None:
    sim = SchedulerSimulation().run_to(20 * BAR)
    jobs = sim.conductor.scheduler.renders
    key = sim.conductor.scheduler.decks["a"].sounding.key
    quality = sim.conductor.scheduler.quality
    kept = jobs.launch_times(key, 0.0, quality)
    assert kept is not jobs.times(quality.urgent, quality)
    sim.do(sim.conductor.renderer_lost(sim.frame))
    assert jobs.launch_times(key, 0.0, quality) is jobs.times(quality.urgent, quality)


def test_a_rendition_that_cannot_be_synthesised_is_generated_again() -> None:
    sim = SchedulerSimulation().run_to(20 * BAR)
    sim.fail = lambda request: request.bpm == 140.0 and request.steps == 8
    sim.send("transport/tempo", 140.0)
    sim.run_to(sim.frame + 6 * BAR)
    assert sim.conductor.scheduler.decks["a"].sounding.key.bpm == 140.0  # in the draft that would sound
