"""Takes the pictures of the page for the documentation, of a real set in real Chromium.

    .venv/bin/python -m tools.web_pictures             # writes docs/web-*.png; look at them before they are committed

The prompts are few and the set is short, so a picture shows the page as it is a minute after a start.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from pathlib import Path

from tests.wire.chromium import Page, chromium
from tools.bench.web_set import WebSet, web_set

_TOKENS = {"performer": "pictures-performer", "guest": "pictures-of-a-guest", "listener": "pictures-listener"}
_PRESET = """
name: Night set
tempo: 122
key: E minor
chords: "Em7 C G D"
deck:
  a: {prompt: "house, deep, piano", to: "dub techno, warm", alpha: 0.35, density: 0.2, brightness: -0.1, seed: 5}
  b: {prompt: "ambient, strings, calm", seed: 9, energy: 0.3, gain: -6}
crossfader: 0.35
scenes:
  intro: {deck/a/alpha: 0, deck/b/gain: -12}
  drop: {deck/a/alpha: 1, crossfader: 0}
web:
  guest: [deck/a/alpha, deck/b/energy]
"""


def _set(path: str, value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return f"riffengine.session.control.set('{path}', {text})"


async def _open(page: Page, running: WebSet, role: str, path: str = "/") -> None:
    await page.go(f"{running.url}{path}#token={_TOKENS[role]}" if path == "/" else f"{running.url}{path}")
    await page.until("riffengine.session.welcome !== null && riffengine.session.clock.grid !== null")


async def _changes(page: Page, *changes: tuple[str, object]) -> None:
    for path, value in changes:
        await page.evaluate(_set(path, value))


async def _ahead(page: Page, beats: float) -> None:
    """Wait until a change stands some beats before the playhead."""
    await page.until(
        f"riffengine.timeline.flags.some(({{ beat }}) => {{ const left = beat - riffengine.clock.beat();"
        f" return left > 1.5 && left < {beats}; }})", 120,
    )  # fmt: skip


async def take(running: WebSet, folder: Path) -> None:
    """Write all pictures into ``folder``."""
    async with chromium() as page:
        await page.resize(1280, 900)
        await _open(page, running, "performer")
        # Both decks play; the playhead has a past.
        await page.until("Object.values(riffengine.session.welcome.figures.decks ?? {}).length === 2")
        await page.until("riffengine.clock.beat() > 40", 120)

        guest = await page.tab()
        await guest.resize(390, 844, mobile=True)
        await _open(guest, running, "guest")
        for wish in ("dub techno, dark", "jazz, upright bass"):
            await guest.evaluate(f"riffengine.control.tell({{ type: 'vote', text: '{wish}' }})")
            await asyncio.sleep(0.3)
        await asyncio.sleep(1.0)
        await guest.screenshot(folder / "web-page-guest.png")

        await _changes(page, ("deck/a/prompt", "deep house, organ, soft"), ("deck/b/energy", 0.5))
        await _ahead(page, 12)
        await page.screenshot(folder / "web-page.png")
        await page.resize(390, 844, mobile=True)
        await _changes(page, ("deck/a/prompt", "house, deep, piano"))
        await _ahead(page, 16)
        await page.screenshot(folder / "web-page-phone.png")

        await page.resize(1280, 720)
        await page.evaluate("document.querySelector('[data-part=draw]').click()")
        await page.until("globalThis.riffengineDraw !== undefined && riffengineDraw.loop !== ''", 120)
        await page.evaluate(
            "(() => { const d = riffengineDraw; d.remember(); for (let k = 0; k < 6; k++) {"
            " d.last = { x: 40 + k * 70, y: 300 - k * 40 }; d.stroke({ x: 90 + k * 70, y: 280 - k * 40 }); }"
            " d.mark(300, 400); })()"
        )
        await page.screenshot(folder / "web-draw.png")

        await page.resize(1280, 720)
        await _open(page, running, "performer", "/watch?view=3d")
        await page.until(
            "riffengine.watch.view !== null && [1, 2].every((state) =>"
            " [...riffengine.watch.ring.states].filter((found) => found === state).length > 150)", 120,
        )  # fmt: skip
        await page.evaluate("(riffengine.watch.coloured = false)")
        await _changes(page, ("deck/a/prompt", "dub techno, deep, organ"), ("deck/b/density", 0.4))
        near = "(mark) => !mark.heard && mark.beat < riffengine.watch.beat + 12"
        with contextlib.suppress(AssertionError):  # a busy machine may land it before it is seen
            await page.until(f"[...riffengine.watch.marks.values()].some({near})", 25)
        await page.screenshot(folder / "web-watch.png")
        await page.evaluate("(riffengine.watch.coloured = true)")
        await asyncio.sleep(2.0)
        await page.screenshot(folder / "web-stems.png")
        await page.evaluate("(riffengine.watch.coloured = false, riffengine.watch.open(true, true))")
        await asyncio.sleep(2.0)
        await page.screenshot(folder / "web-flat.png")
        for found in (page, guest):
            print(f"page problems: {found.problems or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("docs"), help="the folder of the pictures")
    parser.add_argument("--port", type=int, default=9487)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "set.yaml").write_text(_PRESET)
        tokens = folder / "tokens"
        tokens.write_text("".join(f"{role} {token}\n" for role, token in _TOKENS.items()))
        tokens.chmod(0o600)
        with web_set(arguments.port, str(folder / "set.yaml"), "--web-tokens", str(tokens)) as running:
            asyncio.run(take(running, arguments.to))


if __name__ == "__main__":
    main()
