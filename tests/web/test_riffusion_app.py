"""Riffusion's app as a state machine, for one simulated hour beside a renderer that dies again and again.

The server's part is the real one (``RiffusionApi``, ``Renditions``); simulated are time, the app and the renderer's
process. What the app does was seen in its own requests.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from riffengine.clock import Clock
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import Delivery, FromRenderer, Ready, Render, RenderCost
from riffengine.renderer.process import RendererOptions
from riffengine.web.loop_files import LoopAnswer
from riffengine.web.renditions import Renditions
from riffengine.web.riffusion_api import RiffusionApi
from tests.web.simulated_time import SimulatedLoop, simulate

RATE, BPM, CLIP_SECONDS = 4000, 93.75, 5.12
FRAMES = round(CLIP_SECONDS * RATE)
POINT = {"prompt": "church bells", "seed": 42, "denoising": 0.75, "guidance": 7}
LOAD_SECONDS, RENDER_SECONDS = 8.0, 1.2  # of the bundled model on two busy cores


class LoopClock(Clock):
    """The clock of a simulated loop."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        return round(self._loop.time() * 1e9)


@dataclass
class App:
    """One request in flight, at most three clips ahead of the one that plays; one bad answer is its end.

    ``late`` counts clips that were not there when it was their turn: then a banner says that the server is behind.
    """

    ask: Callable[[dict[str, Any]], Any]
    requests: int = 0
    clips: int = 0  # that have begun to play
    late: int = 0
    dead: bool = False
    longest_seconds: float = 0.0
    prompts: list[str] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        alpha, seed, prompt, began = 0.25, 42, "church bells", 0.0
        playing, ready = 0, []
        while loop.time() < seconds and not self.dead:
            if self.requests - playing >= 3:
                edge = began + (playing + 1) * CLIP_SECONDS
                await asyncio.sleep(max(0.0, edge - loop.time()))
                playing += 1
                self.late += ready[playing] > edge
                self.clips += 1
                continue
            if self.requests % 40 == 39:  # somebody types another prompt
                prompt = f"prompt {self.requests}"
            body = {
                "alpha": 1 if alpha == 1.0 else alpha, "num_inference_steps": 50, "seed_image_id": "og_beat",
                "mask_image_id": None, "start": {**POINT, "seed": seed, "prompt": prompt},
                "end": {**POINT, "seed": seed + 1, "prompt": prompt},
            }  # fmt: skip
            asked = loop.time()
            try:
                async with asyncio.timeout(60.0):
                    status = await self.ask(body)
            except TimeoutError:
                status = 504
            self.longest_seconds = max(self.longest_seconds, loop.time() - asked)
            self.dead = status != 200
            self.requests += 1
            ready.append(loop.time())
            if self.requests == 1:
                began = loop.time()
                self.clips = 1
            alpha, seed = (alpha + 0.25, seed) if alpha < 1.0 else (0.25, seed + 1)


