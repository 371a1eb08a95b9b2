"""Drawings over real sockets: a picture becomes the init of a deck, and what is wrong changes nothing."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from riffengine.transport.beat_grid import BeatGrid
from riffengine.web import drawings
from riffengine.web.drawings import MOST_BYTES, Drawings
from riffengine.web.loop_picture import band_hz, loop_picture
from riffengine.web.options import WebOptions
from riffengine.web.painted_sound import painted_sound
from tests.web.site import RATE, Site, run, site

TOKENS = (("performer", "p" * 20), ("guest", "g" * 20), ("listener", "l" * 20))
FRAMES = RATE * 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "riffengine" / "drawn"


def png(levels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def line(hz: float) -> np.ndarray[Any, Any]:
    """A black line at ``hz`` on white."""
    levels = np.full((512, 512), 255)
    levels[511 - int(np.argmin(np.abs(band_hz() - hz)))] = 0
    return levels


async def answered(on: Site, times: int) -> None:
    for _ in range(times):
        for _ in range(20):
            try:
                await on.answer()
                break
            except AssertionError:  # painting takes a second, and many on a busy machine
                continue


def test_a_painted_picture_becomes_the_init_of_its_deck(folder: Path) -> None:
    async def body() -> None:
        async with site() as on:
            asked = asyncio.create_task(
                on.client.post(
                    f"{on.url}/draw?deck=b&strength=0.3", data=png(line(1000.0)), headers={"Content-Type": "image/png"}
                )
            )
            await answered(on, 2)
            answer = await asked
            assert answer.status == 200
            found = await answer.json()
            kept = folder / found["init"]
            assert on.engine.state["deck/b/init"] == str(kept)
            assert on.engine.state["deck/b/strength"] == 0.3
            assert set(found) == {"init", "kind", "landing", "note"}
            samples, rate = soundfile.read(kept)
            assert (rate, len(samples)) == (RATE, FRAMES)
            peak = np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples)
            assert abs(peak - 1000.0) < 25.0

    run(body)


REFUSED = [
    ("deck=a", "text/plain", b"x", 415),
    ("deck=a", "application/x-www-form-urlencoded", b"x", 415),
    ("deck=a", "multipart/form-data; boundary=x", b"x", 415),
    ("deck=z", "image/png", b"x", 400),
    ("deck=../../etc", "image/png", b"x", 400),
    ("deck=a&strength=1", "image/png", b"x", 400),
    ("deck=a&strength=nan", "image/png", b"x", 400),
    ("deck=a&loop=../1", "image/png", b"x", 400),
    ("deck=a", "image/png", b"no picture", 422),
    ("deck=a", "image/png", png(np.full((64, 64), 255)), 422),
    ("deck=a", "image/png", png(np.zeros((4000, 4000))), 422),
    ("deck=a", "audio/flac", b"no sound", 422),
    ("deck=a", "image/png", b"\0" * (MOST_BYTES + 1), 413),
]


def test_what_is_no_drawing_is_refused_and_changes_nothing(folder: Path) -> None:
    async def body() -> None:
        async with site() as on:
            for query, kind, content, status in REFUSED:
                answer = await on.client.post(
                    f"{on.url}/draw?{query}", data=io.BytesIO(content), headers={"Content-Type": kind}
                )
                assert answer.status == status, (query, kind, await answer.text())
                assert "Content-Security-Policy" in answer.headers
            foreign = {"Content-Type": "image/png", "Origin": "http://evil.test"}
            answer = await on.client.post(f"{on.url}/draw?deck=a", data=png(line(1000.0)), headers=foreign)
            assert answer.status == 403
            assert on.engine.commands == []
        assert not folder.exists()

    run(body)


def test_guests_and_listeners_do_not_draw() -> None:
    async def body() -> None:
        async with site(WebOptions(port=0, tokens=TOKENS)) as on:
            for role, token in TOKENS[1:]:
                headers = {"Content-Type": "image/png", "Authorization": f"Bearer {token}"}
                answer = await on.client.post(f"{on.url}/draw?deck=a", data=png(line(1000.0)), headers=headers)
                assert answer.status == 403, role
            answer = await on.client.post(f"{on.url}/draw?deck=a", data=b"", headers={"Content-Type": "image/png"})
            assert answer.status == 401
            assert on.engine.commands == []

    run(body)


def test_a_sound_is_written_again_and_a_minute_of_it_kept(folder: Path) -> None:
    file = io.BytesIO()
    tone = np.sin(np.arange(90 * 8000) / 8.0) * 0.5
    soundfile.write(file, tone, 8000, format="FLAC")
    samples, rate = soundfile.read(io.BytesIO(drawings.read_sound(file.getvalue())), always_2d=True)
    assert (rate, samples.shape) == (8000, (60 * 8000, 2))


def test_the_oldest_drawings_go_and_none_that_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "MOST_FILES", 3)
    kept = Drawings(tmp_path / "drawn")
    first = kept.put(b"first", ".flac", ())
    drawn = []
    for number in range(5):
        drawn.append(kept.put(b"%d" % number, ".flac", (str(first),)))
        os.utime(drawn[-1], (1e9 + number, 1e9 + number))  # the clock of a file system may be coarse
    assert set((tmp_path / "drawn").iterdir()) == {first, *drawn[-2:]}
    assert kept.put(b"first", ".flac", ()) == first


def test_a_drawing_of_a_scene_stays_however_many_follow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "MOST_FILES", 2)
    of_scene, free = (Drawings(folder).put(content, ".flac", ()) for content in (b"of a scene", b"of nothing"))
    sound = io.BytesIO()

    async def body() -> None:
        async with site() as on:
            on.show(BeatGrid(RATE, 120.0), frozenset({str(of_scene)}))
            for number in range(2):
                sound.seek(0)
                soundfile.write(sound, np.full(RATE, 0.1 * (number + 1)), RATE, format="FLAC")
                data, headers = sound.getvalue(), {"Content-Type": "audio/flac"}
                asked = asyncio.create_task(on.client.post(f"{on.url}/draw?deck=a", data=data, headers=headers))
                await answered(on, 2)
                assert (await asked).status == 200

    run(body)
    assert of_scene.exists() and not free.exists()


def test_paint_changes_what_was_painted_and_nothing_else() -> None:
    time = np.arange(FRAMES) / RATE
    base = (0.3 * np.sin(2 * np.pi * 200 * time) * np.exp(-(time % 0.5) * 6)).astype(np.float32)
    picture = loop_picture(base, RATE)
    assert np.abs(painted_sound(picture, base, FRAMES, RATE) - base).max() < 1e-3
    picture[511 - int(np.argmin(np.abs(band_hz() - 2000.0))), 128:256] = 0
    change = painted_sound(picture, base, FRAMES, RATE) - base
    powers = [float(np.mean(part**2)) for part in np.split(change, 4)]
    assert powers[1] > 100 * max(powers[0], powers[2], powers[3])
