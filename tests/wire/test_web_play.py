"""The play page in real Chromium: by whom it may be played, what appears on it, and that all hands see the same."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from riffengine.bench.osc_client import free_port
from riffengine.performance.command import Command, Landing
from riffengine.performance.parameter_tree import ControlClass, Parameter
from riffengine.web.messages import Changes, Parameters, Promised
from riffengine.web.options import WebOptions
from tests.needed import lacks, needs
from tests.wire.chromium import Page, chromium
from tests.wire.osc_session import OscSurface
from tests.wire.web_site import WebSite, web_site

pytestmark = pytest.mark.wire
AXE = Path(__file__).parents[2] / "tools" / "page" / "node_modules" / "axe-core" / "axe.min.js"
TOKENS = (("performer", "performer-token-1"), ("guest", "guest-token-12345"))
GUEST_NAME = "stage.test"  # a name that is not loopback: its pages are insecure, as those of a phone over plain http


async def ready(page: Page, url: str) -> None:
    """Open ``url`` and wait until its controls are there."""
    await page.go(url)
    await page.until("riffengine.session.welcome !== null && riffengine.clock.grid !== null")


async def serious(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical."""
    if not await page.evaluate("typeof axe !== 'undefined'"):
        await page.evaluate(f"void (() => {{ {AXE.read_text(encoding='utf-8')} }})()")
    found = await page.evaluate(
        "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => JSON.stringify(violations"
        ".filter(({ impact }) => impact === 'serious' || impact === 'critical')"
        ".map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html).join(' | ')}`)))"
    )
    return list(json.loads(found))


def submitted(site: WebSite, path: str) -> list[Command]:
    return [command for command in site.engine.commands if command.path == path]


async def until_submitted(site: WebSite, path: str, value: Any) -> Command:
    """Wait until the engine has been told of ``path`` as ``value``."""
    async with asyncio.timeout(60):
        while not (found := [command for command in submitted(site, path) if command.value == value]):
            await asyncio.sleep(0.02)
    return found[0]


def test_performer_and_guest_play_together_and_axe_finds_nothing_serious() -> None:
    if not AXE.exists():
        lacks("not installed: axe-core; run tools/page/check")
    options = WebOptions(port=0, tokens=TOKENS, guest=("deck/a/alpha",), names=(GUEST_NAME,))

    async def body(site: WebSite) -> None:
        port = int(site.url.rstrip("/").rsplit(":", 1)[1])
        async with chromium(f"--host-resolver-rules=MAP {GUEST_NAME} 127.0.0.1") as performer:
            await performer.resize(1280, 900)
            await ready(performer, f"http://127.0.0.1:{port}/#token={TOKENS[0][1]}")
            assert await performer.evaluate("location.hash") == ""
            guest = await performer.tab()
            await guest.resize(390, 844, mobile=True)
            await ready(guest, f"http://{GUEST_NAME}:{port}/#token={TOKENS[1][1]}")

            # Without HTTPS a page has no AudioWorklet: it plays the plain stream.
            assert not await guest.evaluate("isSecureContext")
            await guest.evaluate("document.getElementById('listen').click()")
            await guest.until("riffengine.listen.element !== null && riffengine.listen.element.currentTime > 0")

            # A guest has the control that the preset allows, and no other.
            paths = await guest.evaluate("[...new Set([...document.querySelectorAll('input[type=range]')].map("
                                         "(input) => input.closest('[data-path]').dataset.path))]")  # fmt: skip
            assert paths == ["deck/a/alpha"]

            # A vote is text, and the performer decides.
            wish = "<b>dub</b> techno"
            await guest.evaluate("document.getElementById('wish').focus()")
            await guest.type(wish)
            await guest.press("Enter")
            await performer.until("document.querySelector('.wishes li') !== null")
            assert await performer.evaluate("document.querySelector('.wishes .text').textContent") == wish
            assert await performer.evaluate("document.querySelectorAll('.wishes b').length") == 0
            await performer.evaluate("document.querySelector('.wishes button').click()")
            command = await until_submitted(site, "deck/a/prompt", wish)
            assert command.source == "web:votes"
            await guest.until("document.querySelector('.wishes li') === null")

            for page, layout in ((performer, "desktop"), (guest, "guest")):
                assert await serious(page) == [], layout
            await performer.resize(390, 844, mobile=True)
            assert await serious(performer) == [], "phone"
            for page in (performer, guest):
                width = await page.evaluate("document.documentElement.scrollWidth")
                assert width == 390, "the page is wider than a phone"
                assert await page.evaluate("[...document.querySelectorAll('button, input, select, a, summary')].every("
                                           "(node) => node.tabIndex >= 0)")  # fmt: skip
                assert page.problems == []

    with web_site(options) as site:
        asyncio.run(body(site))


GLOW = Parameter("deck/a/glow", "float", 0.0, ControlClass.IMMEDIATE, "of a model that this page does not know", 0, 1)
DRIVE = Parameter("deck/a/fx/1/drive", "float", 0.0, ControlClass.IMMEDIATE, "of a plugin", 0, 24, "dB")


