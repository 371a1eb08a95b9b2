"""Stems on virtual time: what is muted, generated again and kept, and chords that all decks follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from riffengine.performance.command import Accepted, Command, Rejected
from riffengine.performance.parameters import standard_tree
from riffengine.performance.takes import ALL_BEATS
from riffengine.processes.player_messages import LaunchBank, PlaceLoop
from riffengine.processes.render_request import Retake
from riffengine.scheduler.actions import Applied
from tests.scheduler.simulation import SchedulerSimulation
from tests.scheduler.test_scene_player import ScenePlayerSimulation

STEMS = ("drums", "bass", "harmony")


def simulation(kind=SchedulerSimulation, decks=("a",), **values):
    return kind(decks, stems=STEMS, **values).run_to(20000)


def heard(sim, deck="a"):
    """The gains of the stems as the mixer has them."""
    return [sim.controls(f"deck/{deck}/stem/{stem}/gain")[-1].value for stem in STEMS]


def takes(sim, deck="a"):
    return sim.conductor.state[f"deck/{deck}/takes"]


def test_mute_and_solo_reach_the_mixer_at_once_and_solos_add():
    sim = simulation(deck__a__stem__bass__gain=-6.0)
    half = pytest.approx(0.501, abs=1e-3)
    assert heard(sim) == [1.0, half, 1.0]
    for path, value, expected in (
        ("drums/mute", True, [0.0, half, 1.0]),
        ("bass/solo", True, [0.0, half, 0.0]),
        ("harmony/solo", True, [0.0, half, 1.0]),
        ("drums/solo", True, [0.0, half, 1.0]),  # muted all the same
        ("drums/mute", False, [1.0, half, 1.0]),
        ("bass/solo", False, [1.0, 0.0, 1.0]),
        ("bass/gain", 0.0, [1.0, 0.0, 1.0]),  # a fader that is moved in silence
        ("drums/solo", False, [0.0, 0.0, 1.0]),
        ("harmony/solo", False, [1.0, 1.0, 1.0]),
    ):
        before = len(sim.player)
        reply = sim.send(f"deck/a/stem/{path}", value)
        assert isinstance(reply, Accepted) and reply.landing.seconds == 0.0
        assert all(message.at_frame is None for _, message in sim.player[before:])
        assert heard(sim) == expected, path


def test_a_muted_stem_is_muted_from_the_first_frame():
    sim = SchedulerSimulation(stems=STEMS, deck__a__stem__drums__mute=True)
    assert heard(sim) == [0.0, 1.0, 1.0]
    assert sim.controls("deck/a/stem/drums/mute") == []


def test_a_gesture_is_followed_to_the_ear_once():
    sim = simulation()
    _, actions = sim.conductor.submit(Command("deck/a/stem/bass/solo", True, "test", 77), sim.frame)
    assert [action.message.stamp_ns for action in actions] == [0, 77, 0]


def test_a_stem_that_is_generated_again_lands_on_the_bar_and_everything_else_stays():
    sim = simulation()
    before = {request for _, request in sim.renders}
    reply = sim.send("deck/a/stem/drums/again", True)
    assert isinstance(reply, Accepted) and reply.landing.beat == 44.0 and reply.landing.seconds > 0
    sim.run_to(30000)
    launch = sim.sent(LaunchBank)[-1]
    assert launch.at_frame == 22000
    renders = [request for frame, request in sim.renders if frame >= 20000]
    assert {request.retakes for request in renders} == {(Retake(("drums",), ALL_BEATS, 1),)}
    assert {replace(request, retakes=()) for request in renders} <= before
    made = {action.command.path: action.command.value for _, action in sim.actions if isinstance(action, Applied)}
    assert made == {"deck/a/takes": "drums:1-8:1"}


def test_again_and_again_is_another_take_and_one_pass():
    sim = simulation()
    for _ in range(3):
        sim.send("deck/a/stem/drums/again", True)
        sim.run_to(sim.frame + 4000)
    assert sim.renders[-1][1].retakes == (Retake(("drums",), ALL_BEATS, 3),)


def test_a_released_key_renders_nothing():
    sim = simulation()
    reply = sim.send("deck/a/again", 0)
    assert isinstance(reply, Accepted) and takes(sim) == ""


def test_again_generates_what_is_not_frozen():
    sim = simulation()
    sim.send("deck/a/stem/drums/freeze", True)
    sim.send("deck/a/freeze/beats", "1-4")
    renders = len(sim.renders)
    sim.run_to(24000)
    assert len(sim.renders) == renders  # freezing alone changes nothing to hear
    sim.send("deck/a/again", True)
    sim.run_to(30000)
    assert sim.renders[-1][1].retakes == (Retake(("bass", "harmony"), 0b11110000, 1),)


def test_what_is_frozen_is_refused_and_changes_nothing():
    sim = simulation()
    sim.send("deck/a/stem/drums/freeze", True)
    before, sent = sim.conductor.state, len(sim.actions)
    reply = sim.send("deck/a/stem/drums/again", True)
    assert isinstance(reply, Rejected) and "set deck/a/stem/drums/freeze to false" in reply.reason
    assert sim.conductor.state is before and len(sim.actions) == sent


def test_undo_brings_the_take_before_back_without_a_render_and_another_again_is_a_new_one():
    sim = simulation(ScenePlayerSimulation)
    sim.send("deck/a/stem/bass/again", True)
    sim.run_to(26000)
    sim.send("deck/a/stem/bass/again", True)
    sim.run_to(40000)
    assert takes(sim) == "bass:1-8:2"
    renders = len(sim.renders)
    sim.send("undo", True)
    assert takes(sim) == "bass:1-8:1"
    sim.run_to(44000)
    assert not [request for _, request in sim.renders[renders:] if request.steps == 4]  # drafts of it are there still
    sim.send("deck/a/stem/bass/again", True)
    assert takes(sim) == "bass:1-8:3"


def test_a_scene_holds_the_takes():
    sim = simulation(ScenePlayerSimulation)
    sim.send("deck/a/again", True)
    sim.run_to(26000)
    sim.send("scene/store", "liked")
    sim.send("deck/a/again", True)
    sim.run_to(32000)
    sim.send("scene/recall", "liked")
    assert takes(sim) == "drums+bass+harmony:1-8:1"


@pytest.mark.parametrize(
    ("path", "value", "field", "expected"),
    [
        ("deck/a/density", 0.5, "density", 0.5),
        ("deck/a/brightness", -1.0, "brightness", -1.0),
        ("deck/a/energy", 0.25, "energy", 0.25),
        ("deck/a/transpose", -3, "transpose", -3),
        ("deck/a/chords", "Am F", "chords", ((45, 57, 60, 64), (41, 53, 57, 60))),
        ("chords", "Am F", "chords", ((45, 57, 60, 64), (41, 53, 57, 60))),
    ],
)
def test_the_performers_controls_are_rendered_and_land_on_the_bar(path, value, field, expected):
    sim = simulation()
    reply = sim.send(path, value)
    assert reply.landing.beat == 44.0
    sim.run_to(30000)
    assert sim.sent(LaunchBank)[-1].at_frame == 22000
    assert getattr(sim.renders[-1][1], field) == expected


def test_a_decks_own_chords_stand_before_those_of_all_and_off_is_none():
    sim = simulation(decks=("a", "b"))
    sim.send("chords", "Am")
    sim.send("deck/b/chords", "F")
    key = {name: deck.want.base.chords for name, deck in sim.conductor.scheduler.decks.items()}
    assert key == {"a": ((45, 57, 60, 64),), "b": ((41, 53, 57, 60),)}
    sim.send("deck/b/chords", "off")
    assert sim.conductor.scheduler.decks["b"].want.base.chords == ()


def test_chords_for_all_decks_land_on_one_frame():
    sim = simulation(decks=("a", "b"), transport__quantum="beat", render_seconds=0.7)
    sim.send("chords", "Dm7 G7")
    sim.run_to(30000)
    launches = [message for message in sim.sent(LaunchBank) if message.at_frame > 20000]
    assert {message.deck for message in launches} == {"a", "b"} and len({m.at_frame for m in launches}) == 1


def test_the_key_of_the_set_changes_on_both_decks_on_one_frame():
    sim = simulation(decks=("a", "b"), transport__quantum="beat", render_seconds=0.7)
    reply = sim.send("key", "E minor")
    assert isinstance(reply, Accepted) and reply.landing is not None
    sim.run_to(30000)
    launches = [message for message in sim.sent(LaunchBank) if message.at_frame > 20000]
    assert {message.deck for message in launches} == {"a", "b"} and len({m.at_frame for m in launches}) == 1
    assert {deck.sounding.key.base.key for deck in sim.conductor.scheduler.decks.values()} == {"E minor"}
    assert {request.key for frame, request in sim.renders if frame >= 20000} == {"E minor"}


def test_a_transposer_moves_the_chords_as_well():
    sim = simulation(deck__a__chords="Am")
    sim.send("deck/a/transpose", 2)
    assert sim.conductor.scheduler.decks["a"].want.base.chords == ((47, 59, 62, 66),)


def test_a_chord_that_is_none_is_refused_and_nothing_is_rendered():
    sim = simulation()
    renders, state = len(sim.renders), sim.conductor.state
    reply = sim.send("deck/a/chords", "Am Q")
    assert isinstance(reply, Rejected) and "'Q' is not a chord; write names such as Am7" in reply.reason
    assert sim.conductor.state is state and len(sim.renders) == renders


def test_loops_are_placed_with_the_stems_of_the_model():
    sim = simulation()
    assert {message.loop.stems for message in sim.sent(PlaceLoop)} == {STEMS}


def test_the_tree_shows_every_stem():
    paths = [path for path in standard_tree(("a",), STEMS).parameters if "/stem/" in path and "/fx/" not in path]
    assert paths == [
        f"deck/a/stem/{stem}/{name}" for stem in STEMS for name in ("gain", "mute", "solo", "again", "freeze")
    ]


def test_what_keeps_a_stem_is_never_heard_as_a_draft():
    sim = simulation(deck__a__stem__drums__freeze=True)
    drafts = {request.steps for _, request in sim.renders}
    assert drafts == {4, 8}
    sim.send("deck/a/again", True)
    sim.run_to(60000)
    assert {request.steps for _, request in sim.renders if request.retakes} == {8}
    assert sim.sent(LaunchBank)[-1].at_frame % 2000 == 0
