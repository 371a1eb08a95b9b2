"""Chromium without a screen, driven over its DevTools socket; nothing but aiohttp is needed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.needed import lacks

START_SECONDS = 60.0
_ANSWER_SECONDS = 240.0  # an expression may wait for a loop to be rendered
_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-quic",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--mute-audio",
    "--window-size=1280,900",
    "--disable-features=Translate,MediaRouter,OptimizationHints",
]


def need_chromium() -> str:
    """The program; the test is skipped without it, except in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        lacks("not installed: chromium")
    return found


@dataclass
class Page:
    """One tab. ``problems`` has every console error, exception and violation of the content policy so far."""

    wire: aiohttp.ClientWebSocketResponse
    session: str
    problems: list[str] = field(default_factory=list)
    another: Callable[[], Awaitable[Page]] | None = None
    _number: int = 0
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call ``method`` of the DevTools protocol."""
        self._number += 1
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        await self.wire.send_json(message)
        answer = await asyncio.wait_for(future, _ANSWER_SECONDS)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def take(self, message: dict[str, Any]) -> None:
        """A message of the browser."""
        if "id" in message:
            future = self._waiting.pop(message["id"], None)
            if future is not None and not future.done():
                future.set_result(message)
            return
        parameters = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                self.problems.append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "assert"):
                self.problems.append(str(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                entry = parameters["entry"]
                self.problems.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")

    async def tab(self) -> Page:
        """Another tab of the same browser."""
        assert self.another is not None
        return await self.another()

    async def press(self, key: str) -> None:
        """Press and release ``key``, such as ``Enter`` or ``/``."""
        code = {"Enter": 13, "Tab": 9, "ArrowDown": 40, "ArrowRight": 39}.get(key, 0)
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code,
                **({"text": text} if text and kind == "keyDown" else {}),
            )  # fmt: skip

    async def type(self, text: str) -> None:
        """Write ``text`` into the field that has the focus."""
        await self.call("Input.insertText", text=text)

    async def evaluate(self, expression: str) -> Any:
        """The value of ``expression``, awaited if it is a promise, as if a person had clicked."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def go(self, url: str) -> None:
        """Open ``url`` and wait until it is loaded."""
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def until(self, condition: str, seconds: float = START_SECONDS) -> None:
        """Wait until ``condition`` holds."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await self.evaluate(condition):
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"not within {seconds} s: {condition}; problems: {self.problems}")
            await asyncio.sleep(0.05)

    async def shot(self) -> bytes:
        """A picture of the page, as a PNG file."""
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    async def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """Give the page the size of another screen."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )


@contextlib.asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Page]:
    """A browser with one empty tab."""
    program = need_chromium()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [program, *_FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            port_file = Path(folder) / "DevToolsActivePort"
            async with asyncio.timeout(START_SECONDS):
                while not port_file.exists() or len(port_file.read_text().split()) < 2:
                    assert process.poll() is None, "chromium has ended"
                    await asyncio.sleep(0.05)
            port, path = port_file.read_text().split()
            async with aiohttp.ClientSession() as client:
                address = f"ws://127.0.0.1:{port}{path}"
                async with client.ws_connect(address, max_msg_size=0) as wire:
                    async with _tab(wire) as page:
                        yield page
                    with contextlib.suppress(ConnectionError):
                        await wire.send_json({"id": 10**6, "method": "Browser.close"})
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()


@contextlib.asynccontextmanager
async def _tab(wire: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Page]:
    browser = Page(wire, "")
    pages = [browser]

    async def read() -> None:
        async for message in wire:
            found = json.loads(message.data)
            for page in pages:
                if found.get("sessionId", "") == page.session:
                    page.take(found)

    reading = asyncio.get_running_loop().create_task(read())

    async def open_tab() -> Page:
        target = await browser.call("Target.createTarget", url="about:blank")
        session = await browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(wire, session["sessionId"], another=open_tab)
        page._number = 100_000 * len(pages)  # numbers are of the whole socket
        pages.append(page)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)  # a tab behind another one plays on
        return page

    try:
        yield await open_tab()
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
