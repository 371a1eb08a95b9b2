"""The ring of the output: what readers get when they are on time, late, or when the player is started again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from riffengine.errors import LoopStoreError
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.loop_store import LoopStore

FRAMES = 1 << 15


def sound(begin: int, count: int) -> np.ndarray:  # type: ignore[type-arg]
    """Samples that say which frame they are."""
    frames = np.arange(begin, begin + count, dtype=np.float32)
    return np.stack([frames, -frames], axis=1)


@pytest.fixture
def tap() -> Iterator[AudioTap]:
    made = AudioTap.create(44100, 2, FRAMES)
    yield made
    made.close()


@pytest.mark.parametrize("block_frames", [64, 512, 1000])
def test_a_reader_gets_every_sample_across_the_edge_of_the_ring(tap: AudioTap, block_frames: int) -> None:
    reader = AudioTap.attach(tap.name)
    assert (reader.sample_rate, reader.channels) == (44100, 2)
    at, got = 0, []
    for frame in range(0, 3 * FRAMES, block_frames):
        tap.write(frame, sound(frame, block_frames), 5)
        tapped = reader.read(at, FRAMES)
        assert tapped.frame == at
        got.append(tapped.samples)
        at += len(tapped.samples)
    assert np.array_equal(np.concatenate(got), sound(0, at))
    assert at == tap.end >= 3 * FRAMES
    reader.close()


@pytest.mark.parametrize("frame", [0, 5, FRAMES - 3, 7 * FRAMES + 11])
def test_a_block_longer_than_the_ring_leaves_its_end(tap: AudioTap, frame: int) -> None:
    tap.write(frame, sound(frame, FRAMES + 1000), 5)
    assert tap.end == frame + FRAMES + 1000
    tapped = tap.read(frame, 2 * FRAMES)
    assert tapped.frame + len(tapped.samples) == tap.end
    assert len(tapped.samples) >= FRAMES // 2
    assert np.array_equal(tapped.samples, sound(tapped.frame, len(tapped.samples)))
    tap.write(tap.end, sound(tap.end, 512), 6)
    assert np.array_equal(tap.read(tap.end - 512, 512).samples, sound(tap.end - 512, 512))


def test_a_late_reader_is_told_where_its_samples_begin(tap: AudioTap) -> None:
    for frame in range(0, 2 * FRAMES, 512):
        tap.write(frame, sound(frame, 512), frame)
    tapped = tap.read(0, 100)
    assert tapped.frame > FRAMES
    assert np.array_equal(tapped.samples, sound(tapped.frame, 100))
    assert tapped.host_ns == 2 * FRAMES - 512


def test_what_may_be_overwritten_while_it_is_read_is_not_given_out(tap: AudioTap) -> None:
    """The writer has begun a block, and has not moved the end on, when a slow reader has copied the oldest frames."""
    tap.write(0, sound(0, FRAMES), 5)
    reader = AudioTap.attach(tap.name)
    ring, first = reader._ring, True

    class SlowRing:
        def __getitem__(self, indices: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
            nonlocal first
            if first:
                first = False
                for frame in range(FRAMES, FRAMES + 12288, 512):
                    tap.write(frame, sound(frame, 512), 5)
                tap._ring[np.arange(12288, 12288 + 512)] = np.nan  # of the block that follows
            return np.asarray(ring[indices])

    reader._ring = SlowRing()  # type: ignore[assignment]
    tapped = reader.read(0, FRAMES)
    assert tapped.frame + len(tapped.samples) == FRAMES + 12288
    assert np.array_equal(tapped.samples, sound(tapped.frame, len(tapped.samples)))
    reader.close()


def test_samples_of_a_player_that_is_gone_are_not_given_out_as_those_of_the_next(tap: AudioTap) -> None:
    tap.write(0, sound(0, 512), 0)
    tap.write(1500, sound(1500, 512), 0)
    tapped = tap.read(512, FRAMES)
    assert (tapped.frame, len(tapped.samples)) == (1500, 512)
    assert np.array_equal(tapped.samples, sound(1500, 512))


def test_nothing_new_is_an_empty_answer(tap: AudioTap) -> None:
    tap.write(0, sound(0, 512), 0)
    assert tap.read(512, 100).samples.shape == (0, 2)


def test_other_memory_is_refused() -> None:
    store = LoopStore.create(1, 1024)
    with pytest.raises(LoopStoreError, match="holds no audio output"):
        AudioTap.attach(store.name)
    store.close()
    with pytest.raises(LoopStoreError, match="has its engine ended"):
        AudioTap.attach("riffengine-0-00000000")
