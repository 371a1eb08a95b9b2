"""That Ray's token mode alone is used: with a stand-in for Ray, which most machines that test this do not have."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from riffengine.errors import ControlError
from riffengine.pool.options import RayOptions
from riffengine.pool.ray_cluster import RayCluster, _require_token
from riffengine.renderer.process import RendererOptions
from tools.bench.scripted_member import scripted_main

_RAYLET = """
from ray.exceptions import AuthenticationError

class GcsClient:
    def __init__(self, address):
        self.address = address

    def internal_kv_get(self, key, namespace, timeout):
        import os
        assert os.environ["RAY_AUTH_MODE"] == "disabled", "whoever has no token is asked for"
        if self.address == "asks:1":
            raise AuthenticationError("no token")
        if self.address != "open:1":
            raise OSError("nobody is there")
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A package ``ray`` in which the cluster at ``asks:1`` wants a token, and that at ``open:1`` does not."""
    folder = tmp_path / "ray"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "exceptions.py").write_text("class AuthenticationError(Exception):\n    pass\n")
    (folder / "_raylet.py").write_text(_RAYLET)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "as it was")  # what is set here is taken back at the end
        monkeypatch.delenv(name)
    told: list[tuple[str, str, str]] = []
    found = SimpleNamespace(told=told, ended=0)

    def init(address: str, **_: object) -> None:
        told.append((address, os.environ["RAY_AUTH_MODE"], os.environ.get("RAY_AUTH_TOKEN", "")))
        found.address = address

    def shutdown() -> None:
        found.ended += 1

    found.get_runtime_context = lambda: SimpleNamespace(gcs_address=found.address)
    found.init, found.shutdown = init, shutdown
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    return found


def cluster(address: str, token: str = "") -> RayCluster:
    return RayCluster(RayOptions(address, token=token), RendererOptions("", 0, 100, "scripted"), scripted_main)


def test_a_cluster_that_asks_for_no_token_or_does_not_answer_is_refused(stand_in: SimpleNamespace) -> None:
    _require_token("asks:1")
    for address in ("open:1", "nobody:1"):
        with pytest.raises(ControlError, match="RAY_AUTH_MODE=token"):
            _require_token(address)


def test_whoever_joins_a_cluster_shows_a_token_and_leaves_one_that_wants_none(stand_in: SimpleNamespace) -> None:
    joined = cluster("asks:1", "a token")
    joined._join()
    assert (stand_in.told, stand_in.ended) == ([("asks:1", "token", "a token")], 0)
    joined._leave()
    with pytest.raises(ControlError, match="asks for no token"):
        cluster("open:1", "a token")._join()
    assert stand_in.ended == 1


def test_a_cluster_of_our_own_has_a_token_of_its_own_each_time(stand_in: SimpleNamespace) -> None:
    for _ in range(2):
        started = cluster("local")
        started._join()
        started._leave()
    (first, second) = stand_in.told
    assert first[:2] == second[:2] == ("local", "token")
    assert len(first[2]) >= 32 and len(second[2]) >= 32 and first[2] != second[2]
