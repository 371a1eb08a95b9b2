"""The landscape in real Chromium: 500 loops pass through it, and it takes no more memory than one."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.wire.chromium import Page, chromium
from tests.wire.web_site import web_site

pytestmark = pytest.mark.wire
PASS = """
(loops) => {
  const { watch } = riffengine, columns = new Uint8Array(256 * 128);
  for (let k = 0; k < loops; k++) {
    const beat = (globalThis.passed = (globalThis.passed ?? 1000) + 8);
    watch.mark({ key: `deck/a/prompt/${k}`, beat: beat + 4, text: `<b>dub</b> ${k}`, kind: "prompt", heard: false });
    watch.draw(beat);
    columns.fill(k % 255);
    watch.ring.heard(32 * (beat - 8), columns, watch.loops.at);
    watch.draw(beat + 4);
  }
  return JSON.stringify({ ...watch.view.memory, marks: watch.marks.size, bold: document.querySelectorAll("b").length,
    canvases: document.querySelectorAll("canvas").length });
}
"""


async def heap(page: Page) -> float:
    await page.call("HeapProfiler.collectGarbage")
    return float((await page.call("Runtime.getHeapUsage"))["usedSize"])


def test_500_loops_pass_through_the_landscape_in_constant_memory() -> None:
    async def body(url: str) -> None:
        async with chromium() as page:
            await page.resize(240, 160)
            await page.go(f"{url}watch?view=3d")
            await page.until("riffengine.session.welcome !== null && riffengine.watch.view !== null")
            await page.evaluate("riffengine.watch.show(false)")  # time is passed in from here on
            first = json.loads(await page.evaluate(f"({PASS})(20)"))
            before = await heap(page)
            for _ in range(10):
                last = json.loads(await page.evaluate(f"({PASS})(50)"))
            after = await heap(page)
            assert first == last
            assert (last["geometries"], last["textures"], last["canvases"], last["bold"]) == (3, 1, 1, 0)
            assert last["marks"] <= 24
            assert after - before < 500_000, (before, after)
            print(f"heap before {before / 1e6:.2f} MB, after 500 loops {after / 1e6:.2f} MB")
            assert page.problems == []

    with web_site() as site:
        asyncio.run(body(site.url))
