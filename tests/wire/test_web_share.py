"""A link of one running set, opened on another: what is heard is the same to the sample."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import soundfile

from tests.wire.web_session import PATIENCE_SECONDS, ask, playing

pytestmark = pytest.mark.wire
LOOP = 58800  # frames of four beats at 180 bpm
HEAD = """
tempo: {tempo}
loop_beats: 4
quantum: beat
steps: 4
draft_steps: 4
output: {{to: paced, fade_in: 0.02, fade_out: 0.1}}
midi: {{enabled: false}}
osc: {{enabled: false}}
web: {{port: 0}}
"""
PLAYED = (
    HEAD.format(tempo=180)
    + """
deck:
  a: {prompt: "house, piano, synth bass, electronic drums", to: "dub techno", seed: 3, alpha: 0.3, gain: -12,
      takes: "drums:1-4:2", density: 0.4}
  b: {prompt: "ambient choir", seed: 41, gain: -12, stem: {drums: {gain: -6}}}
crossfader: 0.4
"""
)
FRESH = (
    HEAD.format(tempo=150)
    + """
deck:
  a: {prompt: "jazz"}
  b: {prompt: "reggae", gain: -3}
"""
)


async def loop_heard(client: aiohttp.ClientSession, url: str) -> np.ndarray | None:
    """The last loop, which is a bar: ``(frames, 2)``; ``None`` where the one before it was another."""
    async with client.get(f"{url}/save-last.flac?bars=2") as answer:
        if answer.status != 200:
            return None
        samples, _ = soundfile.read(io.BytesIO(await answer.read()), dtype="int32", always_2d=True)
    if len(samples) != 2 * LOOP or not np.array_equal(samples[:LOOP], samples[LOOP:]):
        return None
    return np.asarray(samples[:LOOP])


async def until_steady(client: aiohttp.ClientSession, url: str) -> np.ndarray:
    """The loop that is heard once every deck plays what is wanted."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with client.get(f"{url}/api/welcome") as answer:
                decks = (await answer.json())["figures"].get("decks", {})
            if decks and all(deck["phase"] == "playing" for deck in decks.values()):
                heard = await loop_heard(client, url)
                if heard is not None and np.abs(heard).max() > 1 << 24:
                    return heard
            await asyncio.sleep(0.5)


async def same(client: aiohttp.ClientSession, one: str, other: str) -> bool:
    """Whether both sets are heard to play the same loop."""
    return np.array_equal(await until_steady(client, one), await until_steady(client, other))


@pytest.mark.timeout(600)
def test_a_link_opened_on_a_fresh_engine_sounds_the_same_to_the_sample(tmp_path: Path) -> None:
    async def body(played: str, fresh: str) -> None:
        async with aiohttp.ClientSession() as client:
            await until_steady(client, played)
            shared = await ask(client, played, {"type": "share"}, "shared")
            assert shared["notes"] == []
            opened = await ask(client, fresh, {"type": "open", "text": shared["text"]}, "opened")
            assert (opened["same"], opened["notes"]) == (True, [])
            async with asyncio.timeout(PATIENCE_SECONDS):
                # Both go on rendering loops between the ends of the morph until the nearest one is heard.
                while not await same(client, played, fresh):
                    await asyncio.sleep(0.5)
                # Another seed is another loop: the comparison can fail.
                await ask(client, fresh, {"type": "set", "path": "deck/b/seed", "value": 42}, "answer")
                while await same(client, played, fresh):
                    await asyncio.sleep(0.5)

    with playing(PLAYED, tmp_path / "played") as played, playing(FRESH, tmp_path / "fresh") as fresh:
        asyncio.run(body(played, fresh))