class DyingRenderer:
    """A renderer's process on simulated time, which is killed some seconds after its start."""

    def __init__(self, options: RendererOptions, life_seconds: float) -> None:
        self._options, self._life_seconds = options, life_seconds
        self._messages: list[FromRenderer] = []
        self._ends = (-1, -1)
        self._timers: list[asyncio.TimerHandle] = []
        self._busy_until = 0.0
        self.alive, self.pid = False, None

    def start(self) -> None:
        self._ends, self.alive = os.pipe(), True
        os.set_blocking(self._ends[0], False)
        ready = Ready("bundled", ("mix",), 2, (), LOAD_SECONDS, "")
        self._later(LOAD_SECONDS, lambda: self._say(ready))
        self._later(self._life_seconds, self._die)
        self._busy_until = asyncio.get_running_loop().time()

    def send(self, message: Render) -> None:
        loop = asyncio.get_running_loop()
        self._busy_until = max(loop.time(), self._busy_until) + RENDER_SECONDS
        self._later(self._busy_until - loop.time(), lambda: self._deliver(message))

    def _deliver(self, message: Render) -> None:
        store = LoopStore.attach(self._options.store, self._options.slots, self._options.slot_floats)
        store.write(0, np.full((1, FRAMES, 2), 0.1, np.float32))
        store.close()
        cost = RenderCost(*([RENDER_SECONDS] * len(RenderCost.__dataclass_fields__)))
        self._say(Delivery(message.job, 0, message.request, FRAMES, 2, ("mix",), -14.0, 0.1, cost))

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, do))

    def _say(self, message: FromRenderer) -> None:
        self._messages.append(message)
        os.write(self._ends[1], b"x")

    def _die(self) -> None:
        if self.alive:
            self.alive = False
            os.close(self._ends[1])

    def fileno(self) -> int:
        return self._ends[0]

    def receive(self) -> tuple[list[FromRenderer], bool]:
        try:
            connected = bool(os.read(self._ends[0], 4096))
        except BlockingIOError:
            connected = True
        messages, self._messages = self._messages, []
        return messages, connected

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._die()
        if self._ends[0] >= 0:
            os.close(self._ends[0])
        self._ends = (-1, -1)


@dataclass
class Hour:
    """What became of an hour."""

    app: App
    deaths: int
    substitutes: int


def hour(lives: Callable[[np.random.Generator], float], seconds: float = 3600.0, plays: bool = True) -> Hour:
    """The app for an hour beside renderers that live as long as ``lives`` says."""
    random = np.random.default_rng(7)
    found: list[Hour] = []

    async def body(loop: SimulatedLoop) -> None:
        tap = AudioTap.create(RATE, 2)
        made = Renditions(
            "bundled", FRAMES, LoopClock(loop), lambda options: DyingRenderer(options, lives(random))  # type: ignore[arg-type,return-value]
        )  # fmt: skip
        values = {"transport/tempo": BPM, "steps": 8}
        api = RiffusionApi(
            "bundled", 8, tap, lambda: values, made, encode=lambda loop, rate, _: LoopAnswer("", "", len(loop) / rate)
        )

        async def ask(asked: dict[str, Any]) -> int:
            return (await api.answer(asked, "flac", plays)).status

        app = App(ask)
        try:
            await app.run(seconds)
        finally:
            await made.close()
            tap.close()
        found.append(Hour(app, made.deaths, api.substitutes))

    simulate(body)
    return found[0]


def test_the_app_plays_for_an_hour_beside_a_renderer_that_dies_every_minute() -> None:
    found = hour(lambda random: LOAD_SECONDS + float(random.uniform(0.5, 100.0)))
    assert found.deaths > 40
    assert not found.app.dead and found.app.longest_seconds < 45.0
    assert found.app.late == 0
    assert found.app.clips > 690
    assert found.substitutes < 40  # most answers are new loops


def test_a_renderer_that_never_lives_long_enough_still_leaves_no_request_unanswered() -> None:
    found = hour(lambda random: 9.0 if random.uniform() < 0.5 else 10.0, 900.0)
    assert not found.app.dead and found.app.clips > 150
    found = hour(lambda random: 3.0, 300.0)  # it is never ready: the answer is the music of the set
    assert not found.app.dead and found.app.longest_seconds < 60.0 and found.app.requests >= 5


@pytest.mark.parametrize("seconds", [60.0])
def test_eight_clips_of_a_healthy_renderer_come_without_a_banner(seconds: float) -> None:
    found = hour(lambda random: 1e6, seconds)
    assert found.app.clips >= 8 and found.app.late == 0 and found.substitutes == 0


def test_one_bad_answer_is_the_end_of_the_app() -> None:
    """The control: the simulated app is as fragile as the real one."""

    async def body(loop: SimulatedLoop) -> None:
        async def ask(asked: dict[str, Any]) -> int:
            await asyncio.sleep(1.0)
            return 200 if loop.time() < 60 else 500

        app = App(ask)
        await app.run(3600.0)
        assert app.dead and app.requests < 20

    simulate(body)
