"""Takes the pictures of the page for the documentation, of a real set in real Chromium.

    .venv/bin/python -m tools.web_pictures             # writes docs/web-*.png; look at them before they are committed

The prompts are few and the set is short, so a picture shows the page as it is a minute after a start.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import tempfile
from pathlib import Path

from PIL import Image

from tests.wire.chromium import Page, chromium
from tools.bench.web_set import WebSet, web_set

_TOKENS = {"performer": "pictures-performer", "guest": "pictures-of-a-guest", "listener": "pictures-listener"}
_COLOURS = (200, 120, 72, 48)
_MOST_BYTES = 200_000
_WIDEST = 1280
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


async def _picture(page: Page, path: Path) -> None:
    """Write the page as it is, at most ``_WIDEST`` wide and in as many colours as ``_MOST_BYTES`` allow."""
    image = Image.open(io.BytesIO(await page.shot())).convert("RGB")
    if image.width > _WIDEST:
        image = image.resize((_WIDEST, round(image.height * _WIDEST / image.width)), Image.Resampling.LANCZOS)
    for colours in _COLOURS:
        file = io.BytesIO()
        image.quantize(colours).save(file, "PNG", optimize=True)
        if len(file.getvalue()) <= _MOST_BYTES:
            break
    path.write_bytes(file.getvalue())


async def _before_landing(page: Page, least: float, most: float) -> None:
    """Wait until changes stand from ``least`` to ``most`` beats ahead in the landscape, and stop it there."""
    await page.evaluate(
        "new Promise((done) => { const { watch, session } = riffengine; const look = () => {"
        "  const beat = session.clock.beat();"
        "  const ahead = [...watch.marks.values()].filter((mark) => !mark.heard).map((mark) => mark.beat - beat);"
        f" if (!ahead.some((left) => left > {least} && left < {most})) return setTimeout(look, 20);"
        "  cancelAnimationFrame(watch.asked); watch.draw(beat); setTimeout(done, 500); }; look(); })"
    )


async def take_pages(page: Page, running: WebSet, folder: Path) -> None:
    """The page of a performer, also on a phone, and that of a guest."""
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
    await _picture(guest, folder / "web-page-guest.png")
    print(f"problems of the guest's page: {guest.problems or 'none'}")
    await _changes(page, ("deck/a/prompt", "deep house, organ, soft"), ("deck/b/energy", 0.5))
    await _ahead(page, 12)
    await _picture(page, folder / "web-page.png")
    await page.resize(390, 844, mobile=True)
    await _changes(page, ("deck/a/prompt", "house, deep, piano"))
    await _ahead(page, 16)
    await _picture(page, folder / "web-page-phone.png")


async def take_draw(page: Page, running: WebSet, folder: Path) -> None:
    """A melody painted on a loop, and marked beats."""
    await page.resize(1280, 720)
    await _open(page, running, "performer")
    await page.evaluate("document.querySelector('[data-part=draw]').click()")
    await page.until("globalThis.riffengineDraw !== undefined && riffengineDraw.loop !== ''", 120)
    await page.evaluate(
        "(() => { const d = riffengineDraw; d.remember(); for (let k = 0; k < 6; k++) {"
        " d.last = { x: 40 + k * 70, y: 300 - k * 40 }; d.stroke({ x: 90 + k * 70, y: 280 - k * 40 }); }"
        " d.mark(300, 400); })()"
    )
    await _picture(page, folder / "web-draw.png")


async def take_watch(page: Page, running: WebSet, folder: Path) -> None:
    """The landscape with a landing ahead, coloured by stem, and flat; and what a projector shows."""
    await page.resize(1920, 1080)  # of a projector
    await _open(page, running, "performer")
    await _open(page, running, "performer", "/watch?view=3d")
    await page.until(
        "riffengine.watch.view !== null && [1, 2].every((state) =>"
        " [...riffengine.watch.ring.states].filter((found) => found === state).length > 150)", 200,
    )  # fmt: skip
    await page.evaluate("(riffengine.watch.coloured = false)")
    await _changes(
        page, ("transport/quantum", "4bars"), ("deck/a/prompt", "dub techno, deep, organ"), ("deck/b/density", 0.4)
    )
    await _before_landing(page, 2.0, 9.0)
    await _picture(page, folder / "web-watch.png")
    await page.evaluate("riffengine.watch.frame(performance.now())")  # it runs on
    await page.evaluate("(riffengine.watch.coloured = true)")
    await asyncio.sleep(2.0)
    await _picture(page, folder / "web-stems.png")
    await page.evaluate("(riffengine.watch.coloured = false, riffengine.watch.open(true, true))")
    await asyncio.sleep(2.0)
    await _picture(page, folder / "web-flat.png")


_PICTURES = {"pages": take_pages, "draw": take_draw, "watch": take_watch}


async def take(running: WebSet, folder: Path, only: str) -> None:
    """Write the pictures of ``only``, "" for all, into ``folder``."""
    async with chromium() as page:
        for name, some in _PICTURES.items():
            if only in ("", name):
                await some(page, running, folder)
        print(f"problems of the page: {page.problems or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("docs"), help="the folder of the pictures")
    parser.add_argument("--only", choices=tuple(_PICTURES), default="", help="some of them")
    parser.add_argument("--port", type=int, default=9487)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "set.yaml").write_text(_PRESET)
        tokens = folder / "tokens"
        tokens.write_text("".join(f"{role} {token}\n" for role, token in _TOKENS.items()))
        tokens.chmod(0o600)
        with web_set(arguments.port, str(folder / "set.yaml"), "--web-tokens", str(tokens)) as running:
            asyncio.run(take(running, arguments.to, arguments.only))


if __name__ == "__main__":
    main()
