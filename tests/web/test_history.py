"""What was just heard, by whole bars."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from riffengine.errors import ControlError
from riffengine.processes.audio_tap import AudioTap
from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.history import History, file_name
from tests.web.site import RATE, run, site

GRID = BeatGrid(RATE, 120.0)
BAR = 4 * 22050


def sound(begin: int, count: int) -> np.ndarray:  # type: ignore[type-arg]
    frames = np.arange(begin, begin + count, dtype=np.float32) / 2**23
    return np.stack([frames, -frames], axis=1)


def play(tap: AudioTap, history: History, begin: int, end: int) -> None:
    for frame in range(begin, end, 500):
        tap.write(frame, sound(frame, min(500, end - frame)), 0)
        if frame % 100_000 < 500:
            history.take()


def test_an_excerpt_is_whole_bars_to_the_sample() -> None:
    tap = AudioTap.create(RATE, 2)
    history = History(tap, 20.0)
    play(tap, history, 0, 6 * BAR + 12_345)
    for bars in (1, 2, 4):
        excerpt = history.excerpt(bars, GRID)
        assert excerpt.frame == (6 - bars) * BAR
        assert np.array_equal(excerpt.samples, sound(excerpt.frame, bars * BAR))
    with pytest.raises(ControlError, match="ask for less"):
        history.excerpt(12, GRID)
    tap.close()


def test_its_memory_is_taken_at_the_start_and_holds_the_newest_seconds() -> None:
    tap = AudioTap.create(RATE, 2)
    history = History(tap, 20.0)
    ring = history._ring
    assert ring.shape == (20 * RATE, 2)
    play(tap, history, 0, 16 * BAR + 100)
    excerpt = history.excerpt(9, GRID)
    assert history._ring is ring
    assert np.array_equal(excerpt.samples, sound(7 * BAR, 9 * BAR))
    with pytest.raises(ControlError, match="there are 20 s"):
        history.excerpt(10, GRID)
    tap.close()


def test_what_was_played_before_a_gap_is_not_joined_to_what_came_after_it() -> None:
    tap = AudioTap.create(RATE, 2)
    history = History(tap, 20.0)
    play(tap, history, 0, 3 * BAR)
    play(tap, history, 4 * BAR, 6 * BAR + 100)
    assert np.array_equal(history.excerpt(2, GRID).samples, sound(4 * BAR, 2 * BAR))
    with pytest.raises(ControlError):
        history.excerpt(3, GRID)
    tap.close()


def test_a_download_is_a_file_that_is_named_by_its_prompt() -> None:
    async def body() -> None:
        async with site() as web:
            web.play(sound(0, 3 * BAR + 700))
            page = await web.control()
            web.show(GRID)
            await page.receive()
            async with web.client.get(f"{web.url}/save-last.flac?bars=2") as answer:
                assert answer.status == 200
                assert answer.headers["Content-Disposition"] == 'attachment; filename="riffengine-2-bars-120-bpm.flac"'
                samples, rate = soundfile.read(io.BytesIO(await answer.read()), dtype="float32")
            assert rate == RATE
            assert np.abs(samples - sound(BAR, 2 * BAR)).max() <= 2**-23
            for query, status in (("bars=0", 400), ("bars=x", 400), ("bars=1000", 400), ("bars=60", 409)):
                async with web.client.get(f"{web.url}/save-last.flac?{query}") as answer:
                    assert answer.status == status

    run(body)


def test_names_hold_letters_and_digits_alone() -> None:
    assert file_name('Dub/../techno"\r\n warm', 8, 93.75) == "dub-techno-warm-8-bars-93.75-bpm.flac"
    assert file_name("日本", 4, 120.0) == "riffengine-4-bars-120-bpm.flac"
