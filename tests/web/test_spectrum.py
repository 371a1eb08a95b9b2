"""The spectrogram for pages: columns on the beat grid, pictures of loops, and the spectrum socket."""

from __future__ import annotations

import asyncio
import struct

import numpy as np
from yarl import URL

from riffengine.processes.loop_store import LoopStore
from riffengine.processes.player_messages import LoopRef
from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.loop_pictures import LoopPictures
from riffengine.web.options import WebLimits
from riffengine.web.spectrum import BANDS, COLUMNS_PER_BEAT, columns_at, loop_columns
from tests.web.site import RATE, run, site


def tone(hz: float, frames: int) -> np.ndarray:  # type: ignore[type-arg]
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(frames) / RATE)).astype(np.float32)


def test_a_loop_is_a_circle_and_equals_what_is_heard_of_it() -> None:
    loop = tone(440.0, 4 * RATE)
    picture = loop_columns(loop, 8, RATE)
    assert picture.shape == (8 * COLUMNS_PER_BEAT, BANDS)
    assert np.ptp(picture.argmax(axis=1)) == 0  # also at the seam
    centres = np.round(np.arange(64) * RATE / 64).astype(np.int64) + 4 * RATE
    assert np.array_equal(columns_at(np.tile(loop, 3), centres, RATE), picture[:64])


def test_a_watcher_gets_the_columns_of_the_beats_that_were_played() -> None:
    async def body() -> None:
        async with site() as on:
            on.show(BeatGrid(RATE, 120.0))
            on.play(np.repeat(tone(1000.0, 2 * RATE)[:, None], 2, axis=1))
            async with on.client.ws_connect(f"{on.url}/ws/spectrum") as wire:
                columns = {}
                async with asyncio.timeout(20):
                    while len(columns) < 120:
                        data = (await wire.receive()).data
                        bands, count, _, first = struct.unpack_from("<HHId", data)
                        assert len(data) == 16 + bands * count
                        for k in range(count):
                            columns[int(first) + k] = data[16 + bands * k : 16 + bands * (k + 1)]
            assert sorted(columns) == list(range(len(columns)))
            peaks = {int(np.argmax(np.frombuffer(columns[k], np.uint8))) for k in range(8, 100)}
            assert len(peaks) == 1

    run(body)


def test_a_picture_counts_only_when_its_loop_is_still_in_use_after_it_was_read() -> None:
    async def body() -> None:
        store = LoopStore.create(2, 2 * RATE)
        store.write(0, tone(500.0, RATE).reshape(1, RATE, 1))
        pictures = LoopPictures(store, RATE, lambda: 1000)
        running = asyncio.create_task(pictures.run())
        ref = LoopRef(7, 0, RATE, 1, ("mix",), 2)
        try:
            pictures.use([ref], 1000)
            async with asyncio.timeout(20):
                while not pictures._read:
                    await asyncio.sleep(0.01)
            pictures.use([ref], 1001)
            assert pictures.find(7) is None  # said before it was read, perhaps
            pictures.use([ref], 1000 + RATE)
            found = pictures.find(7)
            assert found is not None
            assert found.columns.shape == (1, 2 * COLUMNS_PER_BEAT, BANDS)
            assert found.file().startswith(b'{"loop": 7, "stems": ["mix"]')
            pictures.use([], 2000 + RATE)
        finally:
            running.cancel()
            pictures.close()

    run(body)


def test_seed_pictures_have_the_names_of_riffusion_and_no_name_is_a_path() -> None:
    async def body() -> None:
        async with site() as on:
            for name, status in (("og_beat", 200), ("straight", 200), ("..%2fmask%2fgradient", 404), ("nothing", 404)):
                answer = await on.client.get(f"{on.url}/seeds/{name}.png")
                assert answer.status == status, name
            for path, status in (("1", 204), ("1.png", 204), ("1/../2", 404), ("x", 404), ("1.jpg", 404), ("1x", 404)):
                # As it stands: a client takes the dots of an address away before it asks.
                answer = await on.client.get(URL(f"{on.url}/loops/{path}", encoded=True))
                assert answer.status == status, path

    run(body)


def test_a_watcher_who_never_reads_is_hung_up() -> None:
    async def body() -> None:
        async with site(limits=WebLimits(stalled_seconds=0.2)) as on:
            on.show(BeatGrid(RATE, 120.0))
            watchers = on.server._stage._spectrum
            asleep = await on.client.ws_connect(f"{on.url}/ws/spectrum")
            asleep._response.connection.transport.pause_reading()  # type: ignore[union-attr]
            awake = await on.client.ws_connect(f"{on.url}/ws/spectrum")
            reading = asyncio.create_task(awake.receive_bytes())
            second = np.random.default_rng(1).uniform(-0.5, 0.5, (RATE, 2))
            async with asyncio.timeout(60):
                while len(watchers) > 1:
                    on.play(second)  # the system keeps some 100 kB for it, which are 12 s of columns
                    await asyncio.sleep(0.02)
                    if reading.done():
                        assert len(reading.result()) > 0
                        reading = asyncio.create_task(awake.receive_bytes())
            on.play(second)
            assert len(await reading) > 0
            await awake.close()

    run(body)
