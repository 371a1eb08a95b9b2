"""Starts a set with its page as a performer does, in its own processes, and talks to it as a page does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

PATIENCE_SECONDS = 180.0  # enough on a busy machine; nothing here measures time


@contextlib.contextmanager
def playing(preset: str, folder: Path, *options: str) -> Iterator[str]:
    """``riffengine play`` of ``preset`` in the new ``folder``; yields the address of its page, without slash."""
    folder.mkdir()
    (folder / "set.yaml").write_text(preset)
    engine = subprocess.Popen(
        [sys.executable, "-m", "riffengine", "play", "set.yaml", *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder,
    )  # fmt: skip
    assert engine.stdout is not None
    lines = []
    try:
        for line in engine.stdout:
            lines.append(line)
            if found := re.search(r"web: (http\S+?)/?\s", line):
                break
        else:
            raise AssertionError("".join(lines))
        yield found[1]
    finally:
        engine.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            engine.communicate(timeout=60)
        if engine.poll() is None:
            engine.kill()


async def ask(client: aiohttp.ClientSession, url: str, message: dict[str, Any], answer: str) -> dict[str, Any]:
    """Send ``message`` as a page does; the message of the type ``answer`` that follows."""
    async with client.ws_connect(f"{url}/ws/control", max_msg_size=0) as wire:
        await wire.send_json({"id": 1, **message})
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found: dict[str, Any] = json.loads((await wire.receive()).data)
                if found["type"] == answer:
                    return found
