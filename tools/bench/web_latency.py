"""How far the sound in a page is behind the engine: a real set, real Chromium, every tenth of a second.

    .venv/bin/python -m tools.bench.web_latency --seconds 540                  # PCM and Opus, two tabs at once
    .venv/bin/python -m tools.bench.web_latency --codec pcm --seconds 60

From the moment at which the player hands over a block (its last sample) to the moment at which the page's AudioWorklet
is asked for that sample; the sound device comes after that. The clock of both is the machine's: the worklet notes the
time of each report, and a control socket asks which frame is being handed over. Answers that took long are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

import aiohttp
import numpy as np

from riffengine.clock import SystemClock
from tests.wire.chromium import Page, chromium
from tools.bench.web_set import WebSet, machine_text, web_set

_PING_SECONDS = 0.25
_ROW_SECONDS = 10.0
_COLLECT = (
    "void (globalThis.rows = [], riffengine.listen.addEventListener('played', (e) => { if (e.detail.started)"
    " rows.push([e.detail.wall, e.detail.position, e.detail.shift, e.detail.step, e.detail.time]); }))"
)


async def ping(wire: aiohttp.ClientWebSocketResponse, found: list[tuple[float, float, int]]) -> None:
    """Add (time, seconds that the answer took, frame of the engine at that time) to ``found``, for ever."""
    clock = SystemClock()
    while True:
        asked = clock.unix_seconds()
        await wire.send_json({"type": "ping", "id": 1})
        while True:
            message = json.loads((await wire.receive()).data)
            if message["type"] == "pong":
                break
        took = clock.unix_seconds() - asked
        found.append((asked + took / 2, took, message["frame"]))
        await asyncio.sleep(_PING_SECONDS)


def latency(rows: np.ndarray[Any, Any], pings: np.ndarray[Any, Any], ratio: float, rate: int) -> np.ndarray[Any, Any]:
    """Seconds behind the engine of each row (time in ms, frame of the stream).

    The engine's frames are a line through the answers: it plays by the machine's clock, and never waits.
    """
    quick = pings[pings[:, 1] <= np.quantile(pings[:, 1], 0.5)]
    begin = quick[0, 0]
    line = np.polyfit(quick[:, 0] - begin, quick[:, 2], 1)
    if abs(line[0] / rate - 1.0) > 1e-3:
        raise SystemExit(f"the engine played {line[0]:.1f} frames a second: it was late; repeat the measure")
    return np.asarray((np.polyval(line, rows[:, 0] / 1000.0 - begin) - rows[:, 1] / ratio) / rate)


async def measure(page: Page, running: WebSet, codec: str, seconds: float) -> None:
    await page.go(f"{running.url}/?codec={codec}")
    await page.until("riffengine.clock.grid !== null")
    await page.evaluate("document.getElementById('listen').click()")
    await page.until("riffengine.listen.played !== null && riffengine.listen.played.started")
    first = await page.evaluate("riffengine.listen.soundedAfterMs")
    rate = await page.evaluate("riffengine.control.welcome?.sample_rate ?? 44100")
    await page.evaluate(_COLLECT)
    pings: list[tuple[float, float, int]] = []
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{running.url}/ws/control") as wire:
        asking = asyncio.create_task(ping(wire, pings))
        await asyncio.sleep(seconds)
        asking.cancel()
    found = np.array(json.loads(await page.evaluate("JSON.stringify(rows)")), float)
    ratio = await page.evaluate("riffengine.listen.ratio")
    played = await page.evaluate("riffengine.listen.played")
    behind = 1000.0 * latency(found, np.array(pings, float), ratio, rate)
    live = found[:, 2] == 0
    when = (found[:, 0] - found[0, 0]) / 1000.0
    windows = [behind[(when >= at) & (when < at + _ROW_SECONDS)] for at in np.arange(0.0, when[-1], _ROW_SECONDS)]
    medians = np.array([np.median(window) for window in windows if len(window)])
    quantiles = " ".join(f"{value:.1f}" for value in np.quantile(behind, [0.05, 0.5, 0.95, 1.0]))
    print(f"{codec}: {len(behind)} blocks in {when[-1]:.0f} s; first sound {first:.0f} ms after the click")
    print(f"{codec}: latency p5 p50 p95 max: {quantiles} ms")
    print(f"{codec}: medians of {_ROW_SECONDS:.0f} s lie from {medians.min():.1f} to {medians.max():.1f} ms")
    print(
        f"{codec}: {played['substitutions']} substitutions, {100 * (1 - live.mean()):.1f} % of blocks earlier loops, "
        f"{played['silentBlocks']} silent blocks, {int((found[:, 3] != 1).sum())} blocks with the clock corrected"
    )
    lost = found[:, 0] / 1000.0 - found[:, 4]
    print(
        f"{codec}: the page's device lost {1000 * (np.min(lost[-50:]) - np.min(lost[:50])):.1f} ms against the clock, "
        f"and {played['skips']} times what it had lost was skipped"
    )
    print(f"{codec}: page problems: {page.problems or 'none'}")


async def run(arguments: argparse.Namespace) -> None:
    codecs = arguments.codec or ["pcm", "opus"]
    with web_set(arguments.port, *arguments.option) as running:
        async with chromium() as page:
            pages = [page, *[await page.tab() for _ in codecs[1:]]]
            async with asyncio.TaskGroup() as group:
                for tab, codec in zip(pages, codecs, strict=True):
                    group.create_task(measure(tab, running, codec, arguments.seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", action="append", choices=("pcm", "opus"), help="may be repeated; default: both")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--port", type=int, default=9488)
    parser.add_argument("--option", action="append", default=[], help="of `riffengine play`; may be repeated")
    arguments = parser.parse_args()
    print(machine_text())
    asyncio.run(run(arguments))
    print(machine_text())


if __name__ == "__main__":
    main()
