from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from riffengine.clock import SystemClock
from riffengine.control.osc.discovery import Discovery
from riffengine.control.osc.options import OscOptions
from riffengine.control.osc.query import AddressSpace
from riffengine.control.osc.query_server import MAX_LISTENERS, OscQueryServer
from riffengine.control.osc.server import OscServer
from riffengine.control.osc.wire import decode, encode
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command
from tests.control.engine_stub import EngineStub


def space() -> tuple[EngineStub, AddressSpace]:
    engine = EngineStub()
    return engine, AddressSpace(engine.tree, lambda path: engine.state[path])


def leaves(node: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {node["FULL_PATH"]: node} if "TYPE" in node else {}
    for child in node.get("CONTENTS", {}).values():
        found |= leaves(child)
    return found


def test_every_parameter_is_a_node_with_its_type_range_value_and_words() -> None:
    engine, addresses = space()
    status, root = addresses.answer("/")
    assert status == 200 and root is not None
    found = leaves(root)
    assert {f"/riff/{p}" for p in engine.tree.parameters} <= found.keys()
    assert {"/riff/notify", "/riff/proof", "/riff/sync", "/riff/status", "/riff/help"} == found.keys() - {
        f"/riff/{p}" for p in engine.tree.parameters
    }
    for parameter in engine.tree.parameters.values():
        node = found[f"/riff/{parameter.path}"]
        assert node["DESCRIPTION"] == parameter.help and node["TAGS"] == [parameter.control]
        if parameter.kind == "trigger":
            assert (node["TYPE"], node["ACCESS"]) == ("N", 2) and "VALUE" not in node
            continue
        assert node["ACCESS"] == 3 and node["VALUE"] == [engine.state[parameter.path]]
        if parameter.kind in ("float", "int"):
            (limits,) = node["RANGE"]
            assert (limits["MIN"], limits["MAX"]) == (parameter.low, parameter.high)
    assert found["/riff/deck/a/mute"]["TYPE"] == "F"
    assert found["/riff/deck/a/side"]["RANGE"] == [{"VALS": ["left", "right", "thru"]}]
    assert found["/riff/master/gain"]["UNIT"] == ["dB"]
    assert json.loads(json.dumps(root, allow_nan=False)) == root


def test_values_are_the_present_ones() -> None:
    engine, addresses = space()
    for path, value, type_ in [("deck/a/mute", True, "T"), ("deck/a/alpha", 0.25, "f"), ("deck/b/prompt", "déjà", "s")]:
        assert isinstance(engine.submit(Command(path, value)), Accepted)
        assert addresses.answer(f"/riff/{path}", "VALUE") == (200, {"VALUE": [value]})
        assert addresses.answer(f"/riff/{path}", "TYPE") == (200, {"TYPE": type_})


@pytest.mark.parametrize(
    ("path", "attribute", "status"),
    [
        ("/riff/deck/a", "", 200),
        ("/riff/deck/a/", "CONTENTS", 200),
        ("/riff/deck/a", "VALUE", 204),
        ("/riff/panic", "VALUE", 204),
        ("/riff/deck/a/alpha", "GABBA", 400),
        ("/riff/deck/z", "", 404),
        ("/riff/deck/a/alp", "VALUE", 404),
        ("/deck/a/alpha", "", 404),
    ],
)
def test_the_status_says_what_is_missing(path: str, attribute: str, status: int) -> None:
    assert space()[1].answer(path, attribute)[0] == status


def with_server(
    visit: Callable[[EngineStub, OscQueryServer, aiohttp.ClientSession], Awaitable[None]],
    options: OscOptions | None = None,
) -> None:
    async def play() -> None:
        engine = EngineStub()
        server = OscQueryServer(engine.context(), options or OscOptions(), 9000, 0)
        await server.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
                await visit(engine, server, client)
        finally:
            await server.stop()

    asyncio.run(play())


def test_http_is_read_only() -> None:
    async def visit(engine: EngineStub, server: OscQueryServer, client: aiohttp.ClientSession) -> None:
        before = engine.state
        async with client.get("/riff/deck/a/alpha?VALUE") as answer:
            assert answer.content_type == "application/json" and await answer.json() == {"VALUE": [0.0]}
        async with client.get("/?HOST_INFO") as answer:
            info = await answer.json()
        assert (info["OSC_PORT"], info["WS_PORT"], info["OSC_IP"]) == (9000, server.port, "127.0.0.1")
        assert info["EXTENSIONS"]["LISTEN"] is True and info["EXTENSIONS"]["PATH_CHANGED"] is False
        async with client.get("/riff/nothing") as answer:
            assert answer.status == 404
        async with client.get("/riff/panic?VALUE") as answer:
            assert answer.status == 204
        for method in ("POST", "PUT", "DELETE"):
            async with client.request(method, "/riff/panic", data=b"1") as answer:
                assert answer.status == 405
        assert engine.state is before and engine.commands == []

    with_server(visit)


def test_between_two_answers_is_a_rest_in_which_the_engine_does_what_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    answer = AddressSpace.answer

    def noted(space: AddressSpace, path: str, attribute: str = "") -> Any:
        asked.append(asyncio.get_running_loop().time())
        return answer(space, path, attribute)

    monkeypatch.setattr(AddressSpace, "answer", noted)
    monkeypatch.setattr("riffengine.control.osc.query_server.BYTES_A_SECOND", 500_000)  # longer than an answer takes

    async def visit(engine: EngineStub, server: OscQueryServer, client: aiohttp.ClientSession) -> None:
        async def whole() -> int:
            async with client.get("/") as response:
                return len(await response.read())

        sizes = await asyncio.gather(*(whole() for _ in range(4)))
        rest = min(sizes) / 500_000
        assert len(asked) == 4 and rest > 0.05
        assert all(after - before >= rest for before, after in itertools.pairwise(asked))

    with_server(visit)


def test_pages_of_other_sites_are_refused() -> None:
    """A page of another site has its own Origin; one that uses DNS rebinding has its own Host."""

    async def visit(engine: EngineStub, server: OscQueryServer, client: aiohttp.ClientSession) -> None:
        for headers, status in [
            ({"Host": f"localhost:{server.port}"}, 200),
            ({"Host": "evil.example"}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://127.0.0.1:8000"}, 200),
        ]:
            async with client.get("/riff", headers=headers) as answer:
                assert answer.status == status, headers
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect("/", headers={"Origin": "https://evil.example"})

    with_server(visit)


def test_a_listener_gets_the_value_and_every_change_until_ignore() -> None:
    async def visit(engine: EngineStub, server: OscQueryServer, client: aiohttp.ClientSession) -> None:
        async with client.ws_connect("/") as wire:

            async def heard() -> tuple[str, tuple[object, ...]]:
                (request,) = decode(await wire.receive_bytes(timeout=20))
                return request.address, request.arguments

            for nonsense in (
                "{",
                "[]",
                '{"COMMAND": "LISTEN", "DATA": 7}',
                '{"COMMAND": "LISTEN", "DATA": "/riff/no"}',
            ):
                await wire.send_str(nonsense)
            await wire.send_bytes(encode("/riff/deck/a/alpha", 0.9))  # it only tells
            await wire.send_json({"COMMAND": "LISTEN", "DATA": "/riff/deck/a/alpha"})
            assert await heard() == ("/riff/deck/a/alpha", (0.0,))
            for alpha in (0.1, 0.2, 0.3):
                server.changed("deck/a/alpha", alpha)
            server.changed("deck/b/alpha", 0.7)
            assert await heard() == ("/riff/deck/a/alpha", (0.3,)), "of a burst the newest"
            await wire.send_json({"COMMAND": "IGNORE", "DATA": "/riff/deck/a/alpha"})
            await wire.send_json({"COMMAND": "LISTEN", "DATA": "/riff/deck/a/mute"})
            assert await heard() == ("/riff/deck/a/mute", (False,))
            server.changed("deck/a/alpha", 0.4)
            server.changed("deck/a/mute", True)
            assert await heard() == ("/riff/deck/a/mute", (True,))
        assert engine.commands == []
        crowd = [await client.ws_connect("/") for _ in range(MAX_LISTENERS)]
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect("/")
        for wire in crowd:
            await wire.close()

    with_server(visit)


def test_hosts_that_are_not_on_the_allow_list_are_refused() -> None:
    server = OscQueryServer(EngineStub().context(), OscOptions("0.0.0.0", allow=("10.0.0.0/8",)), 9000, 0)
    assert server.server.admits("10.1.2.3") and not server.server.admits("192.168.1.1")


def test_a_port_in_use_is_reported() -> None:
    async def visit(engine: EngineStub, server: OscQueryServer, client: aiohttp.ClientSession) -> None:
        with pytest.raises(ControlError, match="OSC itself works"):
            await OscQueryServer(engine.context(), OscOptions(), 9000, server.port).start()

    with_server(visit)


def test_it_is_announced_on_this_machine_and_found_by_its_type() -> None:
    from zeroconf import ServiceStateChange
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

    async def play() -> None:
        engine, said = EngineStub(), []
        osc = OscServer(engine.context(SystemClock()), OscOptions(port=0))
        await osc.start()
        discovery = Discovery(osc.options, osc.port, 4321, said.append)
        discovery.start()
        await discovery.settled()
        assert said == []
        found: asyncio.Queue[str] = asyncio.Queue()

        def heard(zeroconf: object, service_type: str, name: str, state_change: ServiceStateChange) -> None:
            if state_change is ServiceStateChange.Added and f"Riffengine {osc.port} " in name:
                found.put_nowait(name)

        ear = AsyncZeroconf(interfaces=["127.0.0.1"])
        browser = AsyncServiceBrowser(ear.zeroconf, ["_oscjson._tcp.local."], handlers=[heard])
        name = await asyncio.wait_for(found.get(), 30)
        info = await ear.async_get_service_info("_oscjson._tcp.local.", name, timeout=10_000)
        assert info is not None and info.port == 4321 and info.parsed_addresses() == ["127.0.0.1"]
        await browser.async_cancel()
        await ear.async_close()
        discovery.close()
        await discovery.settled()
        osc.close()

    asyncio.run(play())


def test_idle_listeners_and_half_requests_do_not_keep_a_client_out() -> None:
    async def visit(engine: EngineStub, server: OscQueryServer, client: aiohttp.ClientSession) -> None:
        crowd = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(200)]
        for _, writer in crowd[::2]:
            writer.write(b"GET /riff HT")
        assert server.server.connections < 64
        async with client.get("/riff/deck/a/alpha?VALUE", timeout=aiohttp.ClientTimeout(20)) as answer:
            assert answer.status == 200
        for reader, _ in crowd[:100]:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 20) == b"", "the oldest gave way"
        for _, writer in crowd:
            writer.close()

    with_server(visit)


def test_a_page_from_a_bare_address_does_not_read_along() -> None:
    """Browsers let a page of any site open a WebSocket to this machine; only its Origin tells."""

    async def visit(engine: EngineStub, server: OscQueryServer, client: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await client.ws_connect("/", headers={"Origin": "http://203.0.113.5"})
        async with client.ws_connect("/", headers={"Origin": "http://127.0.0.1:8000"}):
            pass

    with_server(visit)
