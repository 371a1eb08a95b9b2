"""The official client and our server in one process, against a web server whose engine the test plays."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import Client

from riffengine.agent.engine_client import EngineClient
from riffengine.agent.server import mcp_server
from riffengine.performance.command import Accepted
from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.messages import Answered, Changes, Figures, Promised, Submit
from riffengine.web.options import WebOptions
from tests.web.site import RATE, Site, run, site

BPM = 120.0
PLAN = [
    {"bars": 0, "values": {"deck/a/prompt": "dub techno"}},
    {"bars": 8, "values": {"deck/a/alpha": 0.5, "deck/a/alpah": 1}},
]
GUEST = WebOptions(port=0, tokens=(("performer", "p" * 20), ("guest", "g" * 20)), guest=("deck/a/alpha",))


async def play(found: Site) -> None:
    """Answer what is submitted and show the time, as an engine does."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        while found.pipe.poll():
            message = found.pipe.recv()
            found.seen.append(message)
            if isinstance(message, Submit):
                reply = found.engine.submit(message.command)
                if isinstance(reply, Accepted):
                    found.pipe.send(Changes({message.command.path: reply.value}))
                    if reply.landing is not None:
                        found.pipe.send(Promised(reply.landing, reply.value, message.command.source))
                found.pipe.send(Answered(message.number, reply))
        frame = round((loop.time() - began) * RATE)
        found.pipe.send(Figures(frame, BeatGrid(RATE, BPM), {}, (), "", False, {}))
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def agent(folder: Path, options: WebOptions | None = None, token: str = "") -> AsyncIterator[tuple[Site, Client]]:
    async with site(options) as found:
        playing = asyncio.get_running_loop().create_task(play(found))
        client = EngineClient(found.url, token, "Claude 5!")
        try:
            async with Client(mcp_server(client, folder)) as connected:
                yield found, connected
        finally:
            playing.cancel()
            await client.close()


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """What the tool gives, as structured content; an error as text."""
    result = await client.call_tool(tool, arguments)
    texts = [block.text for block in result.content if block.type == "text"]
    if result.is_error:
        return "\n".join(texts)
    if result.structured_content is None:
        return json.loads(texts[0])
    return result.structured_content.get("result", result.structured_content)


def test_the_tools_are_few_and_say_what_they_take_and_give(tmp_path: Path) -> None:
    async def check() -> None:
        async with agent(tmp_path) as (_, client):
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert len(tools) <= 12
            assert all(tool.description and tool.input_schema["type"] == "object" for tool in tools.values())
            assert all(tool.output_schema for name, tool in tools.items() if name != "listen")
            assert tools["state"].annotations and tools["state"].annotations.read_only_hint
            assert tools["trigger"].annotations and tools["trigger"].annotations.destructive_hint
            assert {str(one.uri) for one in (await client.list_resources()).resources} == {
                "riff://state", "riff://parameters",
            }  # fmt: skip
            assert (
                "32 bars about: rain"
                in (await client.get_prompt("play_a_set", {"theme": "rain"})).messages[0].content.text
            )  # type: ignore[union-attr]

    run(check)


def test_a_change_is_answered_with_its_landing_and_carries_the_agents_name(tmp_path: Path) -> None:
    async def check() -> None:
        async with agent(tmp_path) as (found, client):
            changes = await call(client, "set_parameters", values={"deck/a/prompt": "dub", "deck/a/alpah": 0.5})
            assert changes[0]["heard_on_beat"] == 16.0
            assert changes[0]["value"] == "dub"
            assert "deck/a/alpha" in changes[1]["refused"]
            assert [(one.path, one.source) for one in found.engine.commands] == [("deck/a/prompt", "mcp:claude-5")]
            state = await call(client, "state")
            assert state["landings"] == {"deck/a/prompt": 16.0}
            assert (state["set"], state["role"], state["bpm"]) == ("test", "performer", BPM)

    run(check)


