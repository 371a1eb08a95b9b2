"""An agent plays a real engine by itself: the official client, `riffengine mcp` over stdio and HTTP, 32 bars."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from aiohttp import ClientError, ClientSession
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.wire.osc_session import PATIENCE_SECONDS, OscSurface, free_port, playing_set, silences

pytestmark = [pytest.mark.wire, pytest.mark.slow]
BARS = 32
PRESET = """
tempo: 180
quantum: bar
deck:
  a: {prompt: "ambient, pad, calm", seed: 3}
  b: {prompt: "techno, driving", seed: 5, gain: 0}
output: {to: paced, fade_in: 0.02, fade_out: 0.3}
midi: {enabled: false}
web: {port: %d}
"""


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], OscSurface, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with playing_set(PRESET % port, tmp_path) as (process, surface):
        surface.wait_until(lambda s: int(s["jobs_heard"]) >= 1)
        yield process, surface, f"http://127.0.0.1:{port}"


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    text = result.content[0].text  # type: ignore[union-attr]
    assert not result.is_error, text
    if result.structured_content is None:
        return json.loads(text)
    return result.structured_content.get("result", result.structured_content)


async def play_a_set(client: Client, surface: OscSurface) -> int:
    """What a careful agent does; the bars that it played."""
    for _ in range(200):  # the web server may still be starting
        result = await client.call_tool("state", {})
        if not result.is_error:
            break
        await asyncio.sleep(0.2)
    begin = (await call(client, "state"))["bar"]
    assert "techno" in (await call(client, "words", text="tech"))["continuations"]
    plan = [{"bars": 0, "values": {"deck/a/prompt": "house, piano, warm"}}]
    foretold = await call(client, "rehearse", plan=plan)
    assert foretold["gaps"] == 0 and foretold["changes"][0]["heard_after_bars"] >= 0 and foretold["renders"] > 0
    (change,) = await call(client, "set_parameters", values={"deck/a/prompt": "house, piano, warm"})
    assert not change["refused"] and change["heard_on_beat"] > 0
    await call(client, "wait_until", landed="deck/a/prompt")
    assert (await call(client, "state"))["decks"]["a"]["heard"] == "house, piano, warm"

    surface.send("/riff/deck/a/filter", -0.2)  # a person's hand
    surface.wait_for("/riff/ok", lambda v: v[0] == "deck/a/filter")
    (refused,) = await call(client, "set_parameters", values={"deck/a/filter": 0.5})
    assert "a person moved" in refused["refused"]
    assert "undo would set it" in (await call(client, "trigger", what="undo"))["refused"]

    heard = await call(client, "listen", bars=2)
    assert -40.0 < heard["loudness_lufs"] < -5.0
    ramped = await call(client, "ramp", path="deck/b/gain", target=0.8, bars=4)
    assert ramped["value"] == pytest.approx(0.8)
    await call(client, "ramp", path="crossfader", target=0.5, bars=2)
    await call(client, "trigger", what="again", deck="b")
    await call(client, "scenes", action="store", name="both")
    left = begin + BARS - (await call(client, "state"))["bar"]
    if left > 0:
        await call(client, "wait_until", bars=left)
    state = await call(client, "state")
    assert not state["panicked"] and "both" in state["scene"] + " ".join((await call(client, "scenes"))["names"])
    assert Path((await call(client, "save_last", bars=8))["path"]).stat().st_size > 100_000
    return int(state["bar"]) - int(begin)


def test_an_agent_plays_32_bars_by_itself_over_stdio(
    playing: tuple[subprocess.Popen[str], OscSurface, str], tmp_path: Path
) -> None:
    process, surface, url = playing

    async def play() -> int:
        words = ["-m", "riffengine", "mcp", "--url", url, "--name", "tester", "--save-to", str(tmp_path / "saved")]
        async with Client(stdio_client(StdioServerParameters(command=sys.executable, args=words))) as client:
            return await play_a_set(client, surface)

    assert asyncio.run(play()) >= BARS
    asyncio.run(rehearse_over_http(url))
    process.terminate()
    process.communicate(timeout=PATIENCE_SECONDS)
    samples, rate = soundfile.read(tmp_path / "set.wav")
    assert silences(samples, rate // 5) == []
    sources = {json.loads(line).get("source") for line in (tmp_path / "set.jsonl").read_text().splitlines()[1:]}
    assert "mcp:tester" in sources


async def rehearse_over_http(url: str) -> None:
    """A second agent, by `riffengine mcp --http`, rehearses a plan for the set that plays."""
    port = free_port()
    words = ["-m", "riffengine", "mcp", "--url", url, "--http", str(port)]
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with ClientSession() as session:
            while True:
                try:
                    await (await session.get(f"http://127.0.0.1:{port}/mcp")).read()
                    break
                except ClientError:
                    assert process.poll() is None
                    await asyncio.sleep(0.1)
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            plan = [{"bars": 4, "values": {"deck/a/prompt": "techno", "deck/b/gain": -6}}]
            foretold = await call(client, "rehearse", plan=plan, bars=16)
            prompt, gain = foretold["changes"]
            assert prompt["heard_after_bars"] >= 4 and 4 <= gain["heard_after_bars"] < 4.1
            assert foretold["seconds_a_render"] > 0 and foretold["bars"] == 16
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def test_over_http_other_hosts_and_sites_are_refused() -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "riffengine", "mcp", "--url", "http://127.0.0.1:9", "--http", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    async def check() -> None:
        address = f"http://127.0.0.1:{port}/mcp"
        async with ClientSession() as session:
            while True:
                try:
                    async with session.post(address, json={}, headers={"Host": "evil.example"}) as answer:
                        assert answer.status == 421
                    break
                except ClientError:
                    assert process.poll() is None
                    await asyncio.sleep(0.1)
            async with session.post(address, json={}, headers={"Origin": "http://evil.example"}) as answer:
                assert answer.status == 403
        async with Client(address) as client:
            assert len((await client.list_tools()).tools) == 12
            result = await client.call_tool("state", {})
            assert result.is_error and "riffengine play --web" in result.content[0].text  # type: ignore[union-attr]

    try:
        asyncio.run(check())
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
