"""Pools of real processes, which end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from riffengine.pool.options import RayOptions
from riffengine.processes.loop_store import LoopStore
from tests.pool.pool_process import FLOATS, SLOTS, Pool


@pytest.fixture
def store() -> Iterator[LoopStore]:
    store = LoopStore.create(SLOTS, FLOATS)
    yield store
    store.close()


@pytest.fixture
def pool_of(store: LoopStore) -> Iterator[Callable[..., Pool]]:
    pools: list[Pool] = []

    def make(renderers: int, model: str = "scripted", disk: str = "", ray: RayOptions | None = None) -> Pool:
        pools.append(Pool(store, renderers, model, disk, ray))
        return pools[-1]

    yield make
    for pool in pools:
        pool.process.stop(timeout=30.0)
