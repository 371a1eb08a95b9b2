"""What listeners cost: a real set with its web server, N listeners of whom some never read, and the underruns.

    .venv/bin/python -m tools.bench.web_listeners --listeners 100 --dead 20 --seconds 60

Prints the share of one core and the private memory of the web server, its threads included, and the player's underruns,
without listeners and with them; then how that memory went, every five seconds, and its slope while all listen. The
listeners are in this process: on a small machine they take processor time from the set.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time

import aiohttp
import numpy as np

from riffengine.processes.process_stats import read_process_stats
from riffengine.web.history import KEPT_SECONDS
from tools.bench.web_set import WebSet, machine_text, web_set

_SAMPLE_SECONDS = 5.0


def cpu_seconds(pid: int) -> float:
    stats = read_process_stats(pid)
    return stats.cpu_seconds if stats is not None else math.nan


def private_mb(pid: int) -> float:
    stats = read_process_stats(pid)
    return stats.private_bytes / 1e6 if stats is not None else math.nan


class Memory:
    """The private memory of ``pid`` over time: seconds from the start, and MB."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = time.perf_counter()
        self.samples: list[tuple[float, float]] = []

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    async def run(self) -> None:
        while True:
            self.samples.append((self.seconds, private_mb(self._pid)))
            await asyncio.sleep(_SAMPLE_SECONDS)

    def text(self, begin: float, end: float) -> str:
        """All samples in a line, and the slope of those from ``begin`` to ``end``."""
        listened = np.array([sample for sample in self.samples if begin <= sample[0] <= end])
        line = "private MB every 5 s: " + " ".join(f"{megabytes:.1f}" for _, megabytes in self.samples)
        if len(listened) < 3:
            return line
        slope = 60.0 * float(np.polyfit(listened[:, 0], listened[:, 1], 1)[0])
        least, most = listened[:, 1].min(), listened[:, 1].max()
        spread = f"{least:.1f} to {most:.1f} MB in {end - begin:.0f} s"
        return f"{line}\nwhile all listen: {spread}, slope {slope:+.2f} MB a minute"


async def welcome(client: aiohttp.ClientSession, url: str) -> dict[str, float]:
    async with client.get(f"{url}/api/welcome") as answer:
        facts: dict[str, float] = (await answer.json())["figures"]["facts"]
        return facts


async def measure(client: aiohttp.ClientSession, url: str, pid: int, seconds: float) -> tuple[float, float, int]:
    """Share of a core, private MB at the end, and underruns, over ``seconds``."""
    before, cpu, began = await welcome(client, url), cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    after = await welcome(client, url)
    share = (cpu_seconds(pid) - cpu) / (time.perf_counter() - began)
    return share, private_mb(pid), int(after["underruns"] - before["underruns"])


async def listen(client: aiohttp.ClientSession, url: str, codec: str, reads: bool, counts: list[int]) -> None:
    """Listen for ever; one who does not read is hung up after a while."""
    async with client.ws_connect(f"{url}/ws/audio?codec={codec}", max_msg_size=0) as wire:
        if not reads:
            wire._response.connection.transport.pause_reading()  # type: ignore[union-attr]
            await asyncio.sleep(3600)
        async for message in wire:
            counts[0] += message.type is aiohttp.WSMsgType.BINARY


def show(name: str, measured: tuple[float, float, int]) -> None:
    share, megabytes, underruns = measured
    print(f"{name:36} {100 * share:9.1f}% {megabytes:7.0f} MB {underruns:10}", flush=True)


async def run(arguments: argparse.Namespace, running: WebSet) -> None:
    url, pid, seconds = running.url, running.web_pid, arguments.seconds
    counts = [0]
    memory = Memory(pid)
    sampling = asyncio.create_task(memory.run())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        await asyncio.sleep(5.0)
        print(f"{'':36} {'of a core':>10} {'private':>10} {'underruns':>10}")
        show("no listeners", await measure(client, url, pid, seconds))
        tasks = [
            asyncio.create_task(listen(client, url, arguments.codec, number >= arguments.dead, counts))
            for number in range(arguments.listeners)
        ]
        await asyncio.sleep(3.0)
        all_listen = memory.seconds
        name = f"{arguments.listeners} of {arguments.codec}, {arguments.dead} never read"
        began = time.perf_counter()
        counts[0] = 0
        show(name, await measure(client, url, pid, seconds))
        heard = counts[0] / (time.perf_counter() - began) / max(1, arguments.listeners - arguments.dead)
        show(f"{name}, again", await measure(client, url, pid, seconds))
        some_leave = memory.seconds
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(2.0)
        show("no listeners again", await measure(client, url, pid, seconds))
    sampling.cancel()
    print(f"a reading listener got {heard:.1f} packets a second")
    print(memory.text(all_listen, some_leave))
    print(f"of it the last {KEPT_SECONDS:g} s of music are {KEPT_SECONDS * 44100 * 8 / 1e6:.0f} MB, from the start on")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listeners", type=int, default=100)
    parser.add_argument("--dead", type=int, default=20)
    parser.add_argument("--codec", default="opus", choices=("opus", "pcm"))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--port", type=int, default=9489)
    arguments = parser.parse_args()
    print(machine_text())
    with web_set(arguments.port) as running:
        asyncio.run(run(arguments, running))


if __name__ == "__main__":
    main()
