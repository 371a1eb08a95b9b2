"""What listeners cost: a real set with its web server, N listeners of whom some never read, and the underruns.

    .venv/bin/python -m tools.bench.web_listeners --listeners 100 --dead 20 --seconds 60

Prints the share of one core and the memory of the web server, its threads included, and the player's underruns, without
listeners and with them. The listeners are in this process: on a small machine they take processor time from the set.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def web_pid(engine: int, port: int) -> int:
    """The child of ``engine`` that listens on ``port``."""
    inodes = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
              if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"}  # fmt: skip
    for path in Path("/proc").glob("[0-9]*/fd"):
        try:
            held = {str(link.readlink()) for link in path.iterdir()}
        except OSError:
            continue
        if any(f"socket:[{inode}]" in held for inode in inodes):
            return int(path.parent.name)
    raise SystemExit("the web server was not found")


async def welcome(client: aiohttp.ClientSession, url: str) -> dict[str, float]:
    async with client.get(f"{url}/api/welcome") as answer:
        facts: dict[str, float] = (await answer.json())["figures"]["facts"]
        return facts


async def measure(client: aiohttp.ClientSession, url: str, pid: int, seconds: float) -> tuple[float, float, int]:
    """Share of a core, resident MB at the end, and underruns, over ``seconds``."""
    before, cpu, began = await welcome(client, url), cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    after = await welcome(client, url)
    share = (cpu_seconds(pid) - cpu) / (time.perf_counter() - began)
    return share, resident_mb(pid), int(after["underruns"] - before["underruns"])


async def listen(client: aiohttp.ClientSession, url: str, codec: str, reads: bool, counts: list[int]) -> None:
    async with client.ws_connect(f"{url}/ws/audio?codec={codec}", max_msg_size=0) as wire:
        if not reads:
            wire._response.connection.transport.pause_reading()  # type: ignore[union-attr]
            await asyncio.sleep(3600)
        async for message in wire:
            counts[0] += message.type is aiohttp.WSMsgType.BINARY


async def run(arguments: argparse.Namespace, engine: subprocess.Popen[str], url: str) -> None:
    pid = web_pid(engine.pid, int(url.rsplit(":", 1)[1]))
    counts = [0]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        await asyncio.sleep(5.0)
        rows = [("no listeners", await measure(client, url, pid, arguments.seconds))]
        tasks = [
            asyncio.create_task(listen(client, url, arguments.codec, number >= arguments.dead, counts))
            for number in range(arguments.listeners)
        ]
        await asyncio.sleep(3.0)
        name = f"{arguments.listeners} of {arguments.codec}, {arguments.dead} never read"
        began = time.perf_counter()
        counts[0] = 0
        rows.append((name, await measure(client, url, pid, arguments.seconds)))
        heard = counts[0] / (time.perf_counter() - began) / max(1, arguments.listeners - arguments.dead)
        rows.append((f"{name}, again", await measure(client, url, pid, arguments.seconds)))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(2.0)
        rows.append(("no listeners again", await measure(client, url, pid, arguments.seconds)))
    print(f"{'':34} {'of a core':>10} {'resident':>10} {'underruns':>10}")
    for name, (share, megabytes, underruns) in rows:
        print(f"{name:34} {100 * share:9.1f}% {megabytes:7.0f} MB {underruns:10}")
    print(f"a reading listener got {heard:.1f} packets a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listeners", type=int, default=100)
    parser.add_argument("--dead", type=int, default=20)
    parser.add_argument("--codec", default="opus", choices=("opus", "pcm"))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--port", type=int, default=9489)
    arguments = parser.parse_args()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}")
    print(f"aiohttp {aiohttp.__version__}, Python {platform.python_version()}")
    command = [sys.executable, "-m", "riffengine", "play", "--web", str(arguments.port), "--output", "paced"]
    engine = subprocess.Popen(
        [*command, "--no-osc", "--no-midi"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert engine.stdout is not None
    url = ""
    for line in engine.stdout:
        if found := re.search(r"web: (http\S+?)/?\s", line):
            url = found[1]
        if " deck a: " in line:
            break
    try:
        asyncio.run(run(arguments, engine, url))
    finally:
        engine.terminate()
        engine.wait(20)


if __name__ == "__main__":
    main()
