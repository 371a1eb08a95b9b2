"""Prompt lists, the outlook that lamps show, and panic, on virtual time with the real Conductor."""

from __future__ import annotations

from random import Random

import pytest

from riffengine.performance.command import Accepted, Rejected
from riffengine.performance.progress import Phase
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.prompt_picker import PromptPicker
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.scene_player import ScenePlayer
from tests.scheduler.simulation import Hall
from tests.scheduler.test_scene_player import Front

LISTS = PromptLists((("warm", ("house", "dub", "jazz")), ("cold", ("techno",))))


class PadHall(Hall):
    def __init__(self, *args, lists=LISTS, **values):
        super().__init__(*args, deck__a__prompt="house", transport__quantum="beat", **values)
        self.plain = self.conductor
        self.scene_player = ScenePlayer(self.conductor, (), PromptPicker(lists, Random(1)))
        self.conductor = Front(self.scene_player, self.conductor)

    def prompt(self, deck="a"):
        return self.conductor.state[f"deck/{deck}/prompt"]

    def phase(self):
        return self.plain.progress(self.scene_player.book).decks["a"].phase


def test_pads_pick_walk_and_choose_by_chance():
    hall = PadHall().run_to(8000)
    reply = hall.send("deck/a/prompts/pick", 3)
    assert isinstance(reply, Accepted) and reply.value == 3 and reply.landing.seconds > 0
    assert hall.prompt() == "jazz"
    hall.send("deck/a/prompts/next", True)
    assert hall.prompt() == "house"  # round and round
    hall.send("deck/a/prompts/previous", True)
    assert hall.prompt() == "jazz"
    for _ in range(20):
        before = hall.prompt()
        hall.send("deck/a/prompts/random", True)
        assert hall.prompt() in {"house", "dub", "jazz"} - {before}


def test_letting_go_of_a_pad_asks_for_nothing():
    hall = PadHall().run_to(8000)
    hall.send("deck/a/prompts/next", False)
    assert hall.prompt() == "house"


def test_banks_belong_to_a_deck_and_sound_only_when_picked_from():
    hall = PadHall(("a", "b")).run_to(8000)
    serials = hall.plain.serials()
    assert isinstance(hall.send("deck/b/prompts/bank", 2), Accepted)
    assert hall.plain.serials() == serials
    hall.send("deck/b/prompts/pick", 1)
    assert (hall.prompt("a"), hall.prompt("b")) == ("house", "techno")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [("prompts/pick", 4, "3 prompts"), ("prompts/bank", 3, "1 warm, 2 cold"), ("prompts/pick", 0, "from 1 to")],
)
def test_what_no_list_has_is_refused_and_changes_nothing(path, value, said):
    hall = PadHall().run_to(8000)
    before = hall.conductor.state
    reply = hall.send(f"deck/a/{path}", value)
    assert isinstance(reply, Rejected) and said in reply.reason
    assert hall.conductor.state is before


def test_without_lists_a_pad_says_what_to_do():
    reply = PadHall(lists=PromptLists()).run_to(8000).send("deck/a/prompts/random", True)
    assert isinstance(reply, Rejected) and "under prompts:" in reply.reason


def test_undo_takes_the_prompt_back_and_a_scene_holds_no_pad():
    hall = PadHall().run_to(8000)
    hall.send("deck/a/prompts/pick", 2)
    hall.send("undo", True)
    assert hall.prompt() == "house"
    hall.send("scene/store", "now")
    assert not [path for path in hall.scene_player.book.scenes[0].values if "prompts/" in path or path == "learn"]


def test_learn_knows_the_tree():
    hall = PadHall().run_to(8000)
    assert isinstance(hall.send("learn", "deck/a/alpha"), Accepted)
    reply = hall.send("learn", "deck/a/aplha")
    assert isinstance(reply, Rejected) and "deck/a/alpha" in reply.reason
    assert isinstance(hall.send("learn", ""), Accepted)


def test_the_outlook_goes_through_all_its_phases():
    hall = PadHall(render_seconds=0.4)
    seen = [hall.phase()]

    def watch(until):
        while hall.frame < until:
            hall.run_to(hall.frame + 10)
            if hall.phase() is not seen[-1]:
                seen.append(hall.phase())

    watch(8100)
    assert seen[-1] is Phase.PLAYING and Phase.RENDERING in seen
    del seen[:-1]
    hall.send("deck/a/prompt", "dub")
    seen.append(hall.phase())
    watch(12000)
    phases = [phase for phase in seen if phase is not Phase.QUEUED]
    assert phases == [Phase.PLAYING, Phase.RENDERING, Phase.READY, Phase.PLAYING]
    sounding = hall.plain.progress(hall.scene_player.book).decks["a"].sounding
    assert sounding["prompt"] == "dub"


def test_the_outlook_tells_of_a_prompt_that_will_not_render():
    hall = PadHall(render_seconds=0.1).run_to(8100)
    hall.fail = lambda request: request.start.prompt == "dub"
    hall.send("deck/a/prompt", "dub")
    hall.run_to(40000)
    assert hall.phase() is Phase.FAILED
    assert hall.plain.progress(hall.scene_player.book).decks["a"].sounding["prompt"] == "house"


def test_panic_is_a_fade_of_at_most_30_ms_from_the_next_block_on():
    hall = PadHall().run_to(8100)
    hall.send("panic", True)
    fades = [m for _, m in hall.player if isinstance(m, SetControl) and m.name == "fade"]
    assert (fades[-1].value, fades[-1].at_frame) == (0.0, None)
    assert 0 < fades[-1].ramp_frames / hall.conductor.grid.sample_rate <= 0.030
    assert hall.plain.progress(hall.scene_player.book).panicked
