"""Prompt lists, the progress that LEDs show, and panic, on virtual time with the real Conductor."""

from __future__ import annotations

from random import Random

import pytest

from riffengine.performance.command import Accepted, Rejected
from riffengine.performance.progress import Phase
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.prompt_picker import PromptPicker
from riffengine.processes.player_messages import FADE, SetControl
from riffengine.scheduler.scene_player import ScenePlayer
from tests.scheduler.simulation import SchedulerSimulation
from tests.scheduler.test_scene_player import ConductorWithScenes

LISTS = PromptLists((("warm", ("house", "dub", "jazz")), ("cold", ("techno",))))


class PromptPadSimulation(SchedulerSimulation):
    def __init__(self, *args, lists=LISTS, **values):
        super().__init__(*args, deck__a__prompt="house", transport__quantum="beat", **values)
        self.plain = self.conductor
        self.scene_player = ScenePlayer(self.conductor, (), PromptPicker(lists, Random(1)))
        self.conductor = ConductorWithScenes(self.scene_player, self.conductor)

    def prompt(self, deck="a"):
        return self.conductor.state[f"deck/{deck}/prompt"]

    def phase(self):
        return self.plain.progress(self.scene_player.book).decks["a"].phase


def test_pads_pick_step_and_choose_at_random():
    sim = PromptPadSimulation().run_to(8000)
    reply = sim.send("deck/a/prompts/pick", 3)
    assert isinstance(reply, Accepted) and reply.value == 3 and reply.landing.seconds > 0
    assert sim.prompt() == "jazz"
    sim.send("deck/a/prompts/next", True)
    assert sim.prompt() == "house"  # round and round
    sim.send("deck/a/prompts/previous", True)
    assert sim.prompt() == "jazz"
    for _ in range(20):
        before = sim.prompt()
        sim.send("deck/a/prompts/random", True)
        assert sim.prompt() in {"house", "dub", "jazz"} - {before}


def test_letting_go_of_a_pad_asks_for_nothing():
    sim = PromptPadSimulation().run_to(8000)
    sim.send("deck/a/prompts/next", False)
    assert sim.prompt() == "house"


def test_banks_belong_to_a_deck_and_sound_only_when_picked_from():
    sim = PromptPadSimulation(("a", "b")).run_to(8000)
    serials = sim.plain.serials()
    assert isinstance(sim.send("deck/b/prompts/bank", 2), Accepted)
    assert sim.plain.serials() == serials
    sim.send("deck/b/prompts/pick", 1)
    assert (sim.prompt("a"), sim.prompt("b")) == ("house", "techno")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [("prompts/pick", 4, "3 prompts"), ("prompts/bank", 3, "1 warm, 2 cold"), ("prompts/pick", 0, "from 1 to")],
)
def test_what_no_list_has_is_refused_and_changes_nothing(path, value, said):
    sim = PromptPadSimulation().run_to(8000)
    before = sim.conductor.state
    reply = sim.send(f"deck/a/{path}", value)
    assert isinstance(reply, Rejected) and said in reply.reason
    assert sim.conductor.state is before


def test_without_lists_a_pad_says_what_to_do():
    reply = PromptPadSimulation(lists=PromptLists()).run_to(8000).send("deck/a/prompts/random", True)
    assert isinstance(reply, Rejected) and "under prompts:" in reply.reason


def test_undo_takes_the_prompt_back_and_a_scene_holds_no_pad():
    sim = PromptPadSimulation().run_to(8000)
    sim.send("deck/a/prompts/pick", 2)
    sim.send("undo", True)
    assert sim.prompt() == "house"
    sim.send("scene/store", "now")
    assert not [path for path in sim.scene_player.book.scenes[0].values if "prompts/" in path or path == "learn"]


def test_learn_knows_the_tree():
    sim = PromptPadSimulation().run_to(8000)
    assert isinstance(sim.send("learn", "deck/a/alpha"), Accepted)
    reply = sim.send("learn", "deck/a/aplha")
    assert isinstance(reply, Rejected) and "deck/a/alpha" in reply.reason
    assert isinstance(sim.send("learn", ""), Accepted)


def test_the_progress_goes_through_all_its_phases():
    sim = PromptPadSimulation(render_seconds=0.4)
    seen = [sim.phase()]

    def watch(until):
        while sim.frame < until:
            sim.run_to(sim.frame + 10)
            if sim.phase() is not seen[-1]:
                seen.append(sim.phase())

    watch(8100)
    assert seen[-1] is Phase.PLAYING and Phase.RENDERING in seen
    del seen[:-1]
    sim.send("deck/a/prompt", "dub")
    seen.append(sim.phase())
    watch(12000)
    phases = [phase for phase in seen if phase is not Phase.QUEUED]
    assert phases == [Phase.PLAYING, Phase.RENDERING, Phase.READY, Phase.PLAYING]
    sounding = sim.plain.progress(sim.scene_player.book).decks["a"].sounding
    assert sounding["prompt"] == "dub"


def test_the_progress_shows_a_prompt_that_cannot_be_rendered():
    sim = PromptPadSimulation(render_seconds=0.1).run_to(8100)
    sim.fail = lambda request: request.start.prompt == "dub"
    sim.send("deck/a/prompt", "dub")
    sim.run_to(40000)
    assert sim.phase() is Phase.FAILED
    assert sim.plain.progress(sim.scene_player.book).decks["a"].sounding["prompt"] == "house"


def test_panic_is_a_fade_of_at_most_30_ms_from_the_next_block_on():
    sim = PromptPadSimulation().run_to(8100)
    sim.send("panic", True)
    fades = [m for _, m in sim.player if isinstance(m, SetControl) and m.target == FADE]
    assert (fades[-1].value, fades[-1].at_frame) == (0.0, None)
    assert 0 < fades[-1].ramp_frames / sim.conductor.grid.sample_rate <= 0.030
    assert sim.plain.progress(sim.scene_player.book).panicked
