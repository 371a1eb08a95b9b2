"""A page that stays open: its server ends and comes back, its network goes without a word, and others play."""

from __future__ import annotations

import asyncio

import pytest

from riffengine.web.messages import Changes
from riffengine.web.options import Role, WebOptions
from tests.wire.chromium import Page, chromium
from tests.wire.web_site import WebSite, web_site

pytestmark = pytest.mark.wire
CONNECTED = "document.body.dataset.connected === 'true'"
TWICE = """
(async () => {
  const { watch } = riffengine.parts.mounted.get("watch");
  let draws = 0, frames = 0;
  const draw = watch.draw.bind(watch);
  watch.draw = (beat) => { draws++; draw(beat); };
  while (frames < 20) { await new Promise(requestAnimationFrame); frames++; }
  return { draws, canvases: document.querySelectorAll("#watch canvas").length };
})()
"""


async def until_asked(page: Page, text: str) -> None:
    """Wait until the page says ``text`` in the place where it says how it is connected."""
    await page.until(f"document.getElementById('connection').textContent.includes({text!r})")


def test_a_page_that_stays_open_shows_what_is_true_after_every_interruption() -> None:
    async def body(site: WebSite) -> None:
        async with chromium() as page:
            await page.go(f"{site.url}?view=flat")  # hills take a machine without graphics most of its time
            await page.until(CONNECTED)

            # What cannot be saved yet is said.
            await page.evaluate("(save.href = '/save-last.flac?bars=64', save.click())")
            await page.until("document.getElementById('answer').textContent.includes('ask for less')")

            # A landing that came while the server was away is not awaited for ever.
            await page.evaluate("riffengine.fields.promise('deck/a/prompt', 9999)")
            assert await page.evaluate("document.querySelectorAll('.pending').length") > 0
            await asyncio.to_thread(site.restart)
            await page.until("document.body.dataset.connected === 'false'")
            await page.until(f"{CONNECTED} && !document.querySelector('.pending')")

            # The network has gone without a word: another connection takes the place of the silent one.
            await page.evaluate(
                "void ((wire) => { globalThis.silent = wire.socket; wire.silentLooks = 99; wire.look(); })"
                "(riffengine.control.wire)"
            )
            await page.until(f"{CONNECTED} && ![null, silent].includes(riffengine.control.socket)")

            # Another hand has moved a slider while a finger was on it: it counts when the finger leaves.
            slider = "document.querySelector('[data-path=\"deck/a/density\"] input')"
            await page.evaluate(f"{slider}.dispatchEvent(new PointerEvent('pointerdown', {{ bubbles: true }}))")
            site.tell(Changes({"deck/a/density": 0.75}))
            await page.until("riffengine.session.values['deck/a/density'] === 0.75")
            assert await page.evaluate(f"{slider}.value") == "0"
            await page.evaluate(f"{slider}.dispatchEvent(new PointerEvent('pointerup', {{ bubbles: true }}))")
            await page.until(f"{slider}.value === '0.75'")

            # Whoever asks for a picture that is shown already does not get it twice.
            for _ in range(3):
                await page.evaluate("document.querySelector('[data-part=watch]').click()")
            await page.until("riffengine.parts.mounted.has('watch')")
            found = await page.evaluate(TWICE)
            assert found["canvases"] == 1 and 0 < found["draws"] <= 20, found
            await page.evaluate("document.querySelector('[data-part=play]').click()")

            # Where sound in phase is not to be had, the plain stream comes back with its server.
            await page.evaluate("void Object.defineProperty(globalThis, 'isSecureContext', { value: false })")
            await page.evaluate("document.getElementById('listen').click()")
            await page.until("riffengine.listen.element?.currentTime > 0")
            await page.evaluate(
                "((element) => { globalThis.begun = 0; element.addEventListener('loadstart', () => begun++);"
                " globalThis.there = element.buffered.end(element.buffered.length - 1); })(riffengine.listen.element)"
            )
            await asyncio.to_thread(site.restart)
            # The page begins it again, or the browser has by itself, if the server was quick: past what it had then.
            await page.until("riffengine.listen.element.currentTime > (begun > 0 ? 0 : there + 1)")

    with web_site() as site:
        asyncio.run(body(site))


def test_a_page_whose_link_is_of_an_earlier_start_says_so() -> None:
    async def body(site: WebSite) -> None:
        async with chromium() as page:
            await page.go(f"{site.url}#token=of-an-earlier-start")
            await until_asked(page, "a token is needed")
            assert await page.evaluate("location.hash") == ""
            await page.go(f"{site.url}?again#token=performer-token-0123")
            await page.until(CONNECTED)

    with web_site(WebOptions(port=0, tokens=((Role.PERFORMER, "performer-token-0123"),))) as site:
        asyncio.run(body(site))
