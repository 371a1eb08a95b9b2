"""File hashes: a file exported again under its old name gives a new loop; a missing file is refused."""

import os
import threading
from pathlib import Path

import pytest

from riffengine.errors import AudioFileError
from riffengine.performance.command import Accepted, Rejected
from riffengine.renderer.file_hash import DiskFileHashes, file_hash
from tests.scheduler.simulation import BAR, SchedulerSimulation


def test_the_hash_depends_on_the_content_at_any_size(tmp_path: Path) -> None:
    for size in (10, 9 << 20):
        one, two = tmp_path / f"one{size}", tmp_path / f"two{size}"
        content = bytearray(os.urandom(size))
        one.write_bytes(content)
        two.write_bytes(content)
        assert file_hash(str(one)) == file_hash(str(two))
        content[-1] ^= 1
        two.write_bytes(content)
        assert file_hash(str(one)) != file_hash(str(two))
        two.write_bytes(content + b"0")
        assert file_hash(str(one)) != file_hash(str(two))


def test_a_hash_stays_until_the_file_is_chosen_again(tmp_path: Path) -> None:
    path, hashes = tmp_path / "a.wav", DiskFileHashes()
    assert hashes.of(str(path)) == ""
    path.write_bytes(b"one")
    first = hashes.of(str(path))
    path.write_bytes(b"two")
    assert hashes.of(str(path)) == first != ""
    hashes.look(str(path))
    assert hashes.of(str(path)) != first


def test_a_mask_counts_with_its_content_and_one_that_is_not_there_is_left_to_the_renderer(tmp_path: Path) -> None:
    sound, mask, hashes = tmp_path / "a.wav", tmp_path / "mask.png", DiskFileHashes()
    sound.write_bytes(b"sound")
    init = f"{sound}?from=4&mask={mask}"
    missing = hashes.of(init)
    found = {hashes.of(str(sound)), hashes.of(f"{sound}?mask=keep-low"), missing}
    for content in (b"black", b"white"):  # edited under its name
        mask.write_bytes(content)
        hashes.look(init)
        found.add(hashes.of(init))
    assert len(found) == 5 and "" not in found
    assert hashes.of(f"{sound}?from=4") == file_hash(str(sound))


def test_the_hashes_that_are_kept_are_bounded_and_those_in_use_stay() -> None:
    asked: list[str] = []
    hashes = DiskFileHashes(lambda path: (asked.append(path), path)[1])
    for number in range(3000):
        hashes.look(f"captured-{number}.flac")
        hashes.of("captured-0.flac")  # a deck plays it all the time
    assert len(hashes._hashes) <= 1024 and asked.count("captured-0.flac") == 1


def test_a_path_without_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "missing.wav", "pipe"):
        with pytest.raises(AudioFileError, match="give the path of an audio file"):
            file_hash(str(tmp_path / name))


def test_a_deck_follows_a_changed_file_and_refuses_a_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    sim = SchedulerSimulation(file_hashes=DiskFileHashes(), deck__a__strength=0.5).run_to(10 * BAR)
    refused = sim.send("deck/a/init", str(tmp_path / "b.wav"))
    assert isinstance(refused, Rejected)
    assert "there is no file" in refused.reason
    assert sim.conductor.state.values["deck/a/init"] == ""
    hashes = []
    for content in (b"one", b"two", b"two"):
        path.write_bytes(content)
        assert isinstance(sim.send("deck/a/init", str(path)), Accepted)
        sim.run_to(sim.frame + 12 * BAR)
        part = sim.conductor.scheduler.decks["a"]
        assert part.settled
        hashes.append(part.sounding.key.base.init_hash)
    assert hashes[0] != hashes[1] == hashes[2]
    rendered = len(sim.renders)
    sim.send("deck/a/strength", 1.0)  # the file does not matter any more: the loops from before are reused
    sim.run_to(sim.frame + 6 * BAR)
    assert sim.conductor.scheduler.decks["a"].sounding.key.base.init == ""
    assert len(sim.renders) == rendered


def test_a_file_that_cannot_be_opened_in_time_is_refused_and_the_next_ones_at_once() -> None:
    """A share of a machine that has gone: the engine would wait for ever."""
    back = threading.Event()
    opened: list[str] = []

    def hash_file(path: str) -> str:
        opened.append(path)
        if path == "dead.wav":
            back.wait()
        return path

    hashes = DiskFileHashes(hash_file, 0.05)
    hashes.look("good.wav")
    with pytest.raises(AudioFileError, match="could not be read within"):
        hashes.look("dead.wav")
    with pytest.raises(AudioFileError, match="still being opened"):
        hashes.look("good.wav")
    back.set()
    while len(opened) < 3:  # what hung has come back
        try:
            hashes.look("other.wav")
        except AudioFileError:
            continue
    assert hashes.of("other.wav") == "other.wav"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only where there is /proc")
def test_a_file_of_the_system_is_refused() -> None:
    with pytest.raises(AudioFileError, match="is empty"):
        file_hash("/proc/self/status")
