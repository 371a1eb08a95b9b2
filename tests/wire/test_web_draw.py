"""A drawing that is sent to a running set: heard on the beat that the answer announces, and it is the drawing."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile
from PIL import Image

from riffengine.transport.beat_grid import BeatGrid
from tests.wire.web_session import PATIENCE_SECONDS, playing

pytestmark = pytest.mark.wire
RATE, LOOP = 44100, 58800  # frames of four beats at 180 bpm
FADE = 441  # 10 ms, by which one loop becomes the other
PRESET = """
tempo: 180
loop_beats: 4
quantum: bar
steps: 4
draft_steps: 4
output: {to: paced, fade_in: 0.02, fade_out: 0.1}
midi: {enabled: false}
osc: {enabled: false}
web: {port: 0}
deck: {a: {prompt: "house, driving", seed: 3, gain: -12}}
"""


def drawing() -> bytes:
    """The first two beats are full, the others are empty: a PNG."""
    levels = np.full((128, 256), 255, np.uint8)
    levels[20:108, :128] = 0  # dark is loud
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "png")
    return file.getvalue()


def contrast_db(loop: np.ndarray) -> float:
    """How much louder the first half of a loop is than the second."""
    halves = [float(np.sqrt(np.mean(half**2))) for half in (loop[: LOOP // 2], loop[LOOP // 2 :])]
    return 20 * float(np.log10(halves[0] / max(halves[1], 1e-6)))


@pytest.mark.timeout(600)
def test_a_drawing_is_heard_on_its_announced_beat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    async def until(wire: aiohttp.ClientWebSocketResponse, wanted: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message: dict[str, Any] = json.loads((await wire.receive()).data)
                if wanted(message):
                    return message

    def playing_beat(message: dict[str, Any]) -> float:
        """The beat of a set whose deck plays what is wanted, else -1."""
        figures = message.get("figures", message)
        if figures.get("decks", {}).get("a", {}).get("phase") != "playing":
            return -1.0
        grid = figures["grid"]
        return float(grid["beat"] + (figures["frame"] - grid["frame"]) * grid["bpm"] / 60 / RATE)

    async def body(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}/ws/control", max_msg_size=0) as wire:
            begun = playing_beat(await until(wire, lambda message: playing_beat(message) >= 0))
            await until(wire, lambda message: playing_beat(message) >= begun + 12)  # three loops of it
            headers = {"Content-Type": "image/png"}
            async with client.post(f"{url}/draw?deck=a&strength=0.2", data=drawing(), headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                promised = (await answer.json())["landing"]

            def ours(message: dict[str, Any]) -> bool:
                nonlocal promised
                if message["type"] == "landing" and message["path"] == "deck/a/init" and message["moved"]:
                    promised = message  # the machine is too busy to render it in time
                return message["type"] == "landed" and message["path"] == "deck/a/init"

            landed = await until(wire, ours)
            await until(wire, lambda message: playing_beat(message) >= landed["beat"] + 12)
            return promised, landed

    folder = tmp_path / "set"
    with playing(PRESET, folder, "--record", "set.flac") as url:
        promised, landed = asyncio.run(body(url))
    assert landed["frame"] == promised["frame"] == BeatGrid(RATE, 180.0).frame_at(promised["beat"])
    assert promised["beat"] % 4 == 0
    played, rate = soundfile.read(folder / "set.flac", dtype="float32", always_2d=True)
    assert rate == RATE
    at = int(landed["frame"])
    before, after = played[at - LOOP : at], played[at : at + LOOP]
    assert np.array_equal(before, played[at - 2 * LOOP : at - LOOP])  # nothing is heard early,
    assert np.abs(after - before)[: 4 * FADE].max() > 1e-3  # nor late,
    settled = played[at + LOOP : at + 2 * LOOP]
    assert contrast_db(settled) > contrast_db(before) + 6  # and what is heard is the drawing
