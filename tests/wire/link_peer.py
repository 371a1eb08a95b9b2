"""A second Link peer: a process of its own, with another binding of the library (aalink)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import dataclass

import pytest

needs_link = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("link", "aalink")),
    reason="needs LinkPython-extern and aalink: pip install 'riffengine[link]' aalink",
)

PEER = """
import asyncio, sys, time, aalink

async def main():
    link = aalink.Link(float(sys.argv[1]))
    link.start_stop_sync_enabled = True
    link.enabled = True
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, *values = line.split()
        if word == "tempo":
            link.tempo = float(values[0])
        elif word == "play":
            link.playing = values[0] == "1"
        before = time.monotonic_ns()
        beat = link.beat
        after = time.monotonic_ns()
        print(link.num_peers, link.tempo, beat, int(link.playing), before, after, flush=True)

asyncio.run(main())
"""


@dataclass(frozen=True)
class Told:
    """What the peer says: its beat was ``beat`` between ``before_ns`` and ``after_ns`` of the monotonic clock."""

    peers: int
    bpm: float
    beat: float
    playing: bool
    before_ns: int
    after_ns: int


class Peer:
    """The second peer."""

    def __init__(self, bpm: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PEER, str(bpm)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def ask(self, words: str = "state") -> Told:
        """The state of the peer after ``words``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        peers, bpm, beat, playing, before, after = self._process.stdout.readline().split()
        return Told(int(peers), float(bpm), float(beat), playing == "1", int(before), int(after))

    def end(self) -> None:
        """Leave the session."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
