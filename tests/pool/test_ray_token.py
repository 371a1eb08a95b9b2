"""That Ray's token mode alone is used, and who is shown the token: with a stand-in for Ray, which few have here."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from riffengine.errors import ControlError
from riffengine.pool import ray_cluster
from riffengine.pool.options import RayOptions
from riffengine.pool.ray_access import cluster_address
from riffengine.pool.ray_cluster import RayCluster
from riffengine.renderer.process import RendererOptions
from tools.bench.scripted_member import scripted_main

_RAYLET = """
import os

from ray.exceptions import AuthenticationError

class GcsClient:
    def __init__(self, address):
        assert address.startswith("127.0.0.1:")

    def internal_kv_get(self, key, namespace, timeout):
        shown = [name for name in os.environ if name.startswith("RAY_AUTH_TOKEN")]
        if os.environ["RAY_AUTH_MODE"] == "token":
            assert os.environ["STAND_IN"] == "asks", "only who asks for a token is shown one"
            if os.environ["RAY_AUTH_TOKEN"] != "a token":
                raise AuthenticationError("another token")
            return
        assert not shown, "whoever has no token is asked for"
        if os.environ["STAND_IN"] == "asks":
            raise AuthenticationError("no token")
        if os.environ["STAND_IN"] != "open":
            raise OSError("is no cluster")
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A package ``ray``, whose cluster asks for a token as the environment variable STAND_IN says."""
    folder = tmp_path / "ray"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "exceptions.py").write_text("class AuthenticationError(Exception):\n    pass\n")
    (folder / "_raylet.py").write_text(_RAYLET)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED", "RAY_ADDRESS"):
        monkeypatch.setenv(name, "as it was")  # what is set here is taken back at the end
        monkeypatch.delenv(name)
    told: list[tuple[str, str, str]] = []
    found = SimpleNamespace(told=told, ended=0)

    def init(address: str, **_: object) -> None:
        told.append((address, os.environ["RAY_AUTH_MODE"], os.environ.get("RAY_AUTH_TOKEN", "")))

    def shutdown() -> None:
        found.ended += 1

    found.init, found.shutdown = init, shutdown
    monkeypatch.setitem(sys.modules, "ray", found)
    services = SimpleNamespace(canonicalize_bootstrap_address=lambda address: address)
    monkeypatch.setitem(sys.modules, "ray._private.services", services)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    return found


@pytest.fixture
def listener() -> Iterator[str]:
    """The address of a port that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def cluster(address: str, token: str = "") -> RayCluster:
    return RayCluster(RayOptions(address, token=token), RendererOptions("", 0, 100, "scripted"), scripted_main)


def test_whoever_joins_a_cluster_that_asks_for_a_token_shows_it(
    stand_in: SimpleNamespace, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "asks")
    joined = cluster(listener, "a token")
    joined._join()
    assert (stand_in.told, stand_in.ended) == ([(listener, "token", "a token")], 0)
    joined._leave()


@pytest.mark.parametrize(("kind", "said"), [("open", "asks for no token"), ("other", "does not answer as a Ray")])
def test_a_token_is_shown_to_nobody_who_does_not_ask_for_it(
    kind: str, said: str, stand_in: SimpleNamespace, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", kind)
    with pytest.raises(ControlError, match=said):
        cluster(listener, "a token")._join()
    assert stand_in.told == []


def test_a_token_that_is_refused_is_told_before_anything_is_joined(
    stand_in: SimpleNamespace, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "asks")
    with pytest.raises(ControlError, match="refuses our token; name a copy of its token file"):
        cluster(listener, "a wrong token")._join()
    assert stand_in.told == []


def test_an_address_where_nobody_listens_is_told_at_once(stand_in: SimpleNamespace, listener: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"127.0.0.1:{server.getsockname()[1]}"
    for address in (closed, "127.0.0.1:99999", "127.0.0.1:0"):
        with pytest.raises(ControlError, match=r"^nobody answers at|is no address of a cluster"):
            cluster(address, "a token")._join()
    assert stand_in.told == []


def test_auto_is_what_the_environment_or_the_last_start_on_this_machine_says(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    file, environment = tmp_path / "ray" / "ray_current_cluster", {"RAY_TMPDIR": str(tmp_path)}
    with pytest.raises(ControlError, match="finds no Ray cluster that this machine has joined"):
        cluster_address("auto", environment)
    file.write_text("10.0.0.7:6379\n")
    file.chmod(0o644)
    assert cluster_address("auto", environment) == "10.0.0.7:6379"
    assert cluster_address("10.0.0.8:6379", environment | {"RAY_ADDRESS": "10.0.0.9:6379"}) == "10.0.0.8:6379"
    assert cluster_address("auto", environment | {"RAY_ADDRESS": "[fd00::9]:6379"}) == "[fd00::9]:6379"
    assert cluster_address("auto", environment | {"RAY_ADDRESS": "auto"}) == "10.0.0.7:6379"
    for named in ("ray://10.0.0.9:10001", "local", "10.0.0.9"):
        with pytest.raises(ControlError, match="HOST:PORT of a cluster is allowed"):
            cluster_address("auto", environment | {"RAY_ADDRESS": named})
    file.write_text("nonsense")
    with pytest.raises(ControlError, match="'nonsense', which is no address"):
        cluster_address("auto", environment)


@pytest.mark.skipif(os.name != "posix", reason="files have owners on POSIX")
def test_auto_takes_no_address_that_another_user_could_have_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ray").mkdir()
    file, environment = tmp_path / "ray" / "ray_current_cluster", {"RAY_TMPDIR": str(tmp_path)}
    file.write_text("10.0.0.7:6379")
    file.chmod(0o666)
    with pytest.raises(ControlError, match="can be written by others"):
        cluster_address("auto", environment)
    file.chmod(0o644)
    if os.getuid() == 0:
        os.chown(file, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(ControlError, match="can be written by others"):
        cluster_address("auto", environment)


def test_a_cluster_of_our_own_has_a_token_of_its_own_each_time(stand_in: SimpleNamespace) -> None:
    for _ in range(2):
        started = cluster("local")
        started._join()
        started._leave()
    (first, second) = stand_in.told
    assert first[:2] == second[:2] == ("local", "token")
    assert len(first[2]) >= 32 and len(second[2]) >= 32 and first[2] != second[2]


def test_a_cluster_that_refuses_us_after_its_pool_has_gone_prints_nothing(
    stand_in: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone = threading.Event()

    def refuse(address: str) -> None:
        gone.wait()
        raise ControlError("nobody answers")

    async def body() -> None:
        refusing = cluster("127.0.0.1:1", "a token")
        asked = asyncio.create_task(refusing.actor("actor-1"))
        await asyncio.sleep(0)
        asked.cancel()
        gone.set()
        await refusing.close()

    monkeypatch.setattr(ray_cluster, "require_listener", refuse)
    asyncio.run(body())
    gc.collect()
    assert not caplog.records
