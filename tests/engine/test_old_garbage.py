"""Old garbage goes once a minute, and with it the tuples that Python keeps for later; what a set consists of stays."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from riffengine.engine.old_garbage import EVERY_SECONDS, OldGarbage

SECOND = 1_000_000_000


class SetClock:
    """A clock that shows what it is told."""

    now = 0

    def now_ns(self) -> int:
        return self.now


class Transport:
    """A cycle, as every connection of asyncio leaves one."""

    def __init__(self) -> None:
        self.read = self.received

    def received(self) -> None:
        pass


@pytest.fixture
def clock() -> Iterator[SetClock]:
    """Without Python's own collections, which come when they come."""
    gc.disable()
    yield SetClock()
    gc.enable()
    gc.unfreeze()


def test_a_cycle_is_freed_within_a_minute(clock: SetClock) -> None:
    garbage = OldGarbage(clock)
    garbage.begin()
    left = weakref.ref(Transport())
    clock.now = round((EVERY_SECONDS - 1) * SECOND)
    garbage.check()
    assert left() is not None
    clock.now += SECOND
    garbage.check()
    assert left() is None
    again = weakref.ref(Transport())
    garbage.check()
    assert again() is not None, "every tick would cost a millisecond"
    garbage.end()


def test_what_is_there_at_the_start_is_not_searched_until_the_end(clock: SetClock) -> None:
    garbage = OldGarbage(clock)
    kept = Transport()
    left = weakref.ref(kept)
    garbage.begin()
    del kept
    clock.now = round(EVERY_SECONDS * SECOND)
    garbage.check()
    assert left() is not None
    garbage.end()
    gc.collect()
    assert left() is None


_KEPT_TUPLES = """
import gc, sys
from riffengine.engine.old_garbage import EVERY_SECONDS, OldGarbage

class SetClock:
    now = 0
    def now_ns(self):
        return self.now

clock = SetClock()
garbage = OldGarbage(clock)
garbage.begin()
for length in range(1, 20):
    many = [tuple(range(length)) for _ in range(2000)]
    del many
if sys.argv[1] == "checked":
    clock.now = round(EVERY_SECONDS * 1e9)
    garbage.check()
sys._debugmallocstats()
"""


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="only CPython keeps tuples")
def test_the_tuples_that_python_keeps_are_given_back() -> None:
    kept = {}
    for when in ("before", "checked"):
        command = [sys.executable, "-c", _KEPT_TUPLES, when]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        found = re.findall(r"(\d+) free \d+-sized PyTupleObjects \* (\d+) bytes", done.stderr)
        kept[when] = sum(int(count) * int(size) for count, size in found)
    assert kept["before"] > 2_000_000, kept
    assert kept["checked"] < 10_000, kept
