"""Which requests are meant for us, and which a page of another site in a browser has sent."""

from __future__ import annotations

import socket

import pytest

from riffengine.http_server.origin import OriginRules

RULES = OriginRules(("stage.example",))
OWN = "192.168.1.20"


def is_answered(host: str | None = "127.0.0.1:9000", origin: str | None = None, target: str = "/health") -> bool:
    return not RULES.refusal(target, host, origin, OWN)


@pytest.mark.parametrize(
    "host",
    [None, "localhost", "LOCALHOST:9464", "127.0.0.1", "[::1]:9000", "192.168.1.20:9000", "10.9.8.7",
     "stage.example:80", socket.gethostname(), f"{socket.gethostname()}.local:9000"],
)  # fmt: skip
def test_a_request_that_names_this_machine_or_an_address_is_answered(host: str | None) -> None:
    assert is_answered(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:9000", "localhost.evil.example", "0x7f.1", "2130706433",
     "127.0.0.1.evil.example", "user@localhost", "localhost:port", "[::1", "127.0.0.1:9000:1"],
)  # fmt: skip
def test_a_host_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    assert not is_answered(host)


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:8000", "http://127.0.0.1", "https://[::1]:3000", f"http://{OWN}:8080", "http://stage.example",
     f"http://[::ffff:{OWN}]"],
)  # fmt: skip
def test_a_page_of_this_machine_is_answered(origin: str) -> None:
    assert is_answered(origin=origin)


@pytest.mark.parametrize(
    "origin",
    ["http://203.0.113.5", "http://203.0.113.5:9000", "http://192.168.1.21", "http://[2001:db8::1]", "null", "", "file://",
     "https://evil.example", "http://0x7f.1", "http://127.0.0.1.evil.example", "http://127.0.0.1@evil.example",
     "http://evil.example@127.0.0.1", "http://[::1", "http://localhost:port", "chrome-extension://abcdef"],
)  # fmt: skip
def test_a_page_of_another_site_is_refused_also_one_served_from_a_bare_address(origin: str) -> None:
    assert not is_answered(origin=origin)


def test_a_page_that_came_from_the_very_address_it_asks_is_ours_behind_a_router_too() -> None:
    assert is_answered("203.0.113.5:8080", "http://203.0.113.5:8080")
    assert is_answered("203.0.113.5", "http://203.0.113.5:80")
    assert not is_answered("203.0.113.5:8080", "http://203.0.113.5:9000")
    assert not is_answered("evil.example", "http://evil.example"), "a name that was made to point here is no proof"


@pytest.mark.parametrize("target", ["http://evil.example/", "*", "evil.example:443", ""])
def test_a_request_for_a_proxy_is_refused(target: str) -> None:
    assert not is_answered(target=target)
