"""A pool process as an engine sees it, for tests."""

from __future__ import annotations

import select
from collections.abc import Callable
from pathlib import Path

from riffengine.pool.options import PoolOptions, RayOptions
from riffengine.pool.process import PoolProcess
from riffengine.processes.audio import Samples
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import (
    Cancelled,
    Delivery,
    Failed,
    FromRenderer,
    PoolReport,
    Ready,
    Render,
    SeatsChanged,
)
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.process import RendererOptions
from tools.bench.scripted_member import scripted_main

SLOTS, FLOATS = 8, 2 * 44100 * 4
PATIENCE_SECONDS = 120.0


class Pool:
    """A pool process and everything it has said."""

    def __init__(
        self, store: LoopStore, renderers: int, model: str, disk: str = "", ray: RayOptions | None = None
    ) -> None:
        options = RendererOptions(store.name, store.slots, store.slot_floats, model)
        self.store = store
        self.process = PoolProcess(PoolOptions(options, renderers, disk=disk, main=scripted_main, ray=ray))
        self.said: list[FromRenderer] = []
        self.process.start()

    def until(self, met: Callable[[list[FromRenderer]], bool]) -> list[FromRenderer]:
        """Wait until ``met`` of everything that was said; fails after two minutes of silence."""
        while not met(self.said):
            assert select.select([self.process.fileno()], [], [], PATIENCE_SECONDS)[0], f"silence after {self.said}"
            received, connected = self.process.receive()
            self.said += received
            assert received or connected, f"the pool has ended after {self.said}"
        return self.said

    def with_seats(self, seats: int) -> None:
        def met(said: list[FromRenderer]) -> bool:
            told = [message.seats for message in said if isinstance(message, Ready | SeatsChanged)]
            return bool(told) and told[-1] == seats

        self.until(met)

    def answers(self, *jobs: int) -> dict[int, FromRenderer]:
        """The final answers to ``jobs``."""

        def found(said: list[FromRenderer]) -> dict[int, FromRenderer]:
            return {m.job: m for m in said if isinstance(m, Delivery | Failed | Cancelled) and m.job in jobs}

        return found(self.until(lambda said: len(found(said)) == len(jobs)))

    def samples(self, answer: FromRenderer) -> Samples:
        assert isinstance(answer, Delivery), answer
        return self.store.view(answer.slot, 1, answer.frames, 1).copy()

    def report(self, met: Callable[[PoolReport], bool]) -> PoolReport:
        reports = self.until(lambda said: any(isinstance(m, PoolReport) and met(m) for m in said))
        return next(m for m in reversed(reports) if isinstance(m, PoolReport) and met(m))

    def members(self) -> list[int]:
        """The process ids of the members that run."""
        pid = self.process.pid
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def render(job: int, seed: int = 0, slot: int | None = None, seconds_left: float | None = None) -> Render:
    end = MorphEnd("techno", seed or job)
    request = RenderRequest(end, end, bpm=180.0)
    return Render(job, request, job % SLOTS if slot is None else slot, seconds_left)
