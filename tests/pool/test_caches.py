"""Content keys and the two caches: what is the same loop, and what is kept."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from riffengine.errors import AudioFileError, ServiceError
from riffengine.pool.caches import LoopCaches
from riffengine.pool.content_key import FileContents, content_key
from riffengine.pool.disk_cache import DiskCache
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.memory_cache import MemoryCache
from riffengine.processes.render_messages import Delivery, RenderCost
from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake

END = MorphEnd("techno", 7)
REQUEST = RenderRequest(
    END, MorphEnd("dub", 8), alpha=0.25, retakes=(Retake(("drums",), 3, 2),), chords=((57, 60, 64),)
)


def loop(seed: int = 1, frames: int = 400, loudest: float = 0.5) -> FinishedLoop:
    rng = np.random.default_rng(seed)
    samples = (rng.uniform(-loudest, loudest, (3, frames, 2))).astype(np.float32)
    delivery = Delivery(
        4,
        2,
        REQUEST,
        frames,
        2,
        ("drums", "bass", "mix"),
        -14.5,
        loudest,
        RenderCost(denoise=0.2),
        ("wub",),
        b"\x01\xff",
    )
    return FinishedLoop(delivery, samples)


def test_a_key_is_a_whole_sha256_of_everything_that_makes_the_samples() -> None:
    base = content_key(REQUEST, "weights", "cpu", "contents")
    assert len(base) == 64
    others = [
        content_key(replace(REQUEST, steps=9), "weights", "cpu", "contents"),
        content_key(replace(REQUEST, end=END), "weights", "cpu", "contents"),
        content_key(replace(REQUEST, retakes=()), "weights", "cpu", "contents"),
        content_key(REQUEST, "other", "cpu", "contents"),
        content_key(REQUEST, "weights", "gpu", "contents"),
        content_key(REQUEST, "weights", "cpu", "other"),
    ]
    assert len({base, *others}) == 7


def test_one_loop_written_two_ways_has_one_key() -> None:
    at_end = replace(REQUEST, alpha=1.0)
    alone = replace(REQUEST, alpha=0.0, start=REQUEST.end)
    assert content_key(at_end, "w", "k") == content_key(alone, "w", "k")


def test_a_file_counts_by_what_it_holds_and_by_its_options() -> None:
    point = replace(END, strength=0.5)
    one, two, other = (
        replace(REQUEST, start=point, end=point, init=init) for init in ("/a/x.wav?bar=2", "/b/y.wav?bar=2", "/a/x.wav")
    )
    assert content_key(one, "w", "k", "c") == content_key(two, "w", "k", "c")
    assert content_key(one, "w", "k", "c") != content_key(other, "w", "k", "c")


def test_contents_are_those_of_the_whole_file_and_read_again_when_it_changes(tmp_path: Path) -> None:
    path, contents = tmp_path / "sound.wav", FileContents()
    path.write_bytes(b"a" * 3_000_000)
    first = contents.of(str(path))
    assert len(first) == 64 and contents.of(f"{path}?bar=2") == first
    found = path.stat()
    path.write_bytes(b"a" * 1_500_000 + b"b" + b"a" * 1_499_999)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))  # a tool that keeps times
    assert contents.of(str(path)) != first
    with pytest.raises(AudioFileError):
        contents.of(str(tmp_path / "none.wav"))


def test_the_contents_that_are_remembered_are_bounded(tmp_path: Path) -> None:
    contents = FileContents()
    for number in range(1100):
        (tmp_path / f"{number}.wav").write_bytes(b"x")
        contents.of(str(tmp_path / f"{number}.wav"))
    assert len(contents._known) <= 1024


def test_the_contents_of_a_mask_count_too(tmp_path: Path) -> None:
    path, mask, contents = tmp_path / "sound.wav", tmp_path / "mask.png", FileContents()
    path.write_bytes(b"sound")
    mask.write_bytes(b"black")
    first = contents.of(f"{path}?from=4&mask={mask}")
    assert len(first) == 64 and first not in (contents.of(str(path)), contents.of(f"{path}?mask=keep-low"))
    mask.write_bytes(b"white picture")
    assert contents.of(f"{path}?from=4&mask={mask}") != first
    assert contents.of(f"{path}?mask=keep-low") != contents.of(f"{path}?mask=keep-beats")
    with pytest.raises(AudioFileError):
        contents.of(f"{path}?mask={tmp_path / 'none.png'}")


def test_the_memory_cache_forgets_what_was_used_longest_ago() -> None:
    one = loop(1)
    cache = MemoryCache(2 * one.bytes)
    for key, seed in (("1", 1), ("2", 2)):
        cache.put(key, loop(seed))
    assert cache.get("1") is not None
    cache.put("3", loop(3))
    assert (cache.get("2"), len(cache), cache.bytes) == (None, 2, 2 * one.bytes)
    cache.put("big", loop(4, frames=4000))
    assert cache.get("big") is None and len(cache) == 2


@pytest.mark.parametrize("loudest", [0.5, 3.0])
def test_a_loop_comes_back_from_the_disk_within_half_a_step_of_24_bits(tmp_path: Path, loudest: float) -> None:
    kept = loop(loudest=loudest)
    cache = DiskCache(tmp_path / "loops", 10_000_000)
    cache.put("k" * 64, kept)
    back = DiskCache(tmp_path / "loops", 10_000_000).get("k" * 64)
    assert back is not None
    assert back.delivery == replace(kept.delivery, job=0, slot=0)
    assert np.abs(back.samples - kept.samples).max() <= 1.2e-7 * max(1.0, loudest)


def test_a_broken_pair_is_missing_and_removed(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10_000_000)
    for key, ending, broken in (
        ("a", "flac", b"no sound"),
        ("b", "json", b"{}"),
        ("c", "json", b"[1"),
        ("d", "flac", b""),
    ):
        cache.put(key, loop())
        (tmp_path / f"{key}.{ending}").write_bytes(broken)
        assert cache.get(key) is None
        assert not list(tmp_path.glob(f"{key}.*"))
    assert cache.get("e") is None
    assert cache.broken == 4


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"nan"', "-1e12"])
def test_a_pair_with_a_number_that_is_none_is_broken(tmp_path: Path, number: str) -> None:
    cache = DiskCache(tmp_path, 10_000_000)
    cache.put("k", loop(loudest=3.0))
    text = (tmp_path / "k.json").read_text()
    for name in ("scale", "loudness_lufs", "peak", "denoise", "channels"):
        (tmp_path / "k.json").write_text(re.sub(rf'"{name}": [^,}}]+', f'"{name}": {number}', text))
        assert cache.get("k") is None
        assert not list(tmp_path.glob("k.*"))
        cache.put("k", loop(loudest=3.0))
    assert cache.get("k") is not None


def test_the_disk_cache_stays_within_its_bytes_and_drops_the_oldest(tmp_path: Path) -> None:
    size = DiskCache(tmp_path / "one", 1_000_000)
    size.put("x", loop(frames=4000))
    cache = DiskCache(tmp_path / "many", 4 * size.bytes)
    for number in range(12):
        cache.put(f"k{number}", loop(number, frames=4000))
        assert sum(path.stat().st_size for path in (tmp_path / "many").iterdir()) <= 4 * size.bytes
    assert cache.get("k0") is None and cache.get("k11") is not None


def test_several_users_of_one_folder_exceed_its_bytes_by_a_twentieth_each(tmp_path: Path) -> None:
    size = DiskCache(tmp_path / "one", 1_000_000)
    size.put("x", loop(frames=400))
    bound, users, most = 40 * size.bytes, 8, 0
    caches = [DiskCache(tmp_path / "many", bound) for _ in range(users)]
    for number in range(120):
        caches[number % users].put(f"k{number}", loop(number, frames=400))
        most = max(most, sum(path.stat().st_size for path in (tmp_path / "many").iterdir()))
    assert 0.9 * bound < most <= (1 + 0.05 * users) * bound + users * 2 * size.bytes


def test_what_was_left_half_written_counts_and_is_removed_after_an_hour(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10_000_000)
    for key in ("whole", "sound", "facts"):
        cache.put(key, loop())
    (tmp_path / "sound.json").unlink()
    (tmp_path / "facts.flac").unlink()
    for name in ("left.12-0123abcd", "whole.12-0123abcd", "new.12-0123abcd", "not ours.txt"):
        (tmp_path / name).write_bytes(b"x" * 5000)
    for path in tmp_path.iterdir():
        if path.name != "new.12-0123abcd":
            os.utime(path, (1e9, 1e9))
    again = DiskCache(tmp_path, 10_000_000)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"whole.flac", "whole.json", "new.12-0123abcd", "not ours.txt"}
    assert again.bytes == sum((tmp_path / name).stat().st_size for name in names - {"not ours.txt"})
    assert again.get("whole") is not None


def test_files_that_are_left_count_within_the_bound_and_give_way(tmp_path: Path) -> None:
    size = DiskCache(tmp_path / "one", 1_000_000)
    size.put("x", loop(frames=4000))
    cache = DiskCache(tmp_path / "many", 4 * size.bytes)
    (tmp_path / "many" / "left.12-0123abcd").write_bytes(b"x" * 3 * size.bytes)
    os.utime(tmp_path / "many" / "left.12-0123abcd", (1e9, 1e9))
    for number in range(4):
        cache.put(f"k{number}", loop(number, frames=4000))
    cache = DiskCache(tmp_path / "many", 4 * size.bytes)
    cache.put("k5", loop(5, frames=4000))
    assert sum(path.stat().st_size for path in (tmp_path / "many").iterdir()) <= 4 * size.bytes
    assert cache.get("k5") is not None


def test_half_a_pair_is_written_again(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10_000_000)
    cache.put("k", loop())
    (tmp_path / "k.flac").unlink()
    assert cache.get("k") is None
    cache.put("k", loop())
    assert cache.get("k") is not None


def test_a_disk_that_does_not_answer_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, asked = threading.Event(), list[str]()

    async def scenario() -> None:
        caches = LoopCaches(10_000_000, str(tmp_path), 10_000_000, look_seconds=0.01)
        assert caches.disk is not None
        monkeypatch.setattr(caches.disk, "get", lambda key: (asked.append(key), answers.wait())[0])
        monkeypatch.setattr(caches.disk, "put", lambda key, loop: answers.wait())
        assert await caches.later("a") is None
        assert await caches.later("b") is None  # not even asked: the disk still owes the first answer
        for number in range(100):
            caches.put(f"k{number}", loop(number))
        assert caches.now("k99") is not None
        sound = tmp_path / "sound.wav"
        sound.write_bytes(b"sound")
        assert len(await caches.contents(str(sound))) == 64  # it may lie on another disk
        caches.close()

    try:
        asyncio.run(scenario())
    finally:
        answers.set()
    assert asked == ["a"]


def test_a_folder_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="name another folder"):
        DiskCache(tmp_path / "file", 1000)
