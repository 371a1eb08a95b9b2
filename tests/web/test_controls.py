"""The control socket: commands, answers, roles, rates, and what a page that sends nonsense is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiohttp import WSMsgType

from riffengine.control.surface import LandingMoved, ParameterLanded
from riffengine.performance.command import Landing
from riffengine.transport.beat_grid import BeatGrid, Moment
from riffengine.web.messages import Changes, Promised
from riffengine.web.options import Role, WebLimits, WebOptions
from riffengine.web.process import WebStart
from riffengine.web.projection import Projection
from tests.web.site import run, site, until

TOKENS = tuple((str(role), f"{role}-token-0123456789") for role in Role)
WITH_TOKENS = WebOptions(port=0, tokens=TOKENS, guest=("deck/a/alpha",))


def bearer(role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {dict(TOKENS)[role]}"}


def test_the_welcome_holds_the_tree_and_every_value() -> None:
    async def body() -> None:
        async with site() as web:
            wire = await web.client.ws_connect(f"{web.url}/ws/control")
            welcome = await wire.receive_json()
            assert welcome["protocol"] == 1
            assert welcome["role"] == "performer"
            assert [entry["path"] for entry in welcome["schema"]] == list(web.engine.tree.parameters)
            assert welcome["values"] == dict(web.engine.state.values)
            alpha = next(entry for entry in welcome["schema"] if entry["path"] == "deck/a/alpha")
            assert (alpha["low"], alpha["high"], alpha["class"], alpha["deck"]) == (0, 1, "morph", "a")

    run(body)


def test_every_set_has_a_mark_of_its_own_and_a_new_server_of_the_same_set_has_the_same() -> None:
    start = WebStart(WebOptions(), "tap-1", "test", "bundled", 8, ())
    marks = [Projection(each, 44100).welcome("", "", ())["set"] for each in (start, start, replace(start, tap="tap-2"))]
    assert marks[0] == marks[1] != marks[2]


def test_a_landing_that_moves_is_kept_as_it_is_now_however_many_there_are() -> None:
    projection = Projection(WebStart(WebOptions(), "tap", "test", "bundled", 8, ()), 44100)
    for number in range(70):
        projection.handle(Promised(Landing(f"deck/a/{number}", 16.0, 4.0), 1, "osc"))
    projection.handle(LandingMoved(Moment(0, 0, 0, 120), Landing("deck/a/3", 32.0, 8.0, True), "osc"))
    projection.handle(Promised(Landing("deck/a/4", 8.0, 0.0), 1, "osc"))  # now
    landings = {landing["path"]: landing["beat"] for landing in projection.welcome("", "", ())["landings"]}
    assert landings["deck/a/3"] == 32.0
    assert "deck/a/4" not in landings
    assert len(landings) == 63


def test_a_command_is_answered_with_its_landing_and_all_pages_see_it() -> None:
    async def body() -> None:
        async with site() as web:
            one, other = await web.control(), await web.control()
            web.show(BeatGrid(44100, 120.0))
            await until(one, "figures")
            await one.send_json({"type": "set", "id": "x", "path": "deck/a/prompt", "value": "dub techno"})
            await web.answer()
            answer = await until(one, "answer")
            assert answer["ok"] and answer["id"] == "x"
            assert answer["landing"] == {"beat": 16.0, "frame": 16 * 22050, "seconds": 1.25}
            web.pipe.send(Changes({"deck/a/prompt": "dub techno"}))
            assert (await until(other, "changes"))["values"] == {"deck/a/prompt": "dub techno"}

    run(body)


def test_a_page_that_comes_later_is_told_of_landings_that_are_ahead_and_not_of_those_that_are_heard() -> None:
    async def body() -> None:
        async with site() as web:
            early = await web.control()
            web.show(BeatGrid(44100, 120.0))
            for path, beat in (("deck/a/prompt", 16.0), ("deck/b/prompt", 24.0)):
                web.pipe.send(Promised(Landing(path, beat, 4.0), "techno", "osc:127.0.0.1:9001"))
            web.pipe.send(LandingMoved(Moment(0, 0, 0, 120), Landing("deck/b/prompt", 32.0, 8.0, True), "web:1"))
            web.pipe.send(ParameterLanded(Moment(352800, 8.0, 16.0, 120.0), "deck/a/prompt", "techno", "web:1"))
            assert (await until(early, "landed"))["frame"] == 352800
            late = await web.client.ws_connect(f"{web.url}/ws/control")
            landings = (await late.receive_json())["landings"]
            assert [(landing["path"], landing["beat"], landing["moved"]) for landing in landings] == [
                ("deck/b/prompt", 32.0, True)
            ]

    run(body)


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ("{", "not JSON"),
        ("[" * 3000, "not JSON"),
        ("[]", "type of a message"),
        ('{"type": "__class__"}', "type of a message"),
        ('{"type": "set", "path": "deck/a/gain"}', "set needs value"),
        ('{"type": "set", "path": {"a": 1}, "value": [2]}', "set needs path and value"),
    ],
)
def test_nonsense_is_answered_and_never_reaches_the_engine(sent: str, problem: str) -> None:
    async def body() -> None:
        async with site() as web:
            wire = await web.control()
            await wire.send_str(sent)
            answer = await until(wire, "answer")
            assert not answer["ok"] and problem in answer["error"]
            await wire.send_json({"type": "set", "id": 2, "path": "deck/a/gian", "value": 1})
            await web.answer()
            assert "deck/a/gain" in (await until(wire, "answer"))["error"]
            assert [command.path for command in web.engine.commands] == ["deck/a/gian"]

    run(body)


def test_a_message_that_is_too_long_ends_the_socket() -> None:
    async def body() -> None:
        async with site() as web:
            wire = await web.control()
            await wire.send_str("x" * 5000)
            while (message := await wire.receive()).type is WSMsgType.TEXT:
                pass
            assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)

    run(body)


def test_more_messages_than_allowed_are_dropped_and_one_answer_says_so() -> None:
    async def body() -> None:
        limits = WebLimits(messages_per_second=1e-6, burst_messages=5)
        async with site(limits=limits) as web:
            wire = await web.control()
            for number in range(50):
                await wire.send_json({"type": "ping", "id": number})
            messages = [await wire.receive_json() for _ in range(6)]
            assert [message["type"] for message in messages] == ["pong"] * 5 + ["answer"]
            assert "messages a second" in messages[-1]["error"]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await wire.receive_json()

    run(body)


def test_each_role_does_what_it_may() -> None:
    async def body() -> None:
        async with site(WITH_TOKENS) as web:
            performer, guest, listener = [await web.control(headers=bearer(role)) for role in Role]
            for wire, words in ((guest, "a guest may set deck/a/alpha"), (listener, "a listener only listens")):
                await wire.send_json({"type": "set", "id": 1, "path": "deck/a/prompt", "value": "techno"})
                assert words in (await until(wire, "answer"))["error"]
            await guest.send_json({"type": "set", "id": 2, "path": "deck/a/alpha", "value": 0.5})
            await web.answer()
            assert (await until(guest, "answer"))["ok"]
            assert [command.path for command in web.engine.commands] == ["deck/a/alpha"]
            await listener.send_json({"type": "vote", "id": 3, "text": "techno"})
            assert "does not vote" in (await until(listener, "answer"))["error"]
            await guest.send_json({"type": "vote", "id": 4, "text": " Dub   techno "})
            votes = await until(performer, "votes")
            assert votes["prompts"] == [{"text": "dub techno", "votes": 1}]
            await guest.send_json({"type": "accept", "id": 5, "text": "dub techno", "path": "deck/a/prompt"})
            assert "only a performer" in (await until(guest, "answer"))["error"]
            await performer.send_json({"type": "accept", "id": 6, "text": "dub techno", "path": "deck/a/prompt"})
            await web.answer()
            assert web.engine.commands[-1].source == "web:votes"
            assert (await until(performer, "votes"))["prompts"] == []

    run(body)


def test_an_engine_that_has_ended_ends_the_server() -> None:
    async def body() -> None:
        async with site() as web:
            wire = await web.control()
            web.pipe.close()
            async with asyncio.timeout(5):
                while (await wire.receive()).type is WSMsgType.TEXT:
                    pass

    run(body)
