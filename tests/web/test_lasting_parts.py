from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from riffengine.clock import VirtualClock
from riffengine.processes.audio import Block
from riffengine.web.feeds import Feeds
from riffengine.web.lasting_parts import LastingParts
from riffengine.web.options import WebLimits
from riffengine.web.packets import Packet
from tests.web.simulated_time import SimulatedLoop, simulate


def test_a_part_that_fails_runs_again_and_is_told_once_for_each_new_problem() -> None:
    told: list[str] = []
    problems: list[Exception] = [OSError("no thread"), OSError("no thread"), ValueError("odd")]
    ran = 0

    async def part() -> None:
        nonlocal ran
        ran += 1
        if problems:
            raise problems.pop(0)
        await asyncio.Event().wait()

    async def scenario(loop: SimulatedLoop) -> None:
        parts = LastingParts(told.append, VirtualClock())
        parts.start("the sound", part)
        await asyncio.sleep(10.0)
        parts.stop()

    simulate(scenario)
    assert ran == 4
    assert told == [
        "web server: the sound failed and runs again (OSError: no thread)",
        "web server: the sound failed and runs again (ValueError: odd)",
    ]


@dataclass
class Tap:
    """An output that goes on by 64 frames whenever it is read."""

    sample_rate: int = 48000
    channels: int = 2
    end: int = 0

    def read(self, frame: int, frames: int) -> Tapped:
        self.end += 64
        return Tapped(frame, np.zeros((self.end - frame, 2), np.float32))


@dataclass(frozen=True)
class Tapped:
    frame: int
    samples: Block


@dataclass
class BadOnce:
    """An encoder that fails at its third block."""

    rate: int = 48000
    packet_frames: int = 64
    head: bytes = b""
    blocks: int = 0
    packets: list[Packet] = field(default_factory=list)

    def restart(self, frame: int) -> None: ...

    def encode(self, samples: Block) -> list[Packet]:
        self.blocks += 1
        if self.blocks == 3:
            raise ValueError("a bad block")
        return [Packet(self.blocks, 0.0, 64, b"packet")]


def test_a_listener_hears_on_after_a_block_that_could_not_be_encoded() -> None:
    told: list[str] = []
    tap: object = Tap()

    async def scenario(loop: SimulatedLoop) -> None:
        feeds = Feeds(tap, {"pcm": lambda rate, channels: BadOnce()}, WebLimits())  # type: ignore[arg-type]
        parts = LastingParts(told.append, VirtualClock())
        parts.start("the sound", feeds.run)
        async with feeds.listener("pcm") as (_, listener):
            await asyncio.sleep(0.1)
            assert listener.waiting > 10
        parts.stop()

    simulate(scenario)
    assert told == ["web server: the sound failed and runs again (ValueError: a bad block)"]
