"""Whether the landscape of the page takes the same memory after hundreds of loops: real Chromium, time passed in.

    .venv/bin/python -m tools.bench.web_landscape --loops 500 --warm-up 1000

Every loop brings 256 columns, and a prompt that is heard, and is drawn once. The browser keeps compiled code and caches
in its heap, so it is let grow first. Prints geometries, textures, marks and the heap after a collection.
"""

from __future__ import annotations

import argparse
import asyncio
import json

from tests.wire.chromium import Page, chromium
from tests.wire.web_site import web_site
from tools.bench.web_set import machine_text

_STEP = 50  # loops in one call
_PASS = """
((loops) => {
  const { watch } = riffengine, columns = new Uint8Array(256 * 128);
  for (let k = 0; k < loops; k++) {
    const beat = (globalThis.passed = (globalThis.passed ?? 1000) + 8);
    watch.mark({ key: `deck/a/prompt/${k}`, beat: beat + 4, text: `dub techno ${k}`, kind: "prompt", heard: false });
    columns.fill(k % 255);
    watch.ring.heard(32 * (beat - 8), columns, watch.loops.at);
    watch.draw(beat + 4);
  }
  return JSON.stringify({ ...watch.view.memory, marks: watch.marks.size,
    canvases: document.querySelectorAll("canvas").length });
})
"""


async def heap_mb(page: Page) -> float:
    """The heap of the page after a collection."""
    await page.call("HeapProfiler.collectGarbage")
    return float((await page.call("Runtime.getHeapUsage"))["usedSize"]) / 1e6


async def passed(page: Page, loops: int) -> dict[str, int]:
    """Let ``loops`` pass; what the landscape holds then."""
    found: dict[str, int] = {}
    for _ in range(0, loops, _STEP):
        found = json.loads(await page.evaluate(f"{_PASS}({_STEP})"))
    return found


async def measure(url: str, warm_up: int, loops: int, rows: int) -> None:
    async with chromium() as page:
        await page.resize(240, 160)
        await page.go(f"{url}watch?view=3d")
        await page.until("riffengine.session.welcome !== null && riffengine.watch.view !== null")
        await page.evaluate("riffengine.watch.show(false)")  # time is passed in from here on
        # The coarser mesh: software draws it here.
        await page.evaluate("(riffengine.watch.quality = 0, riffengine.watch.open(false, true))")
        first = await passed(page, warm_up)
        before = await heap_mb(page)
        print(f"after {warm_up} loops: {first}, heap {before:.2f} MB")
        for row in range(1, rows + 1):
            now = await passed(page, loops)
            after = await heap_mb(page)
            kept = "the same" if now == first else f"CHANGED to {now}"
            print(f"{row * loops:5} loops later: {kept}, heap {after:.2f} MB, {1000 * (after - before):+.0f} kB")
        print(f"page problems: {page.problems or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=500)
    parser.add_argument("--warm-up", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=2)
    arguments = parser.parse_args()
    print(machine_text())
    with web_site() as site:
        asyncio.run(measure(site.url, arguments.warm_up, arguments.loops, arguments.rows))


if __name__ == "__main__":
    main()