def test_refusals_are_text_and_change_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with agent(tmp_path) as (found, client):
            before = found.engine.state
            assert "out of range" in str(
                await call(client, "set_parameters", values={"deck/a/seed": -5})
            ) or "at least" in str(await call(client, "set_parameters", values={"deck/a/seed": -5}))
            for tool, arguments, reason in (
                ("ramp", {"path": "deck/a/prompt", "target": 1, "bars": 1}, "only numbers"),
                ("ramp", {"path": "deck/a/alpha", "target": 1, "bars": 99}, "at most 32"),
                ("trigger", {"what": "explode"}, "is no trigger"),
                ("describe", {"prefix": "deck/z"}, "no parameter"),
                ("wait_until", {"bars": 500}, "at most 60 s"),
                ("wait_until", {"landed": "deck/a/prompt"}, "waits to be heard"),
                ("scenes", {"action": "burn"}, "list, store or recall"),
                ("listen", {"bars": 2}, "ask for less"),
                ("save_last", {"bars": 900}, "1 to 64"),
                ("rehearse", {"plan": []}, "rehearse 1 to 32"),
                ("rehearse", {"plan": PLAN, "bars": 4}, "0 to below 4"),
                ("rehearse", {"plan": PLAN, "bars": 999}, "1 to 256"),
                ("rehearse", {"plan": PLAN, "seconds_a_render": 100}, "0.001 to 60"),
            ):
                answer = await call(client, tool, **arguments)
                assert isinstance(answer, str) and reason in answer, (tool, answer)
            assert found.engine.state == before

    run(check)


def test_a_plan_is_rehearsed_and_nothing_of_the_set_changes(tmp_path: Path) -> None:
    async def check() -> None:
        async with agent(tmp_path) as (found, client):
            before = found.engine.state
            slow = await call(client, "rehearse", plan=PLAN, bars=16, seconds_a_render=4.0)
            fast = await call(client, "rehearse", plan=PLAN, bars=16, seconds_a_render=0.1)
            prompt, alpha, unknown = fast["changes"]
            assert 0 < prompt["heard_after_bars"] < 4 and alpha["heard_after_bars"] == pytest.approx(8, abs=0.1)
            assert "no parameter" in unknown["refused"] or "deck/a/alpha" in unknown["refused"]
            assert slow["changes"][0]["heard_after_bars"] > prompt["heard_after_bars"]
            assert slow["render_seconds"] > fast["render_seconds"] > 0 and slow["renderer_busy"] > fast["renderer_busy"]
            assert fast["famines"] == fast["gaps"] == 0 and fast["begins_on_beat"] % 4 == 0
            assert found.engine.state == before and not found.engine.commands

    run(check)


def test_a_ramp_moves_evenly_and_ends_at_its_target(tmp_path: Path) -> None:
    async def check() -> None:
        async with agent(tmp_path) as (found, client):
            change = await call(client, "ramp", path="deck/a/alpha", target=0.8, bars=0.25)
            assert change["value"] == pytest.approx(0.8)
            values = [float(one.value) for one in found.engine.commands]
            assert values == pytest.approx([0.2, 0.4, 0.6, 0.8])

    run(check)


def test_an_agent_with_a_guests_token_is_a_guest(tmp_path: Path) -> None:
    async def check() -> None:
        async with agent(tmp_path, GUEST, "g" * 20) as (found, client):
            changes = await call(client, "set_parameters", values={"deck/a/alpha": 0.25, "deck/a/prompt": "mine"})
            assert changes[0]["value"] == 0.25
            assert "guest" in changes[1]["refused"]
            assert (await call(client, "trigger", what="panic"))["refused"]
            assert found.engine.state["deck/a/prompt"] == found.engine.tree["deck/a/prompt"].default
        async with agent(tmp_path, GUEST, "wrong" * 4) as (_, client):
            assert "token" in await call(client, "state")

    run(check)


def test_it_hears_and_saves_what_was_played(tmp_path: Path) -> None:
    async def check() -> None:
        async with agent(tmp_path) as (found, client):
            await call(client, "state")
            time = np.arange(5 * 2 * RATE) / RATE
            tone = 0.1 * np.sin(2 * np.pi * 440 * time)
            found.play(np.repeat(tone[:, None], 2, axis=1))
            result = await client.call_tool("listen", {"bars": 2})
            figures = json.loads(result.content[0].text)  # type: ignore[union-attr]
            assert figures["peak_db"] == pytest.approx(-20.0, abs=0.2)
            assert figures["brightness_hz"] == pytest.approx(440, rel=0.1)
            assert result.content[1].type == "image"
            saved = [await call(client, "save_last", bars=2) for _ in range(2)]
            assert [Path(one["path"]).exists() for one in saved] == [True, True]
            assert saved[0]["path"] != saved[1]["path"]

    run(check)


def test_an_engine_that_is_not_there_is_told_and_found_when_it_comes(tmp_path: Path) -> None:
    async def check() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        client = EngineClient(f"http://127.0.0.1:{port}")
        async with Client(mcp_server(client, tmp_path)) as connected:
            assert "riffengine play --web" in await call(connected, "state")
            async with site(WebOptions(port=port)):
                assert (await call(connected, "state"))["set"] == "test"
                await client.close()

    run(check)
