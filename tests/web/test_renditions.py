"""The renderer of web clients on simulated time, with processes that hang, load and answer as they are told."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from riffengine.errors import RendererError
from riffengine.processes.render_messages import Alive, Failed, FromRenderer, Ready, Render
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.web.renditions import Renditions
from tests.web.simulated_time import SimulatedLoop, simulate

READY = Ready("bundled", ("mix",), 2, (), 1.0, "weights", kind="cpu")
REQUEST = RenderRequest(MorphEnd("techno", 1), MorphEnd("techno", 2))


class Processes:
    """Starts renderers: the first ``hang`` of them come no further with a loop, the others refuse each at once."""

    def __init__(self, loop: SimulatedLoop, hang: int, progress: bool = False) -> None:
        self.loop, self.hang, self.progress = loop, hang, progress
        self.started: list[RendererThatHangs] = []

    def now_ns(self) -> int:
        return round(self.loop.time() * 1e9)

    def __call__(self, options: object) -> Any:
        self.started.append(RendererThatHangs(self, len(self.started) < self.hang))
        return self.started[-1]


class RendererThatHangs:
    pid = 1

    def __init__(self, of: Processes, hangs: bool) -> None:
        self._of, self._hangs = of, hangs
        self._reads, self._writes = os.pipe()
        self._answers: list[FromRenderer] = [READY]
        self._steps = 0
        self.rendered: list[RenderRequest] = []
        self.alive = True
        self.ended_at = 0.0

    def start(self) -> None: ...

    def fileno(self) -> int:
        return self._reads

    def receive(self) -> tuple[list[FromRenderer], bool]:
        answers, self._answers = self._answers, []
        if self._hangs and self.rendered:
            self._steps += self._of.progress
            answers.append(Alive(len(self.rendered), 0.0, self._steps))
        return answers, self.alive

    def send(self, message: Render) -> None:
        self.rendered.append(message.request)
        if not self._hangs:
            self._answers.append(Failed(message.job, "refused"))

    def kill(self) -> None:
        self.alive, self.ended_at = False, self._of.loop.time()

    def close(self) -> None:
        os.close(self._reads)
        os.close(self._writes)


def test_a_renderer_that_comes_no_further_with_a_loop_is_replaced_and_the_loop_begun_again() -> None:
    async def scenario(loop: SimulatedLoop) -> None:
        processes = Processes(loop, hang=1)
        made = Renditions("bundled", 64, processes, processes)
        with pytest.raises(RendererError, match="refused"):
            await made.render(REQUEST, 60.0)
        first, second = processes.started
        assert 20.0 <= first.ended_at <= 21.0
        assert first.rendered == second.rendered == [REQUEST.canonical()]
        await made.close()

    simulate(scenario)


def test_a_renderer_that_takes_long_and_comes_on_is_waited_for() -> None:
    async def scenario(loop: SimulatedLoop) -> None:
        processes = Processes(loop, hang=1, progress=True)
        made = Renditions("bundled", 64, processes, processes)
        with pytest.raises(TimeoutError):
            await made.render(REQUEST, 200.0)
        assert len(processes.started) == 1
        await made.close()

    simulate(scenario)


def test_loops_that_nobody_waits_for_any_more_are_few_and_come_last() -> None:
    async def scenario(loop: SimulatedLoop) -> None:
        processes = Processes(loop, hang=1)
        made = Renditions("bundled", 64, processes, processes)
        for number in range(1, 40):
            with pytest.raises(TimeoutError):
                await made.render(replace(REQUEST, alpha=number / 64), 0.4)
        with pytest.raises(RendererError, match="refused"):
            await made.render(replace(REQUEST, alpha=0.995), 60.0)
        second = processes.started[1]
        assert second.rendered[0].alpha == 0.995
        with pytest.raises(RendererError, match="refused"):
            await made.render(replace(REQUEST, alpha=0.99), 60.0)
        assert len(second.rendered) <= 10
        await made.close()

    simulate(scenario)
