"""The section ``pool`` of a preset."""

from __future__ import annotations

from pathlib import Path

import pytest

from riffengine.engine.context import pool_nodes
from riffengine.errors import ControlError, PresetError
from riffengine.session.pool import PoolSettings, RaySettings
from riffengine.session.session import Session, load_session


def read(folder: Path, section: str) -> Session:
    path = folder / "set.yaml"
    path.write_text(f"{section}\ndeck: {{a: {{prompt: techno}}}}\n")
    return load_session(path)


def test_a_preset_without_the_section_has_no_pool(tmp_path: Path) -> None:
    assert read(tmp_path, "").pool == PoolSettings()
    assert not PoolSettings().used


def test_every_key_is_read(tmp_path: Path) -> None:
    text = "pool: {renderers: 0, nodes: ['wss://a:1'], token: t, certificate: c, memory_mb: 5, cache: f, cache_mb: 9}"
    assert read(tmp_path, text).pool == PoolSettings(True, 0, ("wss://a:1",), "t", "c", False, 5.0, "f", 9.0)
    ray = "{address: '10.0.0.7:6379', actors: {least: 2, most: 9}, gpus: .5, cpus: 2, token: t}"
    known = RaySettings("10.0.0.7:6379", 2, 9, 0.5, 2.0, "t")
    assert read(tmp_path, f"pool: {{renderers: 0, ray: {ray}}}").pool == PoolSettings(True, 0, ray=known)
    assert read(tmp_path, "pool: {ray: {}}").pool == PoolSettings(True, 1, ray=RaySettings("auto", 1, 8))
    assert read(tmp_path, "pool: {renderers: 2}").pool == PoolSettings(True, 2)


WRONG = ["renderers: 65", "renderers: 0", "nodes: wss://a:1", "memory_mb: -1", "reders: 2"]
WRONG_RAY = ["address: ray://a:1", "address: a", "actors: {least: 3, most: 2}", "actors: 2", "gpus: -1", "gpu: 1"]


@pytest.mark.parametrize("wrong", [*WRONG, *(f"ray: {{{each}}}" for each in WRONG_RAY)])
def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(PresetError, match=r"set.yaml:1: pool"):
        read(tmp_path, f"pool: {{{wrong}}}")


def test_a_node_that_cannot_be_reached_safely_is_refused_before_anything_starts() -> None:
    with pytest.raises(ControlError, match="wss://"):
        pool_nodes(PoolSettings(True, 1, ("ws://gpu.example:9470",)))
    with pytest.raises(ControlError, match="needs a token"):
        pool_nodes(PoolSettings(True, 1, ("wss://gpu.example:9470",)))
