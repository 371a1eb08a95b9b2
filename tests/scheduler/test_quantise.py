"""A quantum of its own for every parameter that is rendered: what lands on which beat."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from riffengine.performance.command import Accepted
from riffengine.performance.parameter_tree import ControlClass
from riffengine.performance.parameters import QUANTUM_OF, standard_tree
from riffengine.processes.player_messages import LaunchBank
from riffengine.scheduler.actions import DeckLanded
from riffengine.session.session import load_session
from tests.scheduler.simulation import BAR, SchedulerSimulation, actions_of

BEAT = 500  # frames


def landed(sim: SchedulerSimulation, path: str, value: object, at_frame: int = 16100) -> int:
    """Send, wait, and return the frame on which it lands; the reply must have promised that one."""
    sim.run_to(at_frame)
    before = len(sim.sent(LaunchBank))
    reply = sim.send(path, value)
    assert isinstance(reply, Accepted) and reply.landing is not None
    sim.run_to(at_frame + 40000)
    launches = sim.sent(LaunchBank)[before:]
    assert [launch.at_frame for launch in launches] == [round(reply.landing.beat * BEAT)]
    return int(launches[0].at_frame)


CHANGES = {
    "deck/a/prompt": "techno",
    "deck/a/to": "jazz",
    "deck/a/negative": "drums",
    "deck/a/seed": 9,
    "deck/a/to_seed": 9,
    "deck/a/guidance": 5.0,
    "deck/a/density": 0.5,
    "deck/a/brightness": 0.5,
    "deck/a/energy": 0.5,
    "deck/a/transpose": 3,
    "deck/a/chords": "Am F",
    "deck/a/takes": "mix:1-8:1",
    "key": "D minor",
    "transport/tempo": 100.0,
}


@pytest.mark.parametrize("path", CHANGES)
def test_a_parameter_lands_on_its_own_quantum_and_all_others_on_that_of_the_set(path: str) -> None:
    own = path.rsplit("/", 1)[-1]
    sim = SchedulerSimulation(**{f"transport__quantum_{own}": "4bars"})
    assert landed(sim, path, CHANGES[path]) == 24000
    sim = SchedulerSimulation(**{f"transport__quantum_{name}": "4bars" for name in QUANTUM_OF if name != own})
    assert landed(sim, path, CHANGES[path]) == 18000


def test_a_finer_quantum_than_that_of_the_set_and_none_at_all() -> None:
    assert landed(SchedulerSimulation(transport__quantum_seed="beat"), "deck/a/seed", 9) == 17000
    sim = SchedulerSimulation(transport__quantum_seed="off").run_to(16100)
    sim.send("deck/a/seed", 9)
    sim.run_to(18000)
    assert sim.sent(LaunchBank)[1].at_frame == 16100 + 400 + 50
    assert (
        landed(SchedulerSimulation(transport__quantum="off", transport__quantum_seed="bar"), "deck/a/seed", 9) == 18000
    )


def test_what_changes_together_lands_together_on_the_coarsest() -> None:
    sim = SchedulerSimulation(transport__quantum_seed="off", transport__quantum_prompt="2bars").run_to(16100)
    sim.send("deck/a/seed", 9)
    reply = sim.send("deck/a/prompt", "techno")
    assert reply.landing is not None and reply.landing.beat == 40
    sim.run_to(30000)
    assert [launch.at_frame for launch in sim.sent(LaunchBank)[1:]] == [20000]


def test_a_new_quantum_moves_what_has_not_landed() -> None:
    sim = SchedulerSimulation(render_seconds=0.2).run_to(16100)
    assert sim.send("deck/a/prompt", "techno").landing.beat == 36
    sim.send("transport/quantum_prompt", "4bars")
    sim.run_to(30000)
    assert [launch.at_frame for launch in sim.sent(LaunchBank)[1:]] == [24000]


def test_every_quantum_is_of_a_parameter_that_is_rendered_and_only_fineness_has_none() -> None:
    tree = standard_tree(("a",)).parameters
    rendered = {path.rsplit("/", 1)[-1] for path, p in tree.items() if p.control is ControlClass.QUANTISED}
    triggers = {path.rsplit("/", 1)[-1] for path, p in tree.items() if p.kind == "trigger"}
    assert set(QUANTUM_OF) <= rendered
    # A scene and a prompt of a list land as what they change, a walk as the takes that it is made of; how fine a loop
    # is rendered changes no music.
    of_others = {"recall", "pick", "memory", "tension", "walk"}
    assert rendered - triggers - set(QUANTUM_OF) == {"steps", "draft_steps", *of_others}


def test_a_preset_gives_quanta_by_name(tmp_path: Path) -> None:
    preset = tmp_path / "set.yaml"
    preset.write_text('quantum: bar\nquanta: {prompt: 4bars, seed: off}\ndeck: {a: {prompt: "house"}}\n')
    assert load_session(preset).parameters["transport/quantum_prompt"] == "4bars"
    assert load_session(preset).parameters["transport/quantum_seed"] == "off"


def test_a_landing_that_waits_for_a_late_render_is_told_once_a_beat_and_at_the_end_exactly():
    sim = SchedulerSimulation(transport__quantum="off")
    sim.run_to(4 * BAR)
    before = len(sim.announced)
    sim.render_seconds = 8.0  # 16 beats, where 1.4 beats are expected
    sim.send("deck/a/prompt", "techno")
    for frame in range(4 * BAR, 10 * BAR, 20):  # the engine looks fifty times a second
        sim.do(sim.conductor.tick(sim.run_to(frame).frame))
    told = [announce.landing.beat for announce in sim.announced[before:]]
    heard = actions_of(sim, DeckLanded)[-1].frame / 500
    assert len(told) in (14, 15, 16) and told[-1] == pytest.approx(heard, abs=0.01)
    assert all(1.0 < after - one < 1.1 for one, after in itertools.pairwise(told[:-1]))
