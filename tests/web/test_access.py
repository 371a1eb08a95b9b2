"""Who is admitted: hosts, origins and tokens, first as a rule and then by HTTP and WebSocket."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import WSServerHandshakeError
from yarl import URL

from riffengine.errors import ControlError
from riffengine.http_server.origin import OriginRules
from riffengine.web.access import SECURITY_HEADERS, Access, prepare_tokens
from riffengine.web.options import Role, WebOptions
from tests.web.site import run, site

TOKEN = "abcdefgh-0123456789"
RULES = OriginRules(("127.0.0.1", "stage.local"), origins=("http://localhost:3000",))


@pytest.mark.parametrize("host", ["127.0.0.1:9480", "localhost", "[::1]:9480", "192.168.1.7:9480", "stage.local:80"])
def test_our_own_names_are_admitted(host: str) -> None:
    for origin in (None, f"http://{host}", "http://localhost:3000"):
        assert RULES.refusal("/", host, origin, "127.0.0.1") == ""


@pytest.mark.parametrize("host", ["evil.test", "evil.test:9480", "localhost.evil.test", "", "127.0.0.1.evil.test", "["])
def test_foreign_host_names_are_refused(host: str) -> None:
    assert "unknown host name" in RULES.refusal("/", host, None, "127.0.0.1")


@pytest.mark.parametrize(
    "origin", ["http://evil.test", "null", "http://127.0.0.1:1", "http://localhost:3001", "file://", "http://[", ""]
)
def test_foreign_origins_are_refused(origin: str) -> None:
    """Those of this machine too: what runs on another port is another's page, and this server changes things."""
    assert "other sites" in RULES.refusal("/", "127.0.0.1:9480", origin, "127.0.0.1")


def test_a_token_gives_its_role_and_nothing_else_does() -> None:
    access = Access(WebOptions(tokens=((Role.GUEST, TOKEN),)))
    assert access.role(TOKEN, "") is Role.GUEST
    assert access.role("", f"Bearer {TOKEN}") is Role.GUEST
    for cookie, authorization in (("", ""), (TOKEN[:-1], ""), ("ä" * 19, ""), ("", "Bearer "), (TOKEN, "Bearer x")):
        assert access.role(cookie, authorization) is None
    assert Access(WebOptions()).role("", "") is Role.PERFORMER


def test_beyond_this_machine_it_does_not_start_without_tokens(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="open to everyone"):
        prepare_tokens("0.0.0.0", None)
    assert prepare_tokens("127.0.0.1", None) == ()
    tokens = dict(prepare_tokens("0.0.0.0", ""))
    assert set(tokens) == set(Role)
    assert min(map(len, tokens.values())) >= 22  # 128 bit
    path = tmp_path / "tokens"
    kept = prepare_tokens("0.0.0.0", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert prepare_tokens("0.0.0.0", str(path)) == kept
    path.chmod(0o644)
    with pytest.raises(ControlError, match="others can read"):
        prepare_tokens("0.0.0.0", str(path))
    path.chmod(0o600)
    path.write_text("performer short\n")
    with pytest.raises(ControlError, match="16 characters"):
        prepare_tokens("0.0.0.0", str(path))


def test_foreign_pages_and_names_are_refused_by_http_and_websocket_alike() -> None:
    async def body() -> None:
        async with site() as web:
            for headers in ({"Host": "evil.test"}, {"Origin": "http://evil.test"}):
                for path in ("/", "/api/welcome", "/stream.flac", "/nothing"):
                    async with web.client.get(web.url + path, headers=headers) as answer:
                        assert answer.status == 403
                        assert len(await answer.text()) < 200
                for path in ("/ws/control", "/ws/audio"):
                    with pytest.raises(WSServerHandshakeError) as refused:
                        await web.client.ws_connect(web.url + path, headers=headers)
                    assert refused.value.status == 403
                async with web.client.post(f"{web.url}/api/login", json={}, headers=headers) as answer:
                    assert answer.status == 403

    run(body)


def test_every_answer_has_the_security_headers() -> None:
    async def body() -> None:
        async with site(WebOptions(port=0, tokens=((Role.PERFORMER, TOKEN),))) as web:
            answers = [
                await web.client.get(f"{web.url}/"),
                await web.client.get(f"{web.url}/nothing"),
                await web.client.get(f"{web.url}/api/welcome"),
                await web.client.get(f"{web.url}/", headers={"Host": "evil.test"}),
                await web.client.post(f"{web.url}/api/login", data="token", headers={"Content-Type": "text/plain"}),
                await web.client.post(f"{web.url}/api/login", json={"token": TOKEN}),
                await web.client.get(f"{web.url}/stream.flac", headers={"Authorization": f"Bearer {TOKEN}"}),
                await web.client.get(f"{web.url}/ws/control", headers={"Authorization": f"Bearer {TOKEN}"}),
            ]
            assert [answer.status for answer in answers] == [200, 401, 401, 403, 415, 200, 200, 426]
            for answer in answers:
                answer.close()
                assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == dict(SECURITY_HEADERS)

    run(body)


def test_a_page_that_is_not_secure_has_no_header_that_its_browser_would_complain_about() -> None:
    async def body() -> None:
        async with site(WebOptions(port=0, names=("stage.local",), tokens=((Role.PERFORMER, TOKEN),))) as web:
            for host, kept in (
                ("stage.local", False),
                ("192.168.1.7:9480", False),
                ("localhost", True),
                ("[::1]:9", True),
            ):
                async with web.client.get(f"{web.url}/", headers={"Host": host}) as answer:
                    assert answer.status == 200
                    assert ("Cross-Origin-Opener-Policy" in answer.headers) is kept, host
                    assert "Content-Security-Policy" in answer.headers

    run(body)


def test_a_token_becomes_a_cookie_that_scripts_cannot_read() -> None:
    async def body() -> None:
        async with site(WebOptions(port=0, tokens=((Role.PERFORMER, TOKEN),))) as web:
            async with web.client.get(f"{web.url}/api/welcome") as answer:
                assert answer.status == 401
            async with web.client.post(f"{web.url}/api/login", json={"token": "wrong"}) as answer:
                assert answer.status == 401
            answer = await web.client.post(f"{web.url}/api/login", json={"token": TOKEN})
            assert await answer.json() == {"role": "performer"}
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
            name, _, value = cookie.partition(";")[0].partition("=")
            assert name.endswith(web.url.rpartition(":")[2])  # a browser sends it to every port of the host
            welcome = await web.client.get(f"{web.url}/api/welcome", headers={"Cookie": f"{name}={value}"})
            assert (await welcome.json())["role"] == "performer"

    run(body)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"{}", 415),
        ("application/x-www-form-urlencoded", b"{}", 415),
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"[" * 50_000, 400),
        ("application/json", b" " * 100_000, 413),
    ],
)
def test_bodies_that_are_no_small_json_are_refused(content_type: str, body: bytes, status: int) -> None:
    async def body_() -> None:
        async with site() as web:
            headers = {"Content-Type": content_type}
            async with web.client.post(f"{web.url}/api/login", data=body, headers=headers) as answer:
                assert answer.status == status

    run(body_)


def test_no_path_from_the_wire_is_opened() -> None:
    async def body() -> None:
        async with site() as web:
            for path in (
                "/../server.py",
                "/%2e%2e/server.py",
                "/static/../access.py",
                "//etc/passwd",
                "/index.html%00",
            ):
                # As it stands: a client takes the dots of an address away before it asks.
                async with web.client.get(URL(web.url + path, encoded=True)) as answer:
                    assert answer.status in (400, 404), path

    run(body)
