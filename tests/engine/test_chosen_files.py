"""Files that commands choose are opened in a thread: the event loop goes on, and each is refused after its deadline."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from riffengine.engine.chosen_files import ChosenFiles
from riffengine.errors import AudioFileError
from riffengine.performance.command import Command
from riffengine.performance.parameters import standard_tree
from riffengine.renderer.file_hash import MOST_BEGUN, DiskFileHashes

INIT = "deck/a/init"


class _Disk:
    """Files that are read when ``spun`` is set; those called dead never are."""

    def __init__(self, most_seconds: float = 30.0) -> None:
        self.spun, self.back = threading.Event(), threading.Event()
        self.hashes = DiskFileHashes(self._hash, most_seconds)
        self.outcomes: list[str] = []

    def _hash(self, path: str) -> str:
        (self.back if "dead" in path else self.spun).wait()
        return f"hash of {path}"

    def files(self, may_open: Callable[[Command], bool] = lambda command: True) -> ChosenFiles:
        return ChosenFiles(standard_tree(("a", "b")), self.hashes, may_open, files_of)

    def look(self, path: str) -> None:
        try:
            self.hashes.look(path)
            self.outcomes.append(self.hashes.of(path))
        except AudioFileError as error:
            self.outcomes.append(str(error))

    async def until(self, outcomes: int) -> list[str]:
        async with asyncio.timeout(60):
            while len(self.outcomes) < outcomes:
                await asyncio.sleep(0.001)
        return self.outcomes


def files_of(command: Command) -> tuple[str, ...]:
    """A scene is named by the files that it brings back."""
    return tuple(name for name in str(command.value).split() if "." in name)


def test_the_event_loop_goes_on_while_a_file_is_opened() -> None:
    async def choose() -> list[str]:
        disk = _Disk()
        assert not disk.files().prepare(Command(INIT, "a.wav"), lambda: disk.look("a.wav"))
        turns = 0
        while turns < 100:  # nothing is answered before the disk is, and nobody waits for it
            await asyncio.sleep(0)
            turns += 1
        assert disk.outcomes == []
        disk.spun.set()
        return await disk.until(1)

    assert asyncio.run(choose()) == ["hash of a.wav"]


def test_a_file_that_takes_too_long_is_refused_and_the_next_one_at_once() -> None:
    async def choose() -> list[str]:
        disk = _Disk(0.05)
        files = disk.files()
        assert not files.prepare(Command(INIT, "dead.wav"), lambda: disk.look("dead.wav"))
        assert not files.prepare(Command(INIT, "behind.wav"), lambda: disk.look("behind.wav"))
        await disk.until(2)
        assert files.prepare(Command(INIT, "later.wav"), lambda: None)
        disk.look("later.wav")
        disk.back.set()
        disk.spun.set()
        return disk.outcomes

    dead, behind, later = asyncio.run(choose())
    assert "dead.wav could not be read within 0.05 s" in dead
    assert "behind.wav could not be read within 0.05 s" in behind
    assert "later.wav cannot be read now: another file is still being opened" in later


def test_the_same_file_may_be_chosen_twice_at_once() -> None:
    async def choose() -> list[str]:
        disk = _Disk()
        files = disk.files()
        for _ in range(2):
            assert not files.prepare(Command(INIT, "a.wav"), lambda: disk.look("a.wav"))
        disk.spun.set()
        return await disk.until(2)

    assert asyncio.run(choose()) == ["hash of a.wav"] * 2


def test_the_last_gesture_counts_however_long_an_earlier_file_takes() -> None:
    async def choose() -> list[str]:
        disk = _Disk()
        files, order = disk.files(), list[str]()

        def ended() -> None:
            order.append("b")
            disk.look("b.wav")

        assert not files.prepare(Command(INIT, "a.wav", "osc:1"), lambda: order.append("a"))
        assert not files.prepare(Command(INIT, "", "web:2"), lambda: order.append("none"))
        assert not files.prepare(Command(INIT, "b.wav", "midi:3"), ended)
        assert files.prepare(Command("deck/a/prompt", "techno"), lambda: None)
        disk.spun.set()
        await disk.until(1)
        assert files.prepare(Command(INIT, ""), lambda: None)  # nothing waits any longer
        return order

    assert asyncio.run(choose()) == ["a", "none", "b"]


def test_who_waits_behind_a_command_that_fails_is_submitted_all_the_same() -> None:
    async def choose() -> list[str]:
        disk = _Disk()
        files = disk.files()

        def fail() -> None:
            raise ZeroDivisionError

        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        assert not files.prepare(Command(INIT, "a.wav"), fail)
        assert not files.prepare(Command(INIT, ""), lambda: disk.outcomes.append("none"))
        disk.spun.set()
        return await disk.until(1)

    assert asyncio.run(choose()) == ["none"]


def test_more_files_than_some_are_refused_at_once() -> None:
    async def choose() -> list[str]:
        disk = _Disk()
        files = disk.files()
        for number in range(MOST_BEGUN):
            assert not files.prepare(Command(INIT, f"{number}.wav"), lambda: None)
        assert files.prepare(Command(INIT, "more.wav"), lambda: None)
        disk.look("more.wav")
        disk.spun.set()
        files.close()
        return disk.outcomes

    assert "another file is still being opened" in asyncio.run(choose())[0]


@pytest.mark.parametrize(
    ("path", "value"), [("deck/a/prompt", "a.wav"), (INIT, ""), ("deck/z/init", "a.wav"), (INIT, 1)]
)
def test_what_names_no_file_is_submitted_at_once(path: str, value: str | int) -> None:
    async def choose() -> bool:
        return _Disk().files().prepare(Command(path, value), lambda: None)

    assert asyncio.run(choose())


def test_a_file_that_its_sender_may_not_name_is_not_opened() -> None:
    async def choose() -> bool:
        disk = _Disk()
        return disk.files(lambda command: False).prepare(Command(INIT, "/etc/shadow"), lambda: None)

    assert asyncio.run(choose())


def test_nothing_is_submitted_after_the_end_of_the_set() -> None:
    async def choose() -> list[str]:
        disk = _Disk()
        files = disk.files()
        assert not files.prepare(Command(INIT, "a.wav"), lambda: disk.look("a.wav"))
        files.close()
        done = threading.Event()
        disk.spun.set()
        disk.hashes.begin("b.wav", done.set)  # read after a.wav, in the same thread
        while not done.is_set():
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        return disk.outcomes

    assert asyncio.run(choose()) == []


def test_a_scene_waits_for_all_its_files_and_what_follows_for_the_scene() -> None:
    async def choose() -> list[str]:
        disk = _Disk()
        files = disk.files()

        def recall() -> None:
            for path in ("a.wav", "b.wav", "a.wav"):  # two decks start from the same file
                disk.look(path)

        def says(text: str) -> Callable[[], None]:
            return lambda: disk.outcomes.append(text)

        assert files.prepare(Command("deck/a/gain", -6.0), says("a fader before"))
        assert not files.prepare(Command("scene/recall", "a.wav b.wav"), recall)
        assert not files.prepare(Command("deck/a/gain", -3.0), says("a fader"))
        assert not files.prepare(Command("scene/recall", "c.wav"), lambda: disk.look("c.wav"))
        assert not files.prepare(Command(INIT, "d.wav"), lambda: disk.look("d.wav"))
        assert not files.prepare(Command("scene/store", "new"), says("stored"))
        assert files.prepare(Command("panic", True), says("panic"))
        assert files.prepare(Command("deck/a/gain", 1e9), says("refused"))
        await asyncio.sleep(0.01)
        assert disk.outcomes == ["a fader before", "panic", "refused"]
        disk.spun.set()
        await disk.until(9)
        assert files.prepare(Command("deck/a/gain", 0.0), says("at once"))
        return disk.outcomes[3:]

    assert asyncio.run(choose()) == [
        *("hash of a.wav", "hash of b.wav", "hash of a.wav", "a fader"),
        *("hash of c.wav", "hash of d.wav", "stored", "at once"),
    ]


@pytest.mark.parametrize("path", ["undo", "redo", "scene/store", "scene/recall"])
def test_what_sets_or_keeps_many_parameters_waits_for_the_files_chosen_before_it(path: str) -> None:
    async def choose() -> list[str]:
        disk = _Disk()
        files = disk.files()

        def says(text: str) -> Callable[[], None]:
            return lambda: disk.outcomes.append(text)

        assert not files.prepare(Command(INIT, "a.wav"), says("first file"))
        assert not files.prepare(Command("deck/b/init", "b.wav"), says("second file"))
        value = "any" if "scene" in path else True
        assert not files.prepare(Command(path, value), says("then this"))
        assert not files.prepare(Command(INIT, "c.wav"), says("third file"))
        disk.spun.set()
        await disk.until(4)
        assert files.prepare(Command(path, value), says("at once"))
        return disk.outcomes

    first, second, *rest = asyncio.run(choose())
    assert {first, second} == {"first file", "second file"}
    assert rest == ["then this", "third file", "at once"]


def test_a_scene_is_recalled_without_the_file_that_takes_too_long() -> None:
    async def choose() -> list[str]:
        disk = _Disk(0.05)
        disk.spun.set()

        def recall() -> None:
            for path in ("a.wav", "dead.wav"):
                disk.look(path)

        assert not disk.files().prepare(Command("scene/recall", "a.wav dead.wav"), recall)
        await disk.until(2)
        disk.back.set()
        return disk.outcomes

    heard, refused = asyncio.run(choose())
    assert heard == "hash of a.wav" and "dead.wav could not be read within 0.05 s" in refused
