"""Scenes, glides, undo and redo on virtual time, with the real Conductor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from riffengine.performance.command import Accepted, Command, Rejected
from riffengine.performance.scenes import Scene
from riffengine.performance.takes import MOST_TAKES
from riffengine.processes.player_messages import LaunchBank
from riffengine.scheduler.actions import Applied, Policy
from riffengine.scheduler.scene_player import ScenePlayer
from tests.scheduler.simulation import SchedulerSimulation

DROP = Scene("drop", {"deck/a/prompt": "techno", "deck/b/prompt": "acid", "deck/a/gain": -6.0, "deck/a/alpha": 0.0})


class ConductorWithScenes:
    """A ScenePlayer in front of a Conductor, as the engine has them."""

    def __init__(self, scene_player, conductor):
        self._scene_player, self._conductor = scene_player, conductor
        self.tick, self.next_wakeup, self.submit = scene_player.tick, scene_player.next_wakeup, scene_player.submit

    def __getattr__(self, name):
        return getattr(self._conductor, name)


class ScenePlayerSimulation(SchedulerSimulation):
    def __init__(self, *args, scenes=(DROP,), **values):
        super().__init__(*args, **values)
        self.scene_player = ScenePlayer(self.conductor, scenes)
        self.conductor = ConductorWithScenes(self.scene_player, self.conductor)

    def value(self, path):
        return self.conductor.state[path]

    def launched(self, after=0):
        return [(m.deck, m.at_frame) for frame, m in self.player if isinstance(m, LaunchBank) and frame >= after]


def test_a_scene_lands_on_all_decks_on_one_frame_though_one_renders_long_before_the_other():
    sim = ScenePlayerSimulation(("a", "b"), transport__quantum="beat", render_seconds=0.7).run_to(12000)
    reply = sim.send("scene/recall", "drop")
    assert isinstance(reply, Accepted) and reply.value == "drop" and reply.landing.seconds > 1.0
    sim.run_to(20000)
    landed = sim.launched(12000)[:2]
    assert [deck for deck, _ in landed] == ["a", "b"] and len({frame for _, frame in landed}) == 1
    assert landed[0][1] == sim.conductor.scheduler.timeline.frame_of(reply.landing.beat)
    made = {a.command.path: a.command.value for _, a in sim.actions if isinstance(a, Applied)}
    assert made == {"deck/a/prompt": "techno", "deck/b/prompt": "acid", "deck/a/gain": -6.0}  # alpha was 0 already


def test_without_the_scene_each_deck_lands_when_it_is_ready():
    sim = ScenePlayerSimulation(("a", "b"), transport__quantum="beat", render_seconds=0.7).run_to(12000)
    sim.send("deck/a/prompt", "techno")
    sim.send("deck/b/prompt", "acid")
    sim.run_to(20000)
    assert len({frame for _, frame in sim.launched(12000)[:2]}) == 2


def test_scenes_are_found_by_name_by_number_and_along_the_setlist():
    scenes = [Scene(name, {"deck/a/gain": -float(n)}) for n, name in enumerate(("intro", "verse", "outro"), 1)]
    sim = ScenePlayerSimulation(scenes=scenes).run_to(8000)
    for path, value, gain in (
        ("scene/next", True, -1.0),
        ("scene/next", True, -2.0),
        ("scene/recall", "3", -3.0),
        ("scene/previous", True, -2.0),
        ("scene/recall", "INTRO", -1.0),
        ("scene/next", 0, -1.0),  # a button let go
    ):
        assert isinstance(sim.send(path, value), Accepted)
        assert sim.value("deck/a/gain") == gain
    assert sim.value("scene/recall") == "intro"
    for path, value, word in (
        ("scene/previous", True, "first"), ("scene/recall", "chorus", "no scene"), ("scene/recall", 3, "wrong type"),
        ("scene/recall", "4", "no scene"), ("scene/store", " ", "name"),
    ):  # fmt: skip
        before = sim.conductor.state
        reply = sim.send(path, value)
        assert isinstance(reply, Rejected) and word in reply.reason
        assert sim.conductor.state is before


def test_a_stored_scene_comes_back_as_it_was_but_for_the_instrument():
    sim = ScenePlayerSimulation(scenes=()).run_to(8000)
    sim.send("deck/a/prompt", "dub")
    sim.send("master/gain", -3.0)
    sim.send("scene/store", "here")
    kept = dict(sim.conductor.state.values)
    sim.run_to(16000)
    for path, value in (("deck/a/prompt", "jazz"), ("deck/a/gain", -9.0), ("master/gain", -20.0), ("steps", 12)):
        sim.send(path, value)
    sim.run_to(24000)
    sim.send("scene/recall", "here")
    changed = {path for path, value in sim.conductor.state.values.items() if value != kept[path]}
    assert changed == {"master/gain", "steps", "scene/recall"}


def test_a_glide_morphs_into_the_words_and_moves_the_faders_in_sixteenths_and_arrives_on_the_bar():
    sim = ScenePlayerSimulation(scene__morph_bars=4.0).run_to(16000)  # beat 32
    reply = sim.send("scene/recall", "drop")
    assert reply.landing.beat == 48.0
    assert sim.value("deck/a/to") == "techno" and sim.value("deck/a/prompt") != "techno"
    sim.run_to(20000)
    assert -6.0 < sim.value("deck/a/gain") < -1.0 and 0.0 < sim.value("deck/a/alpha") < 0.6
    ramps = [m for m in sim.controls("deck/a/gain") if m.at_frame is not None]
    assert len(ramps) >= 10 and all(m.at_frame % 125 == 0 and m.ramp_frames == 125 for m in ramps)
    first_turn = next(m for m in sim.controls("deck/a/alpha") if m.at_frame is not None)
    assert first_turn.at_frame >= sim.launched(16000)[0][1]  # the knob waits for the morph to have landed
    sim.run_to(28000)
    assert not sim.scene_player.morphing
    for path, value in DROP.values.items():
        assert path not in sim.conductor.state.values or sim.value(path) == value
    assert sim.launched(20000)[-1][1] == 24000  # beat 48
    alphas = [m.value for m in sim.controls("deck/a/alpha") if m.ramp_frames == 125]
    assert alphas == sorted(alphas) and alphas[-1] == 1.0


def test_a_hand_takes_its_fader_out_of_a_glide_and_a_knob_in_the_middle_switches_on_arrival():
    sim = ScenePlayerSimulation(scene__morph_bars=4.0, deck__a__alpha=0.5).run_to(16000)
    sim.send("scene/recall", "drop")
    assert sim.value("deck/a/to") == ""
    sim.run_to(18000)
    sim.send("deck/a/gain", 3.0)
    sim.run_to(22000)
    assert sim.value("deck/a/gain") == 3.0 and sim.value("deck/a/prompt") != "techno"
    sim.run_to(28000)
    assert sim.value("deck/a/gain") == -6.0 and sim.value("deck/a/prompt") == "techno"


def test_files_of_scenes_and_of_what_can_be_undone_are_in_use():
    painted = Scene("painted", {"deck/b/init": "scene.flac", "deck/a/prompt": "x/init"})
    player = ScenePlayerSimulation(("a", "b"), scenes=(DROP, painted)).scene_player
    player._history.record({"deck/a/init": "before.flac"}, {"deck/a/init": ""}, 0.0)
    assert player.files_in_use() == {"scene.flac", "before.flac"}
    assert player.files_of(Command("undo", True)) == ("before.flac",)
    assert player.files_of(Command("scene/recall", "painted")) == ("scene.flac",)
    assert player.files_of(Command("scene/recall", "drop")) == player.files_of(Command("redo", True)) == ()
    assert player.files_of(Command("deck/a/init", "now.flac")) == ("now.flac",)
    player._history.undo()
    player._history.record({"deck/a/init": ""}, {"deck/a/init": "after.flac"}, 1.0)
    assert player.files_in_use() == {"scene.flac", "after.flac"}  # what was undone cannot be done again now


def test_undo_before_the_landing_is_never_heard():
    sim = ScenePlayerSimulation(transport__quantum="4bars").run_to(16500)
    banks, renders = len(sim.launched()), len(sim.renders)
    sim.send("deck/a/prompt", "techno")
    sim.run_to(18000)
    assert len(sim.renders) > renders
    assert isinstance(sim.send("undo", True), Accepted)
    sim.run_to(40000)
    assert len(sim.launched()) == banks and sim.value("deck/a/prompt") == "ambient piano"
    reply = sim.send("redo", True)
    sim.run_to(60000)
    assert sim.value("deck/a/prompt") == "techno" and len(sim.launched()) == banks + 1
    assert reply.landing.beat % 16 == 0


def test_undo_takes_back_scenes_and_next_and_whole_gestures_but_never_the_drift():
    sim = ScenePlayerSimulation(deck__a__drift=0.05).run_to(8000)
    for move in range(20):
        sim.send("deck/a/gain", -move / 10)
    sim.run_to(12000)
    sim.send("scene/recall", "drop")
    sim.run_to(16000)
    sim.send("next", True)
    assert sim.value("deck/a/seed") == 1
    sim.send("undo", True)
    assert sim.value("deck/a/seed") == 0 and sim.value("deck/a/prompt") == "techno"
    sim.send("undo", True)
    assert sim.value("deck/a/prompt") == "ambient piano" and sim.value("deck/a/gain") == -1.9
    sim.send("undo", True)
    assert sim.value("deck/a/gain") == 0.0
    reply = sim.send("undo", True)
    assert isinstance(reply, Rejected) and "nothing to undo" in reply.reason
    alpha = sim.value("deck/a/alpha")
    sim.run_to(20000)
    assert sim.value("deck/a/alpha") > alpha  # the drift goes on


def test_what_a_command_would_set_besides_is_told_and_nothing_is_set():
    sim = ScenePlayerSimulation(("a", "b")).run_to(12000)
    sim.send("deck/a/filter", 0.5)

    def also(path, value=True):
        return set(sim.scene_player.also_sets(Command(path, value, "mcp:agent")))

    before = sim.conductor.state
    drop = {"deck/a/prompt", "deck/b/prompt", "deck/a/gain"}  # alpha is 0 already
    assert also("scene/recall", "drop") == also("scene/next") == drop
    assert also("undo") == {"deck/a/filter"} and also("redo") == set()
    assert also("deck/a/prompts/next") == {"deck/a/prompt"}
    assert also("scene/recall", "nothing") == also("scene/previous") - drop == also("deck/a/gain", -6.0) == set()
    assert sim.conductor.state == before
    sim.send("undo", True)
    assert also("redo") == {"deck/a/filter"} and sim.value("deck/a/filter") == 0.0
    sim.send("scene/morph_bars", 2.0)
    assert also("scene/recall", "drop") == drop | {"deck/a/to", "deck/a/alpha", "deck/b/to", "deck/b/alpha"}


def test_a_refused_command_is_nothing_to_undo():
    sim = ScenePlayerSimulation().run_to(8000)
    sim.send("deck/a/gain", 99.0)
    assert isinstance(sim.send("undo", True), Rejected)
    assert isinstance(sim.scene_player.submit(Command("no/such", 1), sim.frame)[0], Rejected)


@pytest.mark.parametrize("frame", [16500, 17000, 17900, 17960])
def test_undo_of_a_scene_on_two_decks_at_any_time_before_its_launch_leaves_both(frame):
    sim = ScenePlayerSimulation(("a", "b"), transport__quantum="2bars").run_to(16100)
    banks = len(sim.launched())
    sim.send("scene/recall", "drop")
    sim.run_to(frame)
    launched = len(sim.launched()) - banks
    sim.send("undo", True)
    sim.run_to(40000)
    assert len(sim.launched()) - banks == 2 * launched  # what was on its way comes back
    assert launched in (0, 2)


def test_a_glide_arrives_in_its_time_though_the_beat_jumps_back_as_in_a_daw_that_repeats_bars():
    sim = ScenePlayerSimulation(scene__morph_bars=4.0).run_to(16000)  # beat 32
    sim.send("scene/recall", "drop")
    sim.run_to(20000)
    travelled = sim.value("deck/a/gain")
    jumped = replace(sim.conductor.grid, anchor_frame=20100, anchor_beat=0.0)
    sim.do(sim.conductor.tempo.follow(jumped, True, sim.frame))
    sim.run_to(22000)
    assert -6.0 < sim.value("deck/a/gain") < travelled < 0.0
    sim.run_to(26000)
    assert not sim.scene_player.morphing
    assert sim.value("deck/a/prompt") == "techno" and sim.value("deck/a/gain") == -6.0


def test_a_glide_arrives_in_its_time_though_the_beat_jumps_ahead_as_in_a_daw_that_goes_to_another_place():
    sim = ScenePlayerSimulation(scene__morph_bars=4.0).run_to(16000)  # beat 32
    sim.send("scene/recall", "drop")
    sim.run_to(20000)
    travelled = sim.value("deck/a/gain")
    jumped = replace(sim.conductor.grid, anchor_frame=20100, anchor_beat=4000.0)
    sim.do(sim.conductor.tempo.follow(jumped, True, sim.frame))
    sim.run_to(20200)
    assert sim.scene_player.morphing
    assert sim.value("deck/a/gain") == pytest.approx(travelled, abs=0.3)  # no step was taken at once
    sim.run_to(22000)
    assert -6.0 < sim.value("deck/a/gain") < travelled - 1.0
    sim.run_to(26000)
    assert not sim.scene_player.morphing
    assert sim.value("deck/a/prompt") == "techno" and sim.value("deck/a/gain") == -6.0


@pytest.mark.parametrize("stall_frames", [500, 2000, 5000])
def test_a_glide_is_where_it_should_be_after_the_engine_stood_still(stall_frames):
    sims = [ScenePlayerSimulation(scene__morph_bars=4.0).run_to(16000) for _ in range(2)]
    for sim in sims:
        sim.send("scene/recall", "drop")
        sim.run_to(18000)
    stood = sims[0]
    stood.frame += stall_frames
    for sim in sims:
        sim.run_to(18100 + stall_frames)
    assert stood.value("deck/a/gain") == pytest.approx(sims[1].value("deck/a/gain"))


def test_a_scene_holds_every_take_that_again_can_make():
    stems = ("drums", "bass", "harmony")
    sim = ScenePlayerSimulation(stems=stems, policy=Policy(loop_beats=16)).run_to(5000)
    for first in (1, 2) * 7:  # every second beat is frozen, so that each take hides none of those before it
        sim.send("deck/a/freeze/beats", ",".join(map(str, range(first, 17, 2))))
        assert isinstance(sim.send("deck/a/again", True), Accepted)
    takes = sim.value("deck/a/takes")
    assert len(takes.split()) == MOST_TAKES
    sim.send("scene/store", "takes")
    sim.send("deck/a/takes", "")
    sim.send("scene/recall", "takes")
    assert sim.value("deck/a/takes") == takes