def test_what_the_page_does_not_know_gets_controls_and_a_prompt_is_played_by_keys(tmp_path: Path) -> None:
    needs("zbar-tools", "zbarimg")

    async def body(site: WebSite) -> None:
        async with chromium() as page:
            await ready(page, site.url)
            glow = "document.querySelector('.deck[data-deck=a] > .shape [data-path=\"deck/a/glow\"] input')"
            await page.evaluate(
                f"(() => {{ const glow = {glow}; glow.value = 0.5; glow.dispatchEvent(new Event('input')); }})()"
            )
            await until_submitted(site, "deck/a/glow", 0.5)

            # A plugin is loaded, and leaves again.
            drive = "document.querySelector('.deck[data-deck=a] [data-path=\"deck/a/fx/1/drive\"] input')"
            assert await page.evaluate(f"{drive} === null")
            known = tuple(site.engine.tree.parameters.values())
            site.engine.tree.join((DRIVE,))
            site.tell(Parameters((*known, DRIVE)))
            site.tell(Changes({DRIVE.path: 6.0}))
            await page.until(f"{drive} !== null && {drive}.value === '6'")
            site.tell(Parameters(known))
            await page.until(f"{drive} === null")
            assert await page.evaluate(f"{glow}.value") == "0.5"

            # "/" goes to the prompt; arrow and Enter take a word of the model, and Enter sends.
            await page.evaluate("document.activeElement.blur()")
            await page.press("/")
            await page.type("warm techn")
            await page.until("document.querySelector('.suggestions:not([hidden]) > div') !== null")
            await page.press("ArrowDown")
            await page.press("Enter")
            written = await page.evaluate("document.activeElement.value")
            assert written.startswith("warm techn") and len(written) > len("warm techn")
            await page.press("Enter")
            await until_submitted(site, "deck/a/prompt", written)
            await page.until("document.getElementById('landings').textContent.includes('lands on beat 16')")
            assert written in await page.evaluate("document.getElementById('landings').textContent")

            # Another hand's change is shown at its control and on the timeline until it is heard.
            energy = "document.querySelector('.field[data-path=\"deck/a/energy\"]').classList.contains('pending')"
            site.tell(Promised(Landing("deck/a/energy", 1e6, 9.0), 0.5, "osc:1"))
            await page.until(energy)
            assert "A energy: 0.5" in await page.evaluate("document.getElementById('lane').textContent")
            site.tell(Promised(Landing("deck/a/energy", 0.0, 9.0), 0.5, "osc:1"))  # it has moved: it is heard already
            await page.until(f"!{energy}")

            # The code that is shown is the link.
            await page.evaluate("document.getElementById('share').click()")
            await page.until("document.querySelector('.shared canvas') !== null")
            picture = await page.evaluate("document.querySelector('.shared canvas').toDataURL()")
            link = await page.evaluate("document.querySelector('.shared input').value")
            file = tmp_path / "code.png"
            file.write_bytes(base64.b64decode(picture.partition(",")[2]))
            read = subprocess.run(
                ["zbarimg", "--quiet", "--raw", str(file)], capture_output=True, text=True, check=True
            )
            assert read.stdout.strip() == link
            assert link.startswith(site.url) and "#moment=" in link
            assert page.problems == []

    with web_site(parameters=(GLOW,)) as site:
        asyncio.run(body(site))


PRESET = """
tempo: 120
deck:
  a: {prompt: "house, piano"}
  b: {prompt: "dub techno"}
"""


def test_two_pages_and_osc_stay_in_step(tmp_path: Path) -> None:
    """A real set: what one hand changes is seen by the others, and all end with the same values."""
    (tmp_path / "set.yaml").write_text(PRESET)
    port, osc_port = free_port(), free_port()
    words = ["set.yaml", "--output", "paced", "--no-midi", "--web", str(port), "--osc-port", str(osc_port)]
    engine = subprocess.Popen(
        [sys.executable, "-m", "riffengine", "play", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert engine.stdout is not None
    url, lines = "", []
    for line in engine.stdout:
        lines.append(line)
        if found := re.search(r"web: (http\S+)", line):
            url = found[1]
            break
    osc = OscSurface(osc_port)

    async def body() -> None:
        async with chromium() as first:
            second = await first.tab()
            await ready(first, url)
            await ready(second, url)
            osc.send("/riff/notify", 1)
            crossfader = "document.getElementById('crossfader')"
            await first.evaluate(
                f"(() => {{ {crossfader}.value = 0.25; {crossfader}.dispatchEvent(new Event('input')); }})()"
            )
            await second.until(f"{crossfader}.value === '0.25'")
            await asyncio.to_thread(osc.wait_for, "/riff/crossfader", lambda values: abs(values[0] - 0.25) < 1e-3)

            gain = "document.querySelector('.deck[data-deck=b] [data-path=\"deck/b/gain\"] input')"
            osc.send("/riff/deck/b/gain", -12.0)
            for page in (first, second):
                await page.until(f"Math.abs({gain}.valueAsNumber + 12) < 0.1")

            key = "document.querySelector('#tempo [data-path=key] select')"
            await first.evaluate(
                "void riffengine.control.addEventListener('landing', ({ detail }) =>"
                " { if (detail.path === 'key') globalThis.promised = detail; })"
            )
            await second.evaluate(f"(() => {{ {key}.value = 'D minor'; {key}.dispatchEvent(new Event('change')); }})()")
            await first.until(f"{key}.value === 'D minor' && globalThis.promised?.value === 'D minor'")
            await asyncio.to_thread(osc.wait_for, "/riff/key", lambda values: values[0] == "D minor")

            seen = [
                json.loads(await page.evaluate("JSON.stringify(riffengine.session.values)")) for page in (first, second)
            ]
            assert seen[0] == seen[1]
            assert (seen[0]["crossfader"], seen[0]["deck/b/gain"], seen[0]["key"]) == (0.25, -12.0, "D minor")
            assert first.problems == second.problems == []

    try:
        assert url, "".join(lines)
        asyncio.run(body())
    finally:
        osc.socket.close()
        engine.terminate()
        engine.communicate(timeout=60)
