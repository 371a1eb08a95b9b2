"""The agent's connection over one that a network has lost: it is given up, and made anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from riffengine.agent import engine_client
from riffengine.agent.engine_client import EngineClient
from riffengine.agent.tools import AgentTools
from riffengine.errors import AgentError
from tests.web.simulated_time import SimulatedLoop, simulate

WELCOME = {
    "type": "welcome", "values": {}, "schema": [], "landings": [], "figures": {}, "sample_rate": 48000
}  # fmt: skip


def test_a_connection_that_answers_no_more_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_client, "_ANSWER_SECONDS", 0.2)
    connections = 0

    async def socket(request: web.Request) -> web.WebSocketResponse:
        nonlocal connections
        connections += 1
        answers = connections > 1
        wire = web.WebSocketResponse()
        await wire.prepare(request)
        await wire.send_json(WELCOME)
        async for message in wire:
            if answers:
                await wire.send_json({"id": message.json()["id"], "ok": True})
        return wire

    async def scenario() -> None:
        app = web.Application()
        app.add_routes([web.get("/ws/control", socket)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        client = EngineClient(f"http://127.0.0.1:{runner.addresses[0][1]}")
        with pytest.raises(AgentError, match="did not answer"):
            await client.ask({"type": "set"})
        assert (await client.ask({"type": "set"}))["ok"] and connections == 2
        await client.close()
        await runner.cleanup()

    asyncio.run(scenario())


def test_nothing_is_waited_for_longer_than_a_minute(tmp_path: Path) -> None:
    async def scenario(loop: SimulatedLoop) -> None:
        client = EngineClient("http://127.0.0.1:9")
        wire: Any = SimpleNamespace(closed=False)
        client._wire = wire  # connected, and silent
        client.schema["tempo"] = {"path": "tempo"}
        client.landings["tempo"] = {"path": "tempo", "seconds": 2.0, "frame": 100}
        with pytest.raises(AgentError, match="60 s have passed"):
            await AgentTools(client, tmp_path).wait_until(landed="tempo")
        assert loop.time() == pytest.approx(60.0)

    simulate(scenario)
