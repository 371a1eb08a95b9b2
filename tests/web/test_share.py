"""A moment as a link: opened elsewhere it gives the same requests to the renderer, and says so where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command
from riffengine.performance.parameters import standard_tree
from riffengine.performance.state import PerformanceState
from riffengine.web.messages import Changes
from riffengine.web.share import Moment, changes_to, differences, moment_of, read_moment, write_moment
from tests.web.site import run, site, until

TREE = standard_tree(("a", "b"), ("drums", "bass"))
HERE = Moment("bundled", "0123456789abcdef", 8, 32.0, {})
PLAYED: dict[str, Any] = {
    "deck/a/prompt": "Dub-Techno, größer “leise”", "deck/a/to": "ambient choir", "deck/a/seed": 41, "deck/a/alpha": 0.3,
    "deck/a/takes": "drums:1-4:2", "deck/b/prompt": "jazz", "deck/b/drift": 0.1, "key": "A minor",
    "chords": "Am7 F C G",
    "transport/tempo": 93.75, "deck/a/density": -0.5, "steps": 12, "crossfader": 0.25, "transport/clock_out": True,
}  # fmt: skip


def played() -> PerformanceState:
    state = TREE.initial_state()
    for path, value in PLAYED.items():
        state, reply = TREE.apply(state, Command(path, value))
        assert isinstance(reply, Accepted), reply
    return state


def link(state: PerformanceState) -> str:
    moment, notes = moment_of(TREE.parameters.values(), state.values, HERE)
    assert notes == ()
    return write_moment(moment)


def test_a_link_gives_the_same_intents_on_a_fresh_engine_and_leaves_alone_what_is_of_the_place() -> None:
    there = TREE.initial_state()
    for path, value in {"deck/b/seed": 99, "midi/notes_out": True, "deck/a/negative": "drums"}.items():
        there, _ = TREE.apply(there, Command(path, value))
    moment = read_moment(link(played()))
    wanted, notes = changes_to(moment, TREE.parameters.values(), there.values)
    for path, value in wanted.items():
        there, reply = TREE.apply(there, Command(path, value))
        assert isinstance(reply, Accepted), reply
    assert notes == ()
    for deck in ("a", "b"):
        assert there.deck(deck) == played().deck(deck)
    for path in ("transport/tempo", "key", "chords", "steps", "crossfader"):
        assert there[path] == PLAYED[path]
    assert there["midi/notes_out"] is True and there["transport/clock_out"] is False
    assert len(link(played())) < 700


def test_a_file_of_ones_own_does_not_travel_and_a_packaged_picture_does() -> None:
    state, _ = TREE.apply(TREE.initial_state(), Command("deck/a/init", "/home/me/secret.wav"))
    moment, notes = moment_of(TREE.parameters.values(), state.values, HERE, ("swing",))
    assert moment.values == {} and "on this machine alone" in notes[0]
    state, _ = TREE.apply(state, Command("deck/a/init", "swing?mask=keep-low"))
    moment, notes = moment_of(TREE.parameters.values(), state.values, HERE, ("swing",))
    assert moment.values == {"deck/a/init": "swing?mask=keep-low"} and notes == ()


@pytest.mark.parametrize(
    "text", ["", "1.", "2.e30", "1.%%%", "1.e30", "1.W10", "1." + "A" * 4000, "1.eyJtIjoxfQ", "0", "1.bnVsbA"]
)
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(ControlError, match="copy all of it"):
        read_moment(text)


def test_a_link_of_other_weights_says_that_the_loops_are_others() -> None:
    assert differences(HERE, HERE) == ()
    assert "weights" in differences(replace(HERE, weights="fedcba9876543210"), HERE)[0]
    assert "model" in differences(replace(HERE, model="riffusion/riffusion-model-v1"), HERE)[0]
    assert "4 beats" in differences(replace(HERE, loop_beats=4), HERE)[0]


def test_one_page_shares_and_another_opens_it() -> None:
    async def body() -> None:
        async with site() as web:
            page = await web.control()
            await page.send_json({"type": "set", "id": 1, "path": "deck/a/prompt", "value": "dub techno"})
            await web.answer()
            web.pipe.send(Changes({"deck/a/prompt": "dub techno"}))
            await until(page, "changes")
            await page.send_json({"type": "share", "id": 2})
            shared = await until(page, "shared")
            assert shared["notes"] == []
            web.pipe.send(Changes({"deck/a/prompt": "jazz", "deck/a/seed": 5}))
            await until(page, "changes")
            await page.send_json({"type": "open", "id": 3, "text": shared["text"]})
            opened = await until(page, "opened")
            assert (opened["ok"], opened["same"], opened["set"]) == (True, True, 2)
            await web.answer()
            await web.answer()
            asked = [(command.path, command.value) for command in web.engine.commands[1:]]
            assert asked == [("deck/a/prompt", "dub techno"), ("deck/a/seed", 0)]
            await page.send_json({"type": "open", "id": 4, "text": "nonsense"})
            answers = [await until(page, "answer") for _ in range(3)]
            assert [answer["ok"] for answer in answers] == [True, True, False]
            assert "copy all of it" in answers[-1]["error"]

    run(body)
