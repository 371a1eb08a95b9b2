"""A moment as a link: opened elsewhere it gives the same requests to the renderer, and says so where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command
from riffengine.performance.insert_parameters import plugin_row
from riffengine.performance.parameter_tree import ControlClass, Parameter
from riffengine.performance.parameters import standard_tree
from riffengine.performance.state import PerformanceState
from riffengine.web.coming_plugins import ComingPlugins
from riffengine.web.messages import Changes, Parameters
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
    assert "secret" not in repr(read_moment(write_moment(moment)))
    assert "deck/a/init is a sound" in differences(read_moment(write_moment(moment)), HERE)[0]
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
    assert "48000 Hz" in differences(replace(HERE, sample_rate=48000), replace(HERE, sample_rate=44100))[0]
    assert differences(HERE, replace(HERE, sample_rate=44100)) == ()  # a link of an earlier version


DRIVE = Parameter("deck/a/fx/1/drive", "float", 2.0, ControlClass.IMMEDIATE, "Fuzz: drive", 0, 24, "dB")
TONE = Parameter("deck/a/fx/1/tone", "float", 0.5, ControlClass.IMMEDIATE, "Fuzz: tone", 0, 1)
DEPTH = Parameter("deck/a/fx/1/depth", "float", 0.0, ControlClass.IMMEDIATE, "Chorus: depth", 0, 1)
ROOM = Parameter("deck/a/fx/2/room", "float", 0.0, ControlClass.IMMEDIATE, "Reverb: room", 0, 1)
FUZZ, CHORUS, REVERB = "lv2:urn:fuzz", "lv2:urn:chorus", "lv2:urn:reverb"


def test_the_plugins_of_a_link_are_set_one_after_the_other_when_they_have_been_loaded() -> None:
    first, second = plugin_row("deck/a", 1), plugin_row("deck/a", 2)
    everything = [*TREE.parameters.values(), first, DRIVE, TONE, second, ROOM]
    values = {row.path: row.default for row in everything if row.kind != "trigger"}
    values |= {first.path: FUZZ, DRIVE.path: 6.0, second.path: REVERB, ROOM.path: 0.25}
    moment = read_moment(write_moment(moment_of(everything, values, HERE)[0]))

    here = [*TREE.parameters.values(), first, DEPTH]  # another plugin stands there
    there = {row.path: row.default for row in here if row.kind != "trigger"} | {first.path: CHORUS, DEPTH.path: 0.7}
    wanted, missing = changes_to(moment, here, there)
    assert (wanted, missing) == ({first.path: FUZZ}, ())
    coming = ComingPlugins()
    coming.open(moment, here, there)
    assert coming.changes(here, there) == {}
    there[first.path] = FUZZ  # named, while the other one still plays
    assert coming.changes(here, there) == {}
    here = [*TREE.parameters.values(), first, DRIVE, TONE, second]  # loaded, and there is a second place now
    assert coming.changes(here, there) == {}  # its values follow
    there |= {DRIVE.path: 2.0, TONE.path: 0.9, second.path: ""}
    assert coming.changes(here, there) == {DRIVE.path: 6.0, TONE.path: 0.5, second.path: REVERB}
    assert coming.changes(here, there) == {}
    there |= {second.path: REVERB, ROOM.path: 0.0}
    assert coming.changes([*here, ROOM], there) == {ROOM.path: 0.25}
    assert coming.changes([*here, ROOM], there) == {}


def test_a_plugin_that_cannot_be_opened_is_not_waited_for_and_one_that_plays_is_set_at_once() -> None:
    first = plugin_row("deck/a", 1)
    rows = [*TREE.parameters.values(), first, DRIVE]
    values = {row.path: row.default for row in rows if row.kind != "trigger"} | {first.path: FUZZ, DRIVE.path: 6.0}
    moment = moment_of(rows, values, HERE)[0]
    assert changes_to(moment, rows, {**values, DRIVE.path: 1.0}) == ({DRIVE.path: 6.0}, ())
    coming, here = ComingPlugins(), [*TREE.parameters.values(), first]
    coming.open(moment, here, {**values, first.path: ""})
    assert coming.changes(here, {**values, first.path: FUZZ}) == {}
    assert coming.changes(here, {**values, first.path: ""}) == {}
    assert coming.changes(rows, {**values, first.path: FUZZ, DRIVE.path: 0.0}) == {}


def test_a_deck_that_is_missing_here_makes_it_another_moment() -> None:
    wanted, missing = changes_to(
        replace(HERE, values={"deck/z/prompt": "jazz"}), TREE.parameters.values(), TREE.initial_state().values
    )
    assert wanted == {} and "there is no deck/z/prompt here" in missing[0]


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


def test_a_link_made_after_a_plugin_was_loaded_has_its_parameters_and_sets_them_where_it_is_loaded_later() -> None:
    first = plugin_row("deck/a", 1)

    async def body() -> None:
        async with site() as web:
            page = await web.control()
            known = tuple(web.engine.tree.parameters.values())
            web.engine.tree.join((first, DRIVE))
            web.pipe.send(Parameters((*known, first, DRIVE)))
            web.pipe.send(Changes({first.path: FUZZ, DRIVE.path: 6.0}))
            await until(page, "changes")
            await page.send_json({"type": "share", "id": 1})
            text = (await until(page, "shared"))["text"]
            assert read_moment(text).values == {first.path: FUZZ, DRIVE.path: 6.0}
            web.pipe.send(Parameters((*known, first)))
            web.pipe.send(Changes({first.path: ""}))
            await until(page, "changes")
            await page.send_json({"type": "open", "id": 2, "text": text})
            assert (await until(page, "opened"))["same"]
            await web.answer()
            web.pipe.send(Changes({first.path: FUZZ}))
            web.pipe.send(Parameters((*known, first, DRIVE)))
            web.pipe.send(Changes({first.path: FUZZ, DRIVE.path: 2.0}))
            await web.answer()
            asked = [(command.path, command.value) for command in web.engine.commands]
            assert asked == [(first.path, FUZZ), (DRIVE.path, 6.0)]

    run(body)
